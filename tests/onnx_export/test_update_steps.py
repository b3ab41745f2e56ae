"""The exported update step: what ONNX Runtime computes in turns is what the jitted step computes."""

import dataclasses
import functools

import jax
import numpy as np
import pytest

from gan_jax.core.method import minibatch_slots, n_minibatches
from gan_jax.core.state import init_jitted
from gan_jax.core.step import build_step
from gan_jax.errors import InputError
from gan_jax.onnx_export import exporter, update_steps
from gan_jax.studies import toys
from tests import methods_small
from tests.toys_small import small

pytest.importorskip("jax2onnx")
runtime = pytest.importorskip("onnxruntime")

BATCH, STEPS = 8, 100


class Page:
    """A step made of the exported files, as a page runs it: state by name, one player's turn after the other."""

    def __init__(self, method, state, size=(1, 1, 2)):
        self.method, self.files = method, update_steps.export_updates(method, BATCH, size)
        open_ = functools.partial(runtime.InferenceSession, providers=["CPUExecutionProvider"])
        self.sessions = {name: open_(content) for name, (content, _) in self.files.items()}
        self.tree = {"state": update_steps.state_trees(state)}
        leaves = jax.device_get(jax.tree.leaves(self.tree))
        self.state = dict(zip(exporter.leaf_paths(self.tree), leaves, strict=True))
        self.draw = [
            jax.jit(functools.partial(update_steps.noise_arrays, method, i))
            for i in range(len(method.players))
        ]

    def run(self, name, arrays):
        """One file, once; returns its metrics."""
        entry = self.files[name][1]
        given = {**self.state, **arrays}
        out = dict(
            zip(
                entry["outputs"],
                self.sessions[name].run(None, {k: given[k] for k in entry["inputs"]}),
                strict=True,
            )
        )
        self.state |= {k.removeprefix("new/"): v for k, v in out.items() if "state/" in k}
        return {k: v for k, v in out.items() if k.startswith("metrics/")}

    def step(self, state, batch, rate=1.0):
        """One step with the noise that the jitted step draws in `state`; returns metrics of the last update of each player."""
        key, metrics = jax.random.fold_in(state.key, state.step), {}
        for index, player in enumerate(self.method.players):
            first, _ = minibatch_slots(self.method)[player.batch_group or player.name]
            for r in range(first, first + player.repeats):
                noise = jax.device_get(
                    self.draw[index](state, batch["image"][r], jax.random.fold_in(key, r))
                )
                given = {f"noise/{i}": a for i, a in enumerate(noise)}
                given |= {"image": batch["image"][r], "rate": np.array(rate, np.float32)}
                given["progress"] = np.array(state.step / self.method.steps, np.float32)
                metrics[player.name] = self.run(player.name, given)
        if "average" in self.files:
            self.run("average", {})
        return metrics


@pytest.mark.parametrize("system", list(toys.SYSTEMS))
def test_a_hundred_steps_are_those_of_the_jitted_step(system):
    """State and metrics agree to 1e-5 after 100 steps, in which every net moves."""
    method = small(system)
    state = init_jitted(method, 0)
    page, step, r = Page(method, state), jax.jit(build_step(method)), np.random.default_rng(0)
    begin = page.state.copy()
    for _ in range(STEPS):
        batch = {"image": r.uniform(-1, 1, (n_minibatches(method), BATCH, 1, 1, 2)).astype(np.float32)}
        metrics = page.step(state, batch)
        state, wanted = step(state, batch)
    tree = {"state": update_steps.state_trees(state)}
    for name, leaf in zip(exporter.leaf_paths(tree), jax.tree.leaves(tree), strict=True):
        np.testing.assert_allclose(page.state[name], leaf, rtol=0, atol=1e-5, err_msg=name)
        if name.endswith("kernel") and name.startswith("state/params/"):
            assert np.abs(page.state[name] - begin[name]).max() > 1e-2, name
    for player in method.players:
        if player.repeats == 1:
            loss = metrics[player.name]["metrics/loss"]
            np.testing.assert_allclose(loss, wanted[f"{player.name}/loss"], atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["dragan", "mgan", "gan_spectral", "morpho"])
def test_steps_of_convolutional_nets(case):
    """Convolutions, their gradients and the gradients of those: the state agrees to 1e-5 after 3 steps of SGD."""
    method = methods_small.build(case)
    hp = dataclasses.replace(method.hp, augment="")
    method = method._replace(hp=hp)
    state = init_jitted(method, 0)
    page, step = Page(method, state, (16, 16, 2)), jax.jit(build_step(method))
    for t in range(3):
        batch = {"image": methods_small.batch(n_minibatches(method), BATCH, t)["image"]}
        page.step(state, batch)
        state, _ = step(state, batch)
    tree = {"state": update_steps.state_trees(state)}
    for name, leaf in zip(exporter.leaf_paths(tree), jax.tree.leaves(tree), strict=True):
        np.testing.assert_allclose(page.state[name], leaf, rtol=0, atol=1e-5, err_msg=name)


def test_the_rate_scales_updates():
    """Half the rate moves weights half as far, and the optimizer's state as far as ever."""
    method = small("gan")
    state, image = init_jitted(method, 0), np.full((1, BATCH, 1, 1, 2), 0.5, np.float32).repeat(2, 0)
    moved = {}
    for rate in (0.0, 0.5, 1.0):
        page = Page(method, state)
        begin = page.state.copy()
        page.step(state, {"image": image}, rate)
        moved[rate] = {k: v - begin[k] for k, v in page.state.items()}
    for name, whole in moved[1.0].items():
        share = (0.0, 0.5) if name.startswith("state/params/disc") else None
        if share:
            np.testing.assert_allclose(moved[0.5][name], 0.5 * whole, atol=1e-7)
            assert not moved[0.0][name].any() and whole.any(), name


def test_players_of_one_draw_share_their_noise():
    """D and G of several generators see the same noise; players with draws of their own do not."""
    ids = update_steps._noise_ids(small("mgan"), BATCH, (1, 1, 2))
    assert ids["disc"] == ids["gen"] == [0]
    ids = update_steps._noise_ids(small("wgan_gp"), BATCH, (1, 1, 2))
    assert ids["disc"] == [0, 1] and ids["gen"] == [0]


REFUSED = [
    {"simultaneous": True},
    {"balance": True},
    {"penalty": "r1", "penalty_every": 2},
    {"precision": "bfloat16"},
]


@pytest.mark.parametrize("options", REFUSED)
def test_refusals(options):
    with pytest.raises(InputError, match="cannot be exported"):
        update_steps.export_updates(small("gan", **options), BATCH, (1, 1, 2))
