"""Several runs in one program: each as it is alone, with data of its own; stopped, killed and lost
members.
"""

import os
import shutil
import signal

import jax
import numpy as np
import pytest

from gan_jax.commands import process, train, training_flags
from gan_jax.data.datasets import Dataset
from gan_jax.errors import Stopped
from gan_jax.methods import gan
from gan_jax.rundir import run_folder
from gan_jax.training import multi_seed
from tests import tiers, tiny_runs
from tests.tiers import slowly
from tests.tiny_runs import records

SEEDS = (5, 6, 7)


def shard(number, rows=30):
    """A Dataset of its own, as nodes have."""
    return tiny_runs.dataset(rows, number, labels=False)


@pytest.fixture(scope="module")
def sources():
    return [shard(0), shard(1, 29), shard(2)]


def build(sources, hp=tiny_runs.HP, **changes):
    return [
        tiny_runs.prepare(source, hp, seed=seed, **changes)
        for seed, source in zip(SEEDS, sources, strict=True)
    ]


def folders(root):
    return [root / f"run_{seed}" for seed in SEEDS]


def together(root, sources, how="vmapped", **changes):
    return multi_seed.train_all(build(sources, **changes), folders(root), how)


def states(root):
    """The final state of every run."""
    return [run_folder.load(folder).state for folder in folders(root)]


def digests(root):
    return [(folder / "DONE").read_text() for folder in folders(root)]


@pytest.fixture(scope="module")
def alone(sources, tmp_path_factory):
    """The folder of three runs that were made one by one by training_loop.train."""
    root = tmp_path_factory.mktemp("alone")
    for prepared, folder in zip(build(sources), folders(root), strict=True):
        tiny_runs.train(folder, prepared)
    return root


@pytest.fixture(scope="module")
def vmapped(sources, tmp_path_factory):
    root = tmp_path_factory.mktemp("vmapped")
    assert together(root, sources) == {}
    return root


@pytest.mark.long
@pytest.mark.parametrize("changes", [{}, slowly({"steps_per_dispatch": 2})])
@pytest.mark.parametrize("how", tiers.cases(training_flags.MEMBERS_BY[1:], ("vmapped",)))
def test_members_with_data_of_their_own_are_what_they_are_alone(
    how, changes, sources, alone, tmp_path
):
    assert together(tmp_path, sources, how, **changes) == {}
    for got, wanted in zip(states(tmp_path), states(alone), strict=True):
        for a, b in zip(jax.tree.leaves(got.params), jax.tree.leaves(wanted.params), strict=True):
            np.testing.assert_allclose(
                a, b, atol=2e-5
            )  # 12 steps of Adam, which enlarges rounding where gradients are small
    for mine, theirs in zip(folders(tmp_path), folders(alone), strict=True):
        assert sorted(p.name for p in mine.iterdir()) == sorted(
            [*(p.name for p in theirs.iterdir()), ".lock"]
        )
        assert sorted(p.name for p in (mine / "samples").iterdir()) == ["000006.png", "000012.png"]
        assert [r["step"] for r in records(mine)] == [4, 8, 12]
        for a, b in zip(records(mine), records(theirs), strict=True):
            assert a.keys() == b.keys() and all(np.allclose(a[k], b[k], atol=1e-3) for k in a)


@pytest.mark.long
def test_turns_have_the_bytes_of_solo_runs(sources, alone, tmp_path):
    together(tmp_path, sources, "turns")
    assert digests(tmp_path) == digests(alone)


@pytest.mark.long
def test_stopped_members_go_on_to_the_same_bytes(sources, vmapped, tmp_path, monkeypatch):
    dispatch = multi_seed.VmappedLoop._dispatch

    def stop_after_six(loops):
        dispatch(loops)
        if loops.remaining()[0].t == 6:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(multi_seed.VmappedLoop, "_dispatch", stop_after_six)
    with pytest.raises(
        Stopped, match=r"(?s)run_5: stopped by SIGTERM at step 6; saved.*run_7: stopped by SIGTERM"
    ):
        together(tmp_path, sources)
    monkeypatch.undo()
    assert together(tmp_path, sources) == {}
    assert digests(tmp_path) == digests(vmapped)


@pytest.mark.long
@pytest.mark.parametrize(
    "missing", [{5: [12], 7: [12]}, slowly({5: [12, 8]}), slowly({6: [12, 8], 7: [12, 8]})]
)
def test_members_that_a_kill_left_a_save_apart_meet_again(missing, sources, vmapped, tmp_path):
    """Stores keep the newest two, 8 and 12; a run that lacks 12 was killed before its save."""
    root = tmp_path / "killed"
    shutil.copytree(vmapped, root)
    for folder in folders(root):
        (folder / "DONE").unlink()
    for seed, steps in missing.items():
        for step in steps:
            shutil.rmtree(root / f"run_{seed}" / "checkpoints" / str(step))
    assert together(root, sources) == {}
    for got, wanted in zip(states(root), states(vmapped), strict=True):
        for a, b in zip(jax.tree.leaves(got.params), jax.tree.leaves(wanted.params), strict=True):
            np.testing.assert_allclose(a, b, atol=2e-5)
    if all(len(steps) == 1 for steps in missing.values()):
        assert digests(root) == digests(vmapped)


class Place:
    """What align asks of a Loop: which checkpoints it has, where it stands, and to go back."""

    def __init__(self, steps):
        self.store, self.t = self, max(steps, default=0)
        self.steps = lambda: steps

    def restore(self, step):
        self.t = step


@pytest.mark.parametrize(
    "have, meet, left",
    [
        ([[8, 12], [8, 12]], 12, []),
        ([[8, 12], [4, 8]], 8, []),
        ([[4], []], 0, []),
        ([[8, 12], [4]], 12, [1]),
        ([[8, 12], []], 12, [1]),
        ([[8, 12], [4, 8], [2]], 8, [2]),
        ([[], [], []], 0, []),
    ],
)
def test_align(have, meet, left):
    loops = [Place(steps) for steps in have]
    found = multi_seed.align(loops)
    assert [loop for loop in loops if loop not in found] == [loops[i] for i in left]
    assert {loop.t for loop in found} == {meet}


@pytest.mark.slow
def test_one_member_diverges_and_the_others_end_as_they_would(sources, tmp_path):
    points = [
        np.random.default_rng(i).normal(size=(60, 1, 1, 2)).astype(np.float32) for i in range(3)
    ]
    points[1][7] = np.nan
    data = [Dataset(x, None, (), "toys:sine", str(i)) for i, x in enumerate(points)]
    hp = gan.Settings(net="mlp", width=4, z_dim=2, pixels="linear", ema=0.9)
    for name in ("with", "without"):
        picked = [0, 1, 2] if name == "with" else [0, 2]
        made = build(data, hp, size=1, sample_every=0, watch=False)
        lost = multi_seed.train_all(
            [made[i] for i in picked], [folders(tmp_path / name)[i] for i in picked], "vmapped"
        )
        assert list(lost) == (["run_6"] if name == "with" else [])
    again = multi_seed.train_all(
        made, folders(tmp_path / "with"), "vmapped"
    )  # it goes its way alone
    assert list(again) == ["run_6"] and "Player 'disc' had a non-finite loss" in again["run_6"]
    assert not (tmp_path / "with" / "run_6" / "DONE").exists()
    for seed in (5, 7):
        kept, free = (
            (tmp_path / name / f"run_{seed}" / "DONE").read_text() for name in ("with", "without")
        )
        assert kept == free


@pytest.mark.long
def test_command(tmp_path, capsys):
    def call(*argv):
        words = [
            "--flagfile=dcgan_smoke",
            "--devices=1",
            "--seed=3",
            "--members=2",
            "--steps=20",
            f"--workdir={tmp_path}/a",
            *argv,
        ]
        return process.guarded(lambda w: train.run("dcgan", w), words)

    assert call("--dry_run") == 0
    assert f"{tmp_path}/a_4 would be new" in capsys.readouterr().out and not list(
        tmp_path.iterdir()
    )
    assert call("--members_by=vmapped") == 0
    assert "2 of 2 finished at step 20" in capsys.readouterr().out
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a_3", "a_4"]
    assert "--seed=4" in (tmp_path / "a_4" / "flags.txt").read_text().split()
    assert call("--width=3") == 2
    assert "a_3 was made with --width=4, now 3" in capsys.readouterr().err
    assert call("--members=65") == 2 and call("--members_by=threads") == 2
    assert call("--members=3", "--lr=1e12", "--restart") == 3
    assert capsys.readouterr().err.count("non-finite") == 3
