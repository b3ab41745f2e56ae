"""The loop: what it writes, what it refuses, and that streaming, stopping and resuming change no
number.
"""

import json
import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import cache
from gan_jax.core import initialize
from gan_jax.core import step as update_step
from gan_jax.data import shuffling
from gan_jax.errors import NonFiniteError
from gan_jax.methods import gan
from gan_jax.rundir import checkpoint, host_state, run_folder
from gan_jax.training import training_loop
from tests import tiny_runs
from tests.tiers import slowly
from tests.tiny_runs import records, stop_at


@pytest.fixture(scope="module")
def source():
    return tiny_runs.dataset()


@pytest.fixture(scope="module")
def big_source():
    """Enough images to be scored."""
    return tiny_runs.dataset(140, 1, labels=False)


def run(workdir, source, **changes):
    return tiny_runs.train(workdir, tiny_runs.prepare(source, **changes))


@pytest.fixture(scope="module")
def whole(source, tmp_path_factory):
    """(folder, digest) of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, run(folder, source)


@pytest.mark.long
def test_run_folder(whole):
    folder, digest = whole
    assert [r["step"] for r in records(folder)] == [4, 8, 12]
    assert sorted(p.name for p in (folder / "samples").iterdir()) == ["000006.png", "000012.png"]
    assert digest in (folder / "DONE").read_text()
    assert {"disc/loss", "gen/loss", "disc/real_prob", "disc/grad_norm"} <= set(records(folder)[0])
    wall = json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])["wall"]
    assert wall["steps_per_s"] > 0 and {"compile_s", "train_s", "checkpoint_s", "sample_s"} <= set(
        wall
    )
    assert (folder / "report.html").stat().st_size > 1000


def test_only_the_newest_two_checkpoints_stay(whole):
    with checkpoint.Store(whole[0]) as store:
        assert store.steps() == [8, 12]


@pytest.mark.long
@pytest.mark.parametrize(
    "changes", [{"resident_gib": 0.0}, slowly({"steps_per_dispatch": 2}), {"devices": 2}]
)
def test_execution_does_not_change_numbers(whole, source, tmp_path, changes):
    run(tmp_path, source, **changes)
    for a, b in zip(records(tmp_path), records(whole[0]), strict=True):
        assert a.keys() == b.keys()
        np.testing.assert_allclose([a[k] for k in a], [b[k] for k in a], rtol=2e-3)


@pytest.mark.long
def test_streaming_and_resident_feeds_give_identical_batches(source):
    from gan_jax.data import loader

    feeds = [
        loader.build_loader(source, "tanh", 5, 3, 4, jax.devices()[:1], resident)
        for resident in (True, False)
    ]
    for step in (0, 7, 8):  # 7 is not what the prefetch expects; the pass over 30 rows ends inside
        a, b = (
            [jax.tree.map(lambda x, i=i: x[i], leaves) for i in range(2)]
            for leaves in (f.inputs(step, 2) for f in feeds)
        )
        for i in range(2):
            one, two = (
                f.make_batch(f.device_data, x[i]) for f, x in zip(feeds, (a, b), strict=True)
            )
            assert one.keys() == two.keys() == {"image", "label"}
            jax.tree.map(np.testing.assert_array_equal, one, two)
            rows = shuffling.row_indices(5, step + i, 3, 4, 30)
            np.testing.assert_allclose(one["image"], source.images[rows] / 127.5 - 1, atol=1e-6)
            np.testing.assert_array_equal(one["label"], source.labels[rows])


@pytest.mark.long
@pytest.mark.parametrize(
    ("at", "name"),
    [
        (2, "SIGTERM"),
        (5, "SIGINT"),
        *(slowly(at, name) for at, name in [(2, "SIGINT"), (5, "SIGTERM"), (8, "SIGTERM")]),
    ],
)
def test_a_signal_saves_and_the_resumed_run_is_the_same(
    whole, source, tmp_path, monkeypatch, at, name
):
    stop_at(monkeypatch, at, name)
    with pytest.raises(training_loop.Stopped, match=f"{name} at step {at}"):
        run(tmp_path, source)
    monkeypatch.undo()
    with open(tmp_path / "metrics.jsonl", "a") as f:
        f.write('{"step": 11, "disc/lo')  # what a kill during a write leaves
    assert run(tmp_path, source) == whole[1]
    assert records(tmp_path) == records(whole[0])
    for path in (whole[0] / "samples").iterdir():
        assert (tmp_path / "samples" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.long
@pytest.mark.parametrize(
    "changes",
    [
        slowly({"steps_per_dispatch": 3, "log_every": 7, "sample_every": 5, "save_every": 4}),
        {"resident_gib": 0.0, "steps_per_dispatch": 2},
        slowly({"eval_every": 5, "eval_images": 100, "keep_best": "frechet", "save_every": 4}),
    ],
)
def test_resume_is_exact_for_every_way_to_run(big_source, tmp_path, monkeypatch, changes):
    digest = run(tmp_path / "whole", big_source, **changes)
    stop_at(monkeypatch, 6)
    with pytest.raises(training_loop.Stopped):
        run(tmp_path / "stopped", big_source, **changes)
    monkeypatch.undo()
    left = tmp_path / "stopped" / "samples" / f"{cache.SCRATCH}left"
    left.write_text("by a kill")
    os.utime(left, (0, 0))
    (tmp_path / "stopped" / "samples" / "mine.png").write_text("a user's own file")
    assert run(tmp_path / "stopped", big_source, **changes) == digest
    assert records(tmp_path / "stopped") == records(tmp_path / "whole")
    names = {p.name for p in (tmp_path / "stopped" / "samples").iterdir()}
    assert names == {p.name for p in (tmp_path / "whole" / "samples").iterdir()} | {"mine.png"}
    if "keep_best" in changes:
        scored = {
            r["step"]: r["eval/frechet"] for r in records(tmp_path / "whole") if "eval/frechet" in r
        }
        assert set(scored) == {5, 10}
        with checkpoint.Store(tmp_path / "stopped", best="frechet") as store:
            assert store.best_step() == min(scored, key=scored.get)


@pytest.mark.long
@pytest.mark.parametrize(
    ("before", "after"),
    [
        slowly({"devices": 4}, {"devices": 1}),
        slowly({"devices": 1}, {"devices": 4}),
        slowly({"resident_gib": 0.0}, {"resident_gib": -1.0}),
        slowly({"resident_gib": -1.0}, {"resident_gib": 0.0}),
        ({"devices": 4, "resident_gib": 0.0}, {"devices": 2}),
    ],
)
def test_a_run_may_be_resumed_on_other_devices_or_with_data_elsewhere(
    whole, source, tmp_path, monkeypatch, before, after
):
    """The checkpoint comes back bit for bit wherever it was written; what follows differs by
    rounding alone.
    """
    stop_at(monkeypatch, 6)
    with pytest.raises(training_loop.Stopped, match="step 6"):
        run(tmp_path, source, **before)
    monkeypatch.undo()
    stored = stored_state(tmp_path)
    started = []
    place = jax.device_put

    def seen(tree, *args):
        if isinstance(tree, tuple) and hasattr(tree[0], "bad_step"):
            started.append(host_state.digest(host_state.to_host(tree[0])))
        return place(tree, *args)

    monkeypatch.setattr(jax, "device_put", seen)
    run(tmp_path, source, **after)
    assert started == [host_state.digest(host_state.to_host(stored))]
    for a, b in zip(records(tmp_path), records(whole[0]), strict=True):
        assert a.keys() == b.keys()
        np.testing.assert_allclose([a[k] for k in a], [b[k] for k in a], rtol=2e-3)
    ours, theirs = (jax.tree.leaves(stored_state(folder).params) for folder in (tmp_path, whole[0]))
    assert max(float(np.abs(a - b).max()) for a, b in zip(ours, theirs, strict=True)) < 1e-4


def stored_state(folder):
    return run_folder.load(folder).state


@pytest.mark.long
def test_non_finite_names_player_and_step_and_keeps_the_last_good_checkpoint(
    source, tmp_path, monkeypatch
):
    healthy = gan.gen_loss

    def diverging(ctx, vs, batch, key):
        loss, aux = healthy(ctx, vs, batch, key)
        return jnp.where(ctx.progress >= 0.5, jnp.inf, 1.0) * loss, aux

    monkeypatch.setattr(gan, "gen_loss", diverging)
    with pytest.raises(
        NonFiniteError, match="'gen' .* at step 6; checkpoint 4 is the last good one"
    ):
        run(tmp_path, source)
    loaded = run_folder.load(tmp_path)
    step, state = loaded.step, loaded.state
    assert step == 4 and int(state.bad_step) == -1
    assert all(
        np.isfinite(leaf).all()
        for leaf in jax.tree.leaves((state.params, state.batch_stats, state.opt_state))
    )
    assert all(np.isfinite(v) for r in records(tmp_path) for v in r.values())


@pytest.mark.long
def test_the_loop_forbids_every_transfer_but_the_row_numbers(source, tmp_path, monkeypatch):
    """The step's inputs are on the device before it is called, and nothing comes back between log
    intervals.
    """
    calls = []

    class Spy:
        def __init__(self, program):
            self._program = program

        def __call__(self, carry, data, leaves):
            calls.append(jax.tree.map(lambda a: (a.dtype.name, a.shape), leaves))
            assert all(isinstance(a, jax.Array) for a in jax.tree.leaves((carry, data, leaves)))
            return self._program(carry, data, leaves)

    compiled = training_loop.Loop.compile

    def spied(loop):
        compiled(loop)
        loop.programs = {n: Spy(program) for n, program in loop.programs.items()}

    monkeypatch.setattr(training_loop.Loop, "compile", spied)
    fetched = []
    get = jax.device_get
    monkeypatch.setattr(jax, "device_get", lambda tree: fetched.append(1) or get(tree))
    run(tmp_path, source, steps=8, sample_every=0, save_every=0)
    assert calls == [("int32", (1, 2, 4))] * 8
    assert (
        len(fetched) == 2 * 2 + 1
    )  # at two log intervals the sums and the watched images; one sample grid


def test_a_start_traces_the_step_and_the_first_state_once(source, tmp_path, monkeypatch):
    """Tracing is half of a warm start."""
    traced = []
    for module, name in ((update_step, "update_player"), (initialize, "init")):
        original = getattr(module, name)

        def count(*args, original=original, name=name):
            traced.append(name)
            return original(*args)

        monkeypatch.setattr(module, name, count)
    run(tmp_path, source, steps=4, sample_every=0, save_every=0)
    assert sorted(traced) == ["init", "update_player", "update_player"]  # those of D and of G


def test_best_checkpoint_is_kept(source, tmp_path):
    with checkpoint.Store(tmp_path, best="frechet") as store:
        for step, score in [(1, 5.0), (2, 1.0), (3, None), (4, 3.0), (5, None)]:
            store.save(
                step,
                {"w": np.float32([step])},
                {"n": np.float32([0])},
                None if score is None else {"frechet": score},
            )
    with checkpoint.Store(tmp_path, best="frechet") as store:
        assert store.steps() == [2, 4, 5] and store.best_step() == 2


def test_order_is_a_pure_function_and_visits_every_row_once_per_pass():
    rows = np.concatenate([shuffling.row_indices(3, s, 3, 5, 30).ravel() for s in range(4)])
    assert sorted(rows[:30]) == sorted(rows[30:]) == list(range(30))
    assert list(rows[:30]) != list(rows[30:])
    np.testing.assert_array_equal(shuffling.row_indices(3, 2, 3, 5, 30), rows[30:45].reshape(3, 5))
    assert not np.array_equal(
        shuffling.row_indices(4, 0, 3, 5, 30), shuffling.row_indices(3, 0, 3, 5, 30)
    )
    assert shuffling.row_indices(0, 5, 1, 64, 10).max() < 10
