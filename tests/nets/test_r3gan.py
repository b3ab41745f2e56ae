"""R3GAN's nets against formulas of the paper and numpy: counts, start, blocks, resampling."""

import itertools
import math

import jax
import numpy as np
import pytest

from gan_jax import methods
from gan_jax.core.initialize import state_shapes
from gan_jax.core.method import n_minibatches
from gan_jax.core.step import build_step
from gan_jax.errors import InputError
from gan_jax.methods import base
from gan_jax.nets import r3gan
from gan_jax.settings import Size
from tests.nets import probe
from tests.ops.test_conv import grouped_by_loops
from tests.tiers import slowly


def nets(size=8, colors=2, n_classes=0, **options):
    return probe.nets(r3gan.FAMILY, base.DataSpec(size, colors), n_classes, **options)


def block_size(channels, group=16):
    """Numbers of a block: two 1 x 1 and a grouped 3 x 3 convolution, two biases."""
    return 4 * channels**2 + 9 * group * 2 * channels + 4 * channels


@pytest.mark.parametrize(
    "size, width, groups, gen, disc",
    [
        # G and D: 8 blocks of 768, 16 * 768 of the first or last image, 3 * 768 of colours;
        # G 64 * 768 of z, D 768 of the logit.
        (32, 768, [96] * 4, 20_732_160, 20_683_776),
        # more: 2 blocks of 384, 768 * 384, with as many colours less
        (64, 384, [48] + [96] * 4, 22_429_824, 22_381_440),
        # more: 2 blocks of 192 and of 96, 384 * 192 + 192 * 96
        (256, 96, [12, 24, 48] + [96] * 4, 23_057_952, 23_009_568),
    ],
)
def test_published_nets(size, width, groups, gen, disc, monkeypatch):
    """Widths, groups and numbers of parameters of the paper's settings."""
    monkeypatch.setenv("GAN_CONV", "native")  # quicker to trace
    widths = [channels for _, channels in r3gan.stages(Size.of(size), width)]
    assert [2 * n // 16 for n in widths] == groups
    blocks = 2 * sum(map(block_size, widths))
    changes = sum(a * b for a, b in itertools.pairwise(widths) if a != b)
    shared = blocks + changes + 16 * 768 + 3 * width
    assert (shared + 64 * 768, shared + 768) == (gen, disc)
    assert probe.counts(r3gan.FAMILY, base.DataSpec(size, 3), width=width, z_dim=64)[:2] == (
        gen,
        disc,
    )


def test_published_conditional_nets(monkeypatch):
    """CIFAR-10 with classes: G has 20.78 million as in the paper, D's embedding 768 numbers."""
    monkeypatch.setenv("GAN_CONV", "native")
    sizes = probe.counts(r3gan.FAMILY, base.DataSpec(32, 3), cond=[(2, 10)], width=768, z_dim=64)
    unconditional_disc = 20_683_776 - 768
    assert sizes[:2] == (20_732_160 + 64 * 768 + 10 * 64, unconditional_disc + 768 * 768 + 10 * 768)
    assert round(sizes[0] / 1e6, 2) == 20.78


@pytest.mark.parametrize(
    "size, expected",
    [
        (8, [(8, 3), (4, 3)]),
        (28, [(28, 3), (14, 3), (7, 3)]),
        (48, [(48, 3), (24, 6), (12, 6), (6, 6)]),
        (128, [(128, 3), (64, 6), (32, 12), (16, 12), (8, 12), (4, 12)]),
    ],
)
def test_stages(size, expected):
    assert r3gan.stages(Size.of(size), 3) == [(Size.of(side), n) for side, n in expected]


@pytest.mark.parametrize("size, width", [(8, 1), (12, 24), (28, 7), (80, 3)])
def test_shapes(size, width):
    gen, disc, enc = nets(size, 2, 7, width=width)
    image, top = (2, size, size, 2), r3gan.stages(Size.of(size), width)[-1][1]
    assert probe.shapes(gen, (2, 5)) == probe.shapes(gen, (2, 5), (2, 3)) == image
    assert probe.shapes(enc, image) == (2, 5)
    out = probe.shapes(disc, image)
    assert (out.logit, out.features, out.classes) == ((2,), (2, top), (2, 7))
    assert probe.shapes(nets(size, 2, width=width)[1], image, (2, 3)).logit == (2,)


def test_other_sizes_are_refused():
    with pytest.raises(InputError, match="--size=36 .* r3gan need; use 32 or 40"):
        r3gan.FAMILY.check(base.DataSpec(36, 3))


def resampling(n):
    """Matrix [2 n, n] that doubles a side: kernel [1, 3, 3, 1] / 4, zeros outside."""
    out = np.zeros((2 * n, n))
    for i in range(n):
        for tap, weight in enumerate((1, 3, 3, 1)):
            if 0 <= 2 * i - 1 + tap < 2 * n:
                out[2 * i - 1 + tap, i] += weight / 4
    return out


def doubled(x):
    """Double the sides of images."""
    return np.einsum("ai,bj,nijc->nabc", resampling(x.shape[1]), resampling(x.shape[2]), x)


def test_resampling():
    """Up is a product with a known matrix, down a quarter of its transpose; constants stay."""
    x, y = probe.noise(2, 3, 5, 4), probe.noise(2, 6, 10, 4)
    np.testing.assert_allclose(r3gan.upsample(x), doubled(x), rtol=1e-5, atol=1e-6)
    down = np.einsum("ai,bj,nabc->nijc", resampling(3), resampling(5), y) / 4
    np.testing.assert_allclose(r3gan.downsample(y), down, rtol=1e-5, atol=1e-6)
    ones = np.ones((1, 6, 6, 1), np.float32)
    np.testing.assert_allclose(r3gan.upsample(ones)[:, 1:-1, 1:-1], 1, rtol=1e-6)
    np.testing.assert_allclose(r3gan.downsample(ones)[:, 1:-1, 1:-1], 1, rtol=1e-6)


def start(net, *inputs):
    """The first variables of a net."""
    return jax.jit(lambda: net.init(jax.random.key(0), *inputs, train=False))()


def test_start():
    """Fix-up: branches are 0, and other weights have their standard deviations."""
    z, x = probe.noise(3, 5), probe.noise(3, 8, 8, 2)
    gen, disc, _ = nets(width=64)
    variables = start(gen, z)
    p = variables["params"]
    # Dense_0 maps z. Each of four blocks has two dense layers, the second all zeros.
    assert [p[f"Dense_{i}"]["kernel"].any() for i in range(10)] == [True] * 2 + [False, True] * 4
    gain = math.sqrt(2 / 1.04) * 4**-0.25
    for name, inputs in ("Dense_1", 64), ("Conv_0", 9 * 16), ("Conv_3", 9 * 16):
        np.testing.assert_allclose(p[name]["kernel"].std(), gain / math.sqrt(inputs), rtol=0.03)
        assert not p[name]["bias"].any()
    np.testing.assert_allclose(p["basis"].std(), 1, rtol=0.1)
    first = p["basis"] * (z @ p["Dense_0"]["kernel"])[:, None, None]
    expected = doubled(first) @ p["Dense_9"]["kernel"]
    np.testing.assert_allclose(probe.run(gen, variables, z), expected, rtol=1e-4, atol=1e-5)

    variables = start(disc, x)
    p = variables["params"]
    first = np.einsum("ai,bj,nabc->nijc", resampling(4), resampling(4), x) / 4
    features = ((first @ p["Dense_0"]["kernel"]) * p["kernel"]).sum((1, 2))
    out = probe.run(disc, variables, x)
    np.testing.assert_allclose(out.features, features, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        out.logit, (features @ p["Dense_9"]["kernel"])[:, 0], rtol=1e-4, atol=1e-5
    )


def leaky(x):
    return np.where(x > 0, x, 0.2 * x)


def test_blocks():
    """D's features are those of the paper's formula, in numpy."""
    x = probe.noise(1, 8, 8, 2)
    _, disc, _ = nets(width=16)
    variables = probe.variables(disc, x)
    p = variables["params"]
    h, dense, conv = x @ p["Dense_0"]["kernel"], iter(range(1, 9)), iter(range(4))
    for side in (8, 4):
        if side == 4:
            h = np.einsum("ai,bj,nabc->nijc", resampling(4), resampling(4), h) / 4
        for _ in range(2):
            c1, c3, g = (
                p[f"{n}_{next(i)}"] for n, i in (("Dense", dense), ("Dense", dense), ("Conv", conv))
            )
            y = leaky(h @ c1["kernel"] + c1["bias"])
            y = leaky(grouped_by_loops(y, g["kernel"], 1, 2) + g["bias"])
            h = h + y @ c3["kernel"]
    expected = (h * p["kernel"]).sum((1, 2))
    np.testing.assert_allclose(probe.run(disc, variables, x).features, expected, rtol=1e-4)


def test_condition():
    """G's noise begins with z and goes on with an embedding; D's logit is a product."""
    gen, disc, _ = nets()
    z, x, cond = probe.noise(3, 5), probe.noise(3, 8, 8, 2), np.eye(3, dtype=np.float32)
    variables = probe.variables(gen, z, cond)
    embedding = cond @ variables["params"]["embed"]["kernel"]
    plain = {"params": {k: v for k, v in variables["params"].items() if k != "embed"}}
    np.testing.assert_allclose(
        probe.run(gen, variables, z, cond),
        probe.run(gen, plain, np.concatenate([z, embedding], -1)),
        rtol=1e-5,
        atol=1e-6,
    )
    variables = probe.variables(disc, x, cond)
    p, out = variables["params"], probe.run(disc, variables, x, cond)
    expected = ((out.features @ p["Dense_9"]["kernel"]) * (cond @ p["embed"]["kernel"])).sum(-1)
    np.testing.assert_allclose(out.logit, expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        start(disc.clone(width=64), x, cond)["params"]["embed"]["kernel"].std(),
        1 / math.sqrt(64 * 3),
        rtol=0.2,
    )


def test_pixels():
    """Images are not squashed, and [-1, 1] becomes [0, 1] for --pixels=sigmoid."""
    z = 100 * probe.noise(2, 5)
    gen, _, _ = nets()
    variables = probe.variables(gen, z)
    images = probe.run(gen, variables, z)
    assert np.abs(images).max() > 2
    unit = probe.run(nets(pixels="sigmoid")[0], variables, z)
    np.testing.assert_allclose(unit, (images + 1) / 2, rtol=1e-5, atol=1e-5)


CLASSES = base.DataSpec(8, 2, ("not-a not-b", "not-a b", "a not-b"), (3, 1, 4))
COMBINATIONS = [  # method, settings
    ("gan", {"loss": "rp", "penalty": "r1r2", "beta1": 0.0}),
    ("gan", {"condition": "labels", "cond_gen": "product", "cond_disc": "projection"}),
    ("acgan", {"cond_gen": "own"}),
    ("distgan", {"penalty": "dragan"}),
    slowly("gan", {"precision": "bfloat16", "pixels": "sigmoid", "penalty": "wgan_gp"}),
    slowly("gan", {"condition": "labels", "cond_gen": "concat", "cond_disc": "own"}),
    slowly("gan", {"condition": "labels", "cond_gen": "own", "cond_disc": "concat"}),
    slowly("gan", {"condition": "attributes", "cond_gen": "own", "cond_disc": "own"}),
    slowly("acgan", {"cond_gen": "concat"}),
    slowly("acgan", {"cond_gen": "product"}),
    slowly("infogan", {"n_codes": 3}),
]


@pytest.mark.long
@pytest.mark.parametrize(("name", "options"), COMBINATIONS, ids=str)
def test_every_method_has_a_step(name, options, monkeypatch):
    """Checks accept it, and a step has the shapes of the state; nothing is computed."""
    monkeypatch.setenv("GAN_CONV", "native")  # quicker to trace
    module = methods.TABLE[name]
    hp = module.Settings(**{"net": "r3gan", "width": 2, "z_dim": 5, **options})
    module.check(hp, CLASSES)
    method = module.build(hp, CLASSES, 10)
    n = n_minibatches(method)
    batch = {
        "image": jax.ShapeDtypeStruct((n, 2, 8, 8, 2), np.float32),
        "label": jax.ShapeDtypeStruct((n, 2), np.int32),
    }
    before = state_shapes(method)
    after, metrics = jax.eval_shape(build_step(method), before, batch)
    shape = lambda a: (a.shape, a.dtype)
    assert jax.tree.map(shape, after) == jax.tree.map(shape, before)
    assert {"disc/loss", "gen/loss"} <= set(metrics)


def test_mgan_is_refused():
    """There is no mixture of its generators."""
    module = methods.TABLE["mgan"]
    with pytest.raises(InputError, match="--net=r3gan .*mixture"):
        module.check(module.Settings(net="r3gan"), CLASSES)
