"""FreezeD: what counts as a layer of D, and that frozen ones keep every bit while others move."""

import jax
import numpy as np
import pytest

from gan_jax import methods
from gan_jax.core import parallel
from gan_jax.core.initialize import init_jitted
from gan_jax.core.method import n_minibatches
from gan_jax.core.step import build_step
from gan_jax.errors import InputError
from gan_jax.methods import base, freeze
from gan_jax.nets import depth
from tests import tiers

SPEC = base.DataSpec(16, 1, ("a", "b", "c"), (3, 1, 4))
SMALL = {"width": 4, "z_dim": 3, "ema": 0.9}
# {net: its hidden layers at 16 px, by the last word of their paths}
LAYERS = {
    "dcgan": ["Conv_0", "Conv_1 BatchNorm_0"],
    # whose logit has a norm, too
    "s2_literal": ["Conv_0 BatchNorm_0", "Conv_1 BatchNorm_1"],
    "s1": ["Conv_0", "Conv_1 BatchNorm_0", "Conv_2 BatchNorm_1", "Conv_3"],
    "sngan": ["Conv_0", "Conv_1", "Conv_2", "Conv_3", "Conv_4"],
    "resnet": ["Conv_0 Conv_1 Conv_2", "Conv_3 Conv_4", "Conv_5 Conv_6"],
    "r3gan": [
        *["Dense_0", "Dense_1 Conv_0 Dense_2", "Dense_3 Conv_1 Dense_4"],
        *["Dense_5 Conv_2 Dense_6", "Dense_7 Conv_3 Dense_8"],
        *["Dense_9 Conv_4 Dense_10", "Dense_11 Conv_5 Dense_12"],
    ],
    "mlp": ["Dense_0", "Dense_1", "Dense_2"],
}


def build(name="gan", spec=SPEC, **options):
    module = methods.TABLE[name]
    return module.build(module.Settings(**{**SMALL, **options}), spec, 10)


def named(method):
    layers = depth.hidden_layers(method.nets["disc"], method.example_inputs["disc"])
    return [" ".join(path[-1] for path in layer) for layer in layers]


@pytest.mark.parametrize("net", LAYERS)
@pytest.mark.parametrize("condition", ["", "concat", "projection"])
def test_layers_of_a_net(net, condition):
    """The embedding of a class, before or behind the net, is none; nor are heads."""
    told = {"condition": "labels", "cond_disc": condition} if condition else {}
    assert named(build(net=net, **told)) == LAYERS[net]
    assert named(build("acgan", net=net)) == LAYERS[net]


def test_layers_of_a_net_without_heads():
    assert named(build("colorize", base.DataSpec(16, 3))) == [
        "Conv_0",
        "Conv_1 BatchNorm_0",
        "Conv_2 BatchNorm_1",
    ]


def batch(method, spec=SPEC):
    random = np.random.default_rng(0)
    n = n_minibatches(method)
    images = random.uniform(-1, 1, (n, 8, spec.size, spec.size, spec.colors)).astype(np.float32)
    return {"image": images, "label": random.integers(0, 3, (n, 8)).astype(np.int32)}


def negative_zero(params):
    """Parameters with a -0.0 in every leaf, whose sign a sum with 0.0 would lose."""

    def put(leaf):
        flat = np.array(leaf).reshape(-1)
        flat[0] = -0.0
        return flat.reshape(leaf.shape)

    return jax.tree.map(put, params)


CASES = {
    "adam": ("gan", {"penalty": "r1"}),
    "sgd_clip": ("gan", {"net": "mlp", "optimizer": "sgd", "clip": 0.01, "lr": 0.1}),
    "spectral": ("gan", {"spectral": "both", "condition": "labels"}),
    "simultaneous": ("gan", {"simultaneous": True, "net": "mlp"}),
    "distgan": ("distgan", {"n_disc": 2, "net": "mlp"}),
    "infogan": ("infogan", {"n_codes": 3, "net": "mlp"}),
}


QUICK = ("spectral",)


@pytest.mark.parametrize("case", tiers.cases(CASES, QUICK))
def test_frozen_layers_keep_every_bit_and_others_move(case):
    name, options = CASES[case]
    method = build(name, **options)
    frozen = freeze.freeze_disc(method, 1)
    paths = {path for layer in freeze.first_layers(method, 1) for path in layer}
    state = init_jitted(frozen, 0)
    state = state.replace(params={**state.params, "disc": negative_zero(state.params["disc"])})
    step = jax.jit(build_step(frozen))
    after, metrics = step(*step(state, batch(method))[:1], batch(method))
    kept = 0
    before = jax.tree_util.tree_leaves_with_path(state.params["disc"])
    for (keys, a), b in zip(before, jax.tree.leaves(after.params["disc"]), strict=True):
        if tuple(key.key for key in keys)[:-1] in paths:
            assert np.asarray(a).tobytes() == np.asarray(b).tobytes(), keys
            kept += 1
        else:
            assert np.abs(np.asarray(a) - np.asarray(b)).max() > 0 or a.ndim == 1, keys
    assert kept
    pairs = zip(*(jax.tree.leaves(s.params["gen"]) for s in (state, after)), strict=True)
    assert any((np.asarray(a) != b).any() for a, b in pairs)
    assert np.isfinite(float(metrics["disc/loss"]))


def test_the_others_move_as_they_would():
    """The first update of the layers behind the frozen ones is that of a free D."""
    method = build(optimizer="sgd", penalty="r1", lr=0.1)
    frozen = freeze.freeze_disc(method, 1)
    state = init_jitted(method, 0)
    free, held = (jax.jit(build_step(m))(state, batch(m)) for m in (method, frozen))
    a, b = (result[0].params["disc"]["Trunk_0"] for result in (free, held))
    np.testing.assert_allclose(a["Conv_1"]["kernel"], b["Conv_1"]["kernel"], atol=1e-6)
    assert (np.asarray(a["Conv_0"]["kernel"]) != b["Conv_0"]["kernel"]).any()
    assert float(held[1]["disc/grad_norm"]) < float(free[1]["disc/grad_norm"])


@pytest.mark.slow
def test_two_devices_make_no_difference():
    frozen = freeze.freeze_disc(build(optimizer="sgd"), 1)
    state = init_jitted(frozen, 0)
    one, _ = jax.jit(build_step(frozen))(state, batch(frozen))
    devices = parallel.all_devices(2)
    state = parallel.put_replicated(jax.tree.map(np.array, state.replace(key=None)), devices)
    state = state.replace(key=parallel.put_replicated(init_jitted(frozen, 0).key, devices))
    program = parallel.pmapped(build_step(frozen, parallel.AXIS), devices)
    two, _ = program(state, parallel.put_split(batch(frozen), devices, 1))
    for a, b in zip(jax.tree.leaves(one.params), jax.tree.leaves(two.params), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_too_many_layers():
    with pytest.raises(InputError, match="D has 2 layers in front of its heads; use 2 or fewer"):
        freeze.freeze_disc(build(), 3)
    assert freeze.freeze_disc(build(), 2)
