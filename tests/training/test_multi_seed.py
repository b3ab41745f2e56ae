"""Several runs in one program: each as it is alone, with data of its own; stopped, killed and lost members."""

import dataclasses
import json
import os
import shutil
import signal

import jax
import numpy as np
import pytest

from gan_jax import config as configs
from gan_jax.commands import process, train
from gan_jax.core import parallel
from gan_jax.core.state import state_shapes
from gan_jax.data.datasets import Dataset
from gan_jax.errors import Stopped
from gan_jax.methods import gan
from gan_jax.rundir import checkpoint
from gan_jax.settings import RunSettings
from gan_jax.training import multi_seed, training_loop

RUN = RunSettings(
    data="test", size=8, batch=4, steps=12, log_every=4, sample_every=6, save_every=4, devices=1
)
HP = gan.Settings(width=2, z_dim=3, ema=0.9)
SEEDS = (5, 6, 7)


def shard(number, rows=30):
    """A Source with images of its own, as nodes have."""
    images = np.random.default_rng(number).integers(0, 256, (rows, 8, 8, 1), dtype=np.uint8)
    return Dataset(images, None, (), "test", str(number))


@pytest.fixture(scope="module")
def sources():
    return [shard(0), shard(1, 29), shard(2)]


def build(sources, hp=HP, **changes):
    run = dataclasses.replace(RUN, **changes)
    return [
        configs.Config(
            "dcgan", "gan", dataclasses.replace(run, seed=seed), hp, configs.describe(source)
        )
        for seed, source in zip(SEEDS, sources, strict=True)
    ]


def folders(root):
    return [root / f"run_{seed}" for seed in SEEDS]


def together(root, sources, how, **changes):
    return multi_seed.train_all(
        build(sources, **changes), folders(root), sources, [None] * len(sources), how
    )


def states(root):
    """The final state of every run."""
    method = build([shard(0)] * 3)[0].build()
    return [checkpoint.load_state(folder, state_shapes(method))[1] for folder in folders(root)]


def digests(root):
    return [(folder / "DONE").read_text() for folder in folders(root)]


@pytest.fixture(scope="module")
def alone(sources, tmp_path_factory):
    """The folder of three runs that were made one by one by training_loop.train."""
    root = tmp_path_factory.mktemp("alone")
    for config, folder, source in zip(build(sources), folders(root), sources, strict=True):
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(config.to_dict()))
        training_loop.train(config, folder, source)
    return root


@pytest.fixture(scope="module")
def unrolled(sources, tmp_path_factory):
    root = tmp_path_factory.mktemp("unrolled")
    assert together(root, sources, "unrolled") == {}
    return root


def records(folder):
    return [
        {k: v for k, v in json.loads(line).items() if k != "wall"}
        for line in (folder / "metrics.jsonl").open()
    ]


@pytest.mark.parametrize("changes", [{}, {"steps_per_dispatch": 2}])
@pytest.mark.parametrize("how", [*parallel.MEMBERS, "turns"])
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


def test_turns_have_the_bytes_of_solo_runs(sources, alone, tmp_path):
    together(tmp_path, sources, "turns")
    assert digests(tmp_path) == digests(alone)


def test_stopped_members_go_on_to_the_same_bytes(sources, unrolled, tmp_path, monkeypatch):
    dispatch = multi_seed.Members._dispatch

    def stop_after_six(loops):
        dispatch(loops)
        if loops.kept()[0].t == 6:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(multi_seed.Members, "_dispatch", stop_after_six)
    with pytest.raises(
        Stopped, match=r"(?s)run_5: stopped by SIGTERM at step 6; saved.*run_7: stopped by SIGTERM"
    ):
        together(tmp_path, sources, "unrolled")
    monkeypatch.undo()
    assert together(tmp_path, sources, "unrolled") == {}
    assert digests(tmp_path) == digests(unrolled)


@pytest.mark.parametrize("missing", [{5: [12, 8]}, {5: [12], 7: [12]}, {6: [12, 8], 7: [12, 8]}])
def test_members_that_a_kill_left_a_save_apart_meet_again(missing, sources, unrolled, tmp_path):
    """Stores keep the newest two, 8 and 12; of a run that lacks 12 the kill came before its save."""
    root = tmp_path / "killed"
    shutil.copytree(unrolled, root)
    for folder in folders(root):
        (folder / "DONE").unlink()
    for seed, steps in missing.items():
        for step in steps:
            shutil.rmtree(root / f"run_{seed}" / "checkpoints" / str(step))
    assert together(root, sources, "unrolled") == {}
    for got, wanted in zip(states(root), states(unrolled), strict=True):
        for a, b in zip(jax.tree.leaves(got.params), jax.tree.leaves(wanted.params), strict=True):
            np.testing.assert_allclose(a, b, atol=2e-5)
    if all(len(steps) == 1 for steps in missing.values()):
        assert digests(root) == digests(unrolled)


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
            [made[i] for i in picked],
            [folders(tmp_path / name)[i] for i in picked],
            [data[i] for i in picked],
            [None] * len(picked),
            "unrolled",
        )
        assert list(lost) == (["run_6"] if name == "with" else [])
    again = multi_seed.train_all(
        made, folders(tmp_path / "with"), data, [None] * 3, "unrolled"
    )  # it goes its way alone
    assert list(again) == ["run_6"] and "Player 'disc' had a non-finite loss" in again["run_6"]
    assert not (tmp_path / "with" / "run_6" / "DONE").exists()
    for seed in (5, 7):
        kept, free = (
            (tmp_path / name / f"run_{seed}" / "DONE").read_text() for name in ("with", "without")
        )
        assert kept == free


def test_the_flag_names_every_way():
    assert ("auto", *parallel.MEMBERS, "turns") == train.WAYS


def test_command(tmp_path, capsys):
    def call(*argv):
        words = [
            "--flagfile=dcgan_smoke",
            "--devices=1",
            "--seed=3",
            "--members=2",
            f"--workdir={tmp_path}/a",
            *argv,
        ]
        return process.guarded(lambda w: train.run("dcgan", w), words)

    assert call("--dry_run") == 0
    assert f"{tmp_path}/a_4 would be new" in capsys.readouterr().out and not list(
        tmp_path.iterdir()
    )
    assert call("--members_by=unrolled") == 0
    assert "2 of 2 finished at step 20" in capsys.readouterr().out
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a_3", "a_4"]
    assert "--seed=4" in (tmp_path / "a_4" / "flags.txt").read_text().split()
    assert call("--width=3") == 2
    assert "a_3 was made with --width=4, now 3" in capsys.readouterr().err
    assert call("--members=65") == 2 and call("--members_by=threads") == 2
    assert call("--members=3", "--lr=1e12", "--restart") == 3
    assert capsys.readouterr().err.count("non-finite") == 3
