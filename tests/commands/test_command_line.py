"""What commands refuse: one line on stderr, exit code 2, before anything compiles. And --help,
--dry_run, flag order.
"""

import dataclasses
import functools
import gzip
import importlib
import json
import os
import shutil
import struct
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from gan_jax import config
from gan_jax.commands import command_line, entry, evaluate, inspect, presets, process, sample, train
from gan_jax.rundir import run_folder, run_lock
from gan_jax.studies import one_recipe
from gan_jax.studies.ablate.flags import read_sweep
from gan_jax.studies.augment.flags import read_study
from gan_jax.studies.curves.flags import Flags as CurveFlags
from gan_jax.studies.two_models.flags import Flags as TwoModelFlags
from gan_jax.training import training_loop
from tests import paths, tiny_runs

SMOKE = "--flagfile=experiments/flagfiles/morpho_smoke.flags"
TINY = [*tiny_runs.FLAGS, "--steps=2", "--save_every=0"]


def command(name, *argv):
    """Exit code of a training command, in this process."""
    return process.guarded(lambda words: train.run(name, words), list(argv))


@pytest.fixture
def no_compile(monkeypatch):
    def compiled(*_):
        raise AssertionError("something was compiled before the input was refused")

    monkeypatch.setattr(training_loop.Loop, "restore", compiled)


def bad_files(folder):
    """{spec: words of its refusal} for data that cannot be used."""
    (folder / "empty").mkdir()
    (folder / "broken.npz").write_bytes(b"not an archive")
    np.savez(folder / "shape.npz", images=np.zeros((4, 3), np.uint8))
    idx = folder / "idx"
    idx.mkdir()
    with gzip.open(idx / "train-images-idx3-ubyte.gz", "wb") as f:
        f.write(struct.pack(">IIII", 0x999, 1, 8, 8) + bytes(64))
    with gzip.open(idx / "train-labels-idx1-ubyte.gz", "wb") as f:
        f.write(struct.pack(">II", 0x801, 1) + bytes(1))
    small = folder / "small"
    small.mkdir()
    Image.new("RGB", (6, 6)).save(small / "a.png")
    return {
        "nowhere": ["nowhere", "galaxies", "folder"],
        f"folder:{folder}/absent": ["absent"],
        f"folder:{folder}/empty": ["empty"],
        f"npz:{folder}/broken.npz": ["broken.npz"],
        f"npz:{folder}/shape.npz": ["shape.npz"],
        f"idx:{idx}": ["magic"],
        f"folder:{small}": ["a.png"],
        "galaxies:many": ["many"],
        "folder": ["folder:DIR"],
    }


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--betch=3", ["betch"]),
        ("--batch=0", ["--batch=0", "2 or more"]),
        ("--steps=-1", ["--steps=-1"]),
        ("--lambda_p=nan", ["--lambda_p=nan", "finite"]),
        ("--lambda_p=inf", ["finite"]),
        ("--batch=two", ["batch", "two"]),
        ("--penalty=l3", ["--penalty=l3", "dragan", "wgan_gp"]),
        ("--batch=6", ["--batch=6", "4 devices", "4 or 8"]),
        ("--devices=64", ["--devices=64", "--devices=4"]),
        ("--keep_best=frechet", ["--eval_every"]),
        ("--flagfile=nowhere.flags", ["nowhere.flags", "flagfiles morpho"]),
        ("stray", ["stray"]),
        ("--size=4", ["--size=4"]),
        ("--seed=-3", ["--seed=-3"]),
        ("--lr=0", ["--lr=0"]),
        ("--crop=9", ["crop"]),
    ],
)
def test_bad_flags_are_refused_in_one_line(flag, words, tmp_path, capsys, no_compile):
    assert command("morpho", SMOKE, f"--workdir={tmp_path}/run", flag) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and all(w in error for w in words), error
    assert not (tmp_path / "run" / "config.json").exists()


def test_bad_data_is_refused_in_one_line(tmp_path, capsys, no_compile):
    for spec, words in bad_files(tmp_path).items():
        assert command("dcgan", f"--data={spec}", "--size=8", f"--workdir={tmp_path}/run") == 2, (
            spec
        )
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and all(w in error for w in words), (spec, error)


@pytest.mark.parametrize("flagfile", [SMOKE, "--flagfile=morpho_smoke"])
def test_a_run_is_named_after_its_flagfile(capsys, no_compile, flagfile):
    assert command("morpho", flagfile, *TINY, "--dry_run") == 0
    assert "The run folder runs/morpho_smoke would be new." in capsys.readouterr().out
    assert command("morpho", *TINY, "--dry_run") == 0
    assert "The run folder runs/morpho would be new." in capsys.readouterr().out


def test_dry_run_writes_nothing_and_shows_the_configuration(tmp_path, capsys, no_compile):
    assert command("morpho", *TINY, f"--workdir={tmp_path}/run", "--dry_run") == 0
    out = capsys.readouterr().out
    assert json.loads(out[out.index("{") : out.rindex("}") + 1])["hp"]["penalty"] == "dragan"
    assert not (tmp_path / "run").exists()


def folder_with_a_bad_file(folder):
    """--data and what makes a run of it quick: seven good images and one that is none."""
    (folder / "set").mkdir()
    for i in range(7):
        Image.effect_noise((8, 8), 50).convert("RGB").save(folder / "set" / f"{i}.png")
    (folder / "set" / "bad.png").write_bytes(b"nothing")
    return [*TINY, f"--data=folder:{folder}/set", f"--workdir={folder}/run"]


def test_check_data_ends_as_training_would(tmp_path, capsys, no_compile):
    words = folder_with_a_bad_file(tmp_path)
    assert command("dcgan", *words) == 2
    refusal = capsys.readouterr().err
    assert command("dcgan", *words, "--check_data") == 2
    out, error = capsys.readouterr()
    assert (
        error == refusal
        and "bad.png" in error
        and "bad files     1" in out
        and "Verdict: training would refuse" in out
    )
    assert command("dcgan", *words, "--check_data", "--skip_bad_images") == 0
    assert capsys.readouterr().out.endswith("Verdict: training would accept this command.\n")
    assert command("dcgan", *words, "--check_data", "--skip_bad_images", "--eval_every=1") == 2
    assert "has 7 images, too few" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_check_data_tells_a_test_split_that_cannot_be_scored(tmp_path, capsys, no_compile):
    np.savez(
        tmp_path / "a.npz",
        images=np.zeros((600, 8, 8, 3), np.uint8),
        test_images=np.zeros((9, 8, 8), np.uint8),
    )
    words = [*TINY, f"--data=npz:{tmp_path}/a.npz", "--check_data"]
    assert command("dcgan", *words) == 0
    assert "Scoring would not: " in capsys.readouterr().out
    assert command("dcgan", *words, "--eval_every=1") == 2
    out, error = capsys.readouterr()
    assert "channels 3, test images 1" in error and "duplicates    599" in out
    for spec in ("nowhere", f"folder:{tmp_path}/absent"):
        assert command("dcgan", *TINY, f"--data={spec}", "--check_data") == 2
        assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.long
def test_a_run_remembers_that_it_skipped_files(tmp_path, capsys):
    words = folder_with_a_bad_file(tmp_path)
    assert command("dcgan", *words, "--skip_bad_images") == 0
    assert "bad.png" in capsys.readouterr().err
    trained, info = run_folder.load_config(tmp_path / "run")
    assert trained.run.skip_bad_images and info["n"] == 7
    assert "--skip_bad_images" in (tmp_path / "run" / "flags.txt").read_text().split()
    assert command("dcgan", *words, "--skip_bad_images") == 0
    out, error = capsys.readouterr()
    assert "is finished" in out and "bad.png" in error
    assert run_folder.load_data(trained, info)[0].digest == info["digest"]
    shutil.copy(tmp_path / "set" / "0.png", tmp_path / "set" / "bad.png")
    assert command("dcgan", *words, "--skip_bad_images") == 2
    assert "7 images, now 8" in capsys.readouterr().err


@pytest.mark.slow
def test_a_bad_file_in_the_test_split_does_not_end_a_run_s_evaluation(tmp_path, capsys):
    """Training never opened that split, so the run cannot know of the file."""
    for i in range(140):
        path = tmp_path / "set" / ("train" if i < 135 else "test") / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.effect_noise((8, 8), 50).convert("RGB").save(path)
    (tmp_path / "set" / "test" / "bad.png").write_bytes(b"nothing")
    run = f"--workdir={tmp_path}/run"
    assert command("dcgan", *TINY, f"--data=folder:{tmp_path}/set", run) == 0
    words = [run, "--features=pixels", "--scores=kernel", "--n_images=60", "--neighbours=0"]
    capsys.readouterr()
    assert process.guarded(evaluate.run, words) == 2
    error = capsys.readouterr().err
    assert "bad.png" in error and "move it away" in error
    assert "--skip_bad_images" in error
    assert process.guarded(evaluate.run, [*words, "--skip_bad_images"]) == 0
    shutil.rmtree(tmp_path / "set" / "test")
    assert process.guarded(evaluate.run, words) == 0


@pytest.mark.parametrize("module", ["morpho", "dcgan", evaluate, sample, inspect])
def test_help_names_every_flag(module, capsys):
    with pytest.raises(SystemExit) as stop:
        if module in presets.TABLE:
            command(module, "--help")
        else:
            module.run(["--help"])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    doc = presets.TABLE[module].doc if module in presets.TABLE else module.__doc__
    assert doc.splitlines()[0] in out and "--workdir" in out


def test_command_line_wins_over_flagfile_wherever_it_stands(tmp_path, capsys, no_compile):
    for words in (["--width=6", SMOKE], [SMOKE, "--width=6"]):
        assert (
            command("morpho", *words, "--dry_run", "--devices=1", f"--workdir={tmp_path}/run") == 0
        )
        assert '"width": 6' in capsys.readouterr().out


@pytest.mark.long
def test_a_run_from_command_to_samples(tmp_path, capsys, monkeypatch):
    """Train, refuse what differs, start again, sample in each form, inspect; the folder alone says
    what to build.
    """
    folder = tmp_path / "run"
    assert command("dcgan", *TINY, f"--workdir={folder}") == 0
    assert (
        command("dcgan", *TINY, f"--workdir={folder}") == 0
        and "is finished" in capsys.readouterr().out
    )
    for words, named in (
        (["--lambda_p=3"], "--lambda_p=10.0, now 3.0"),
        (["--steps=3", "--seed=1"], "--seed=0, now 1"),
    ):
        assert command("dcgan", *TINY, f"--workdir={folder}", *words) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and named in error
    assert command("morpho", *TINY, f"--workdir={folder}") == 2
    assert "method gan, now distgan" in capsys.readouterr().err
    replay = (folder / "flags.txt").read_text().split()
    assert command("dcgan", *replay, f"--workdir={folder}") == 0, (
        "flags.txt must reproduce the configuration"
    )
    for form, path in (
        ("grid", "sampled.png"),
        ("folder", "sampled/000004.png"),
        ("npz", "sampled.npz"),
    ):
        assert process.guarded(sample.run, [f"--workdir={folder}", "--n=5", f"--form={form}"]) == 0
        assert (folder / path).is_file()
    images = np.load(folder / "sampled.npz")["images"]
    assert images.shape == (5, 8, 8, 3) and images.dtype == np.uint8
    np.testing.assert_array_equal(np.asarray(Image.open(folder / "sampled/000004.png")), images[4])
    capsys.readouterr()
    assert process.guarded(inspect.run, [f"--workdir={folder}", "--leaves"]) == 0
    digest = (folder / "DONE").read_text().splitlines()[1]
    assert digest in capsys.readouterr().out
    assert process.guarded(inspect.run, [f"--workdir={folder}", "--checkpoint=77"]) == 2
    assert "--checkpoint=77" in capsys.readouterr().err


def test_workdir_problems_are_refused(tmp_path, capsys, no_compile):
    (tmp_path / "file").write_text("")
    assert command("dcgan", *TINY, f"--workdir={tmp_path}/file") == 2
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "config.json").write_text("{")
    assert command("dcgan", *TINY, f"--workdir={tmp_path}/damaged") == 2
    assert process.guarded(sample.run, [f"--workdir={tmp_path}/nowhere"]) == 2
    assert process.guarded(evaluate.run, []) == 2
    with run_lock.lock_run(tmp_path / "busy"):
        assert command("dcgan", *TINY, f"--workdir={tmp_path}/busy") == 2
    assert "Another process" in capsys.readouterr().err


@pytest.mark.long
def test_restart_discards_runs_and_nothing_else(tmp_path, capsys):
    folder = tmp_path / "run"
    assert command("dcgan", *TINY, f"--workdir={folder}") == 0
    (folder / "notes.txt").write_text("mine")
    assert command("dcgan", *TINY, f"--workdir={folder}", "--seed=5", "--restart") == 0
    assert (
        run_folder.load_config(folder)[0].run.seed == 5
        and (folder / "notes.txt").exists()
        and (folder / "DONE").exists()
    )
    (folder / "config.json").unlink()
    for words in ([], ["--restart"]):
        assert command("dcgan", *TINY, f"--workdir={folder}", *words) == 2
        assert "no config.json" in capsys.readouterr().err
    assert (folder / "checkpoints").is_dir()


def test_splits_that_differ_are_refused(tmp_path, capsys, no_compile):
    gray, colour = np.zeros((200, 8, 8), np.uint8), np.zeros((200, 8, 8, 3), np.uint8)
    np.savez(tmp_path / "a.npz", images=colour, test_images=gray)
    words = [
        f"--data=npz:{tmp_path}/a.npz",
        "--size=8",
        "--batch=4",
        f"--workdir={tmp_path}/run",
        "--eval_every=1",
    ]
    assert command("dcgan", *words) == 2
    assert "channels 3" in capsys.readouterr().err


# Studies whose flags are those of a training command, too.
FLAGS_OF_ANOTHER_COMMAND = {
    "ablate": read_sweep,
    "augment": read_study,
    "curves": functools.partial(one_recipe.read, "curves", flags=CurveFlags()),
    "two_models": functools.partial(one_recipe.read, "two_models", flags=TwoModelFlags()),
}


def test_every_flagfile_is_accepted_by_its_experiment(tmp_path, no_compile):
    from gan_jax import methods

    names = entry.names()
    for path in sorted(command_line.FLAGFILES.glob("*.flags")):
        name = max((n for n in names if path.stem == n or path.stem.startswith(f"{n}_")), key=len)
        words = [f"--flagfile={path}"]
        if name in presets.TABLE:
            groups, method = train.settings_groups(name), presets.TABLE[name].method
        elif name in FLAGS_OF_ANOTHER_COMMAND:
            FLAGS_OF_ANOTHER_COMMAND[name](doc="", argv=words)
            continue
        else:
            # MGAN has all settings that the systems of a study share.
            groups, method = importlib.import_module(entry.MODULES[name]).GROUPS, "mgan"
        parsed, _ = command_line.parse("", path.stem, groups, words)
        if len(parsed) == 1:  # a study without settings of a run
            continue
        _, run, hp = parsed
        config.validate_settings(run, methods.TABLE[method].Settings(**dataclasses.asdict(hp)), 1)


STARTS = """
import os
with open(os.environ["STARTS"], "a") as file:
    file.write(f"{os.getpid()} {os.environ.get('GLIBC_TUNABLES')}\\n")
"""


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="of glibc")
@pytest.mark.parametrize("given", [None, "glibc.malloc.perturb=0"])
def test_a_command_starts_with_a_malloc_that_keeps_memory(tmp_path, given):
    """As the same process; and what the user has set is left."""
    (tmp_path / "sitecustomize.py").write_text(STARTS)
    env = {k: v for k, v in os.environ.items() if k != "GLIBC_TUNABLES"} | (
        {"GLIBC_TUNABLES": given} if given else {}
    )
    env |= {"PYTHONPATH": f"{tmp_path}{os.pathsep}{paths.ROOT}", "STARTS": str(tmp_path / "starts")}
    subprocess.run(
        [sys.executable, "-m", "experiments.gan", "--help"],
        env=env,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    starts = [line.split(" ", 1) for line in (tmp_path / "starts").read_text().splitlines()]
    assert [tunables for _, tunables in starts] == ([given] if given else ["None", process.MALLOC])
    assert len({pid for pid, _ in starts}) == 1
