"""Exported update steps: ONNX Runtime, one player after another, computes what the step does."""

import dataclasses
import functools

import jax
import numpy as np
import pytest

from gan_jax.commands import presets
from gan_jax.core.initialize import init_jitted
from gan_jax.core.method import minibatch_slots, n_minibatches
from gan_jax.core.step import build_step
from gan_jax.errors import InputError
from gan_jax.onnx_export import update_steps
from tests import methods_small
from tests.onnx_export.onnx_files import named_leaves, new_state, open_session, run_session
from tests.toys_small import small

pytest.importorskip("jax2onnx")
pytest.importorskip("onnxruntime")

BATCH, STEPS = 8, 100
POINT_SHAPE = (1, 1, 2)


class ExportedStep:
    """The step of a method by its exported files, one player after another, as a page runs it."""

    def __init__(self, method, state, shape=POINT_SHAPE):
        self.method, self.files = method, update_steps.export_updates(method, BATCH, shape)
        self.sessions = {name: open_session(file.content) for name, file in self.files.items()}
        self.state = named_leaves(update_steps.state_trees(state))
        self.draw_noise = [
            jax.jit(functools.partial(update_steps.noise_arrays, method, i))
            for i in range(len(method.players))
        ]

    def run(self, name, arrays):
        """Run one file; returns its metrics."""
        entry = self.files[name].entry
        outputs = run_session(self.sessions[name], entry, {**self.state, **arrays})
        self.state |= new_state(outputs)
        return {k: v for k, v in outputs.items() if k.startswith("metrics/")}

    def step(self, state, batch, rate=1.0):
        """Make a step with the noise that the jitted step draws in `state`.

        Returns:
          {player: metrics of its last update}.
        """
        key, metrics = jax.random.fold_in(state.key, state.step), {}
        for index, player in enumerate(self.method.players):
            first, _ = minibatch_slots(self.method)[player.batch_group or player.name]
            for i in range(first, first + player.repeats):
                image, minibatch_key = batch["image"][i], jax.random.fold_in(key, i)
                noise = jax.device_get(self.draw_noise[index](state, image, minibatch_key))
                arrays = {
                    "image": image,
                    "rate": np.array(rate, np.float32),
                    "progress": np.array(state.step / self.method.steps, np.float32),
                    **{f"noise/{k}": array for k, array in enumerate(noise)},
                }
                metrics[player.name] = self.run(player.name, arrays)
        if "average" in self.files:
            self.run("average", {"step": np.array(state.step, np.float32)})
        return metrics

    def assert_state(self, state):
        """Compare with a state of the jitted step, to 1e-5."""
        for name, leaf in named_leaves(update_steps.state_trees(state)).items():
            np.testing.assert_allclose(self.state[name], leaf, rtol=0, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("system", list(presets.TOYS))
def test_a_hundred_steps_are_those_of_the_jitted_step(system):
    """State and metrics agree to 1e-5 after 100 steps, in which every net moves."""
    method = small(system)
    state = init_jitted(method, 0)
    exported, step = ExportedStep(method, state), jax.jit(build_step(method))
    r, initial = np.random.default_rng(0), exported.state.copy()
    shape = (n_minibatches(method), BATCH, *POINT_SHAPE)
    for _ in range(STEPS):
        batch = {"image": r.uniform(-1, 1, shape).astype(np.float32)}
        metrics = exported.step(state, batch)
        state, wanted = step(state, batch)
    exported.assert_state(state)
    for name, leaf in exported.state.items():
        if name.endswith("kernel") and name.startswith("state/params/"):
            assert np.abs(leaf - initial[name]).max() > 1e-2, name
    for player in method.players:
        if player.repeats == 1:
            loss = metrics[player.name]["metrics/loss"]
            np.testing.assert_allclose(loss, wanted[f"{player.name}/loss"], atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["dragan", "mgan", "gan_spectral", "morpho"])
def test_steps_of_convolutional_nets(case):
    """With second derivatives of convolutions, the state agrees to 1e-5 after 3 steps of SGD."""
    method = methods_small.build(case)
    method = method._replace(hp=dataclasses.replace(method.hp, augment=""))
    state = init_jitted(method, 0)
    exported, step = ExportedStep(method, state, (16, 16, 2)), jax.jit(build_step(method))
    for t in range(3):
        batch = {"image": methods_small.batch(n_minibatches(method), BATCH, t)["image"]}
        exported.step(state, batch)
        state, _ = step(state, batch)
    exported.assert_state(state)


def test_the_rate_scales_updates():
    """Half the rate moves weights half as far; rate 0 does not move them."""
    method = small("gan")
    state, image = init_jitted(method, 0), np.full((2, BATCH, *POINT_SHAPE), 0.5, np.float32)
    changes = {}
    for rate in (0.0, 0.5, 1.0):
        exported = ExportedStep(method, state)
        initial = exported.state.copy()
        exported.step(state, {"image": image}, rate)
        changes[rate] = {name: leaf - initial[name] for name, leaf in exported.state.items()}
    for name, change in changes[1.0].items():
        if name.startswith("state/params/disc"):
            np.testing.assert_allclose(changes[0.5][name], 0.5 * change, atol=1e-7)
            assert not changes[0.0][name].any() and change.any(), name


def test_players_of_one_batch_group_share_their_noise():
    """D and G of several generators see the same noise; players of other groups do not."""
    ids = update_steps._noise_ids(small("mgan"), BATCH, POINT_SHAPE)
    assert ids["disc"] == ids["gen"] == [0]
    ids = update_steps._noise_ids(small("wgan_gp"), BATCH, POINT_SHAPE)
    assert ids["disc"] == [0, 1] and ids["gen"] == [0]


REFUSED = [
    {"simultaneous": True},
    {"balance": True},
    {"penalty": "r1", "penalty_every": 2},
    {"warmup_images": 9, "lr_end": 1e-5},
    {"ema_images": 9},
    {"pack": 2},
    {"lecam": 0.3},
    {"precision": "bfloat16"},
]


@pytest.mark.parametrize("options", REFUSED)
def test_refusals(options):
    with pytest.raises(InputError, match="cannot be exported"):
        update_steps.export_updates(small("gan", **options), BATCH, POINT_SHAPE)
