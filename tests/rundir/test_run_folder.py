"""The run folder: what --restart removes of it."""

from gan_jax.rundir import run_folder


def test_restart_empties_a_folder_that_is_linked_and_keeps_the_link(tmp_path):
    run, disk = tmp_path / "run", tmp_path / "disk"
    (disk / "5" / "state").mkdir(parents=True)
    (disk / "note.txt").write_text("")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").write_text("")
    (disk / "6").symlink_to(elsewhere)
    run.mkdir()
    (run / "checkpoints").symlink_to(disk)
    (run / "samples").symlink_to(tmp_path / "gone")
    (run / "mine.txt").write_text("")
    (run / "tensorboard" / "a").mkdir(parents=True)
    for _ in range(2):  # a kill may come between
        run_folder.discard(run)
        assert sorted(path.name for path in run.iterdir()) == ["checkpoints", "mine.txt"]
        assert (run / "checkpoints").is_symlink() and not any(disk.iterdir())
    assert (elsewhere / "kept").exists()
