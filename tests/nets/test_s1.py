"""S1's nets: sizes of the public scripts, and what their layers do."""

import numpy as np
import pytest

from gan_jax.errors import InputError
from gan_jax.methods import base
from gan_jax.nets import s1
from tests.nets import probe

FAMILIES = {"section7": s1.SECTION7, "section4": s1.SECTION4}


def nets(name, *args, **options):
    return probe.nets(FAMILIES[name], *args, **options)


def test_parameter_counts():
    def sizes(family, width, n_classes=0):
        return probe.counts(family, base.DataSpec(28, 1), n_classes, width=width, z_dim=100)[:2]

    # G: (100 6272 + 6272) + 256 + (9 128 128 + 128) + 256 + (9 128 64 + 64) + 128 + (9 64 + 1),
    #    norms in between.
    # D: (9 16 + 16) + (9 16 32 + 32) + 64 + (9 32 64 + 64) + 128 + (9 64 128 + 128) + 2049;
    #    classes 10 2049.
    assert sizes(s1.SECTION7, 128) == (856_065, 99_393)
    assert sizes(s1.SECTION7, 128, 10)[1] == 99_393 + 20_490
    # G: (100 12544 + 12544) + 25088 + (25 256 128 + 128) + 256 + (25 128 64 + 64) + 128
    #    + (25 64 32 + 32) + 64 + 801.
    # D: (25 64 + 64) + (25 64 128 + 128) + (25 128 256 + 256) + (25 256 512 + 512) + 8193;
    #    classes 10 8193.
    assert sizes(s1.SECTION4, 64) == (2_368_705, 4_311_553)
    assert sizes(s1.SECTION4, 64, 10)[1] == 4_311_553 + 81_930


@pytest.mark.parametrize("size, last", [(8, 1), (28, 4), (36, 5)])
@pytest.mark.parametrize("name", FAMILIES)
def test_shapes(name, size, last):
    image = (2, size, size, 3)
    for width in (1, 8):
        gen, disc, enc = nets(name, base.DataSpec(size, 3), 4, width=width)
        assert probe.shapes(gen, (2, 5)) == image
        assert probe.shapes(enc, image) == (2, 5)
        out = probe.shapes(disc, image)
        channels = width if name == "section7" else 8 * width
        assert (out.logit, out.features, out.classes) == ((2,), (2, last**2 * channels), (2, 4))


@pytest.mark.parametrize("name", FAMILIES)
def test_other_sizes_are_refused(name):
    FAMILIES[name].check(base.DataSpec(28, 1))
    with pytest.raises(InputError, match="--size=30 is not a multiple of 4, .* use 28 or 32"):
        FAMILIES[name].check(base.DataSpec(30, 1))


def test_norms():
    """SECTION7's D has them after blocks 2 and 3, SECTION4's nowhere; settings can omit them."""

    def normed(net, shape):
        return {
            n: p["scale"].shape[0]
            for n, p in probe.params(net, shape).items()
            if n.startswith("BatchNorm")
        }

    shape, image = base.DataSpec(8, 1), (2, 8, 8, 1)
    gen, disc, _ = nets("section7", shape, width=16)
    assert normed(disc, image) == {"BatchNorm_0": 4, "BatchNorm_1": 8}
    assert normed(gen, (2, 5)) == {"BatchNorm_0": 16, "BatchNorm_1": 16, "BatchNorm_2": 8}
    gen, disc, _ = nets("section4", shape, width=16)
    assert normed(disc, image) == {}
    assert normed(gen, (2, 5)) == {
        "BatchNorm_0": 2 * 2 * 64,
        "BatchNorm_1": 32,
        "BatchNorm_2": 16,
        "BatchNorm_3": 8,
    }
    for name in FAMILIES:
        gen, disc, _ = nets(name, shape, gen_norm="none", disc_norm="none")
        assert normed(gen, (2, 5)) == normed(disc, image) == {}


@pytest.mark.long
@pytest.mark.parametrize("name, rate", [("section7", 0.25), ("section4", 0.4)])
def test_dropout_in_disc(name, rate):
    """In training only, and different for every key.

    The last layer has no norm, so its share of zeros is the rate.
    """
    x = probe.noise(16, 8, 8, 1)
    _, disc, _ = nets(name, base.DataSpec(8, 1), width=32)
    variables = probe.variables(disc, x)
    one, other = (probe.train(disc, variables, x, key=k)[0] for k in (0, 1))
    assert abs((one.features == 0).mean() - rate) < 0.08
    assert np.abs(one.logit - other.logit).max() > 1e-3
    assert (probe.run(disc, variables, x).features != 0).all()
    head = variables["params"]["Dense_0"]
    np.testing.assert_allclose(
        one.logit, (one.features @ head["kernel"] + head["bias"])[:, 0], rtol=1e-4, atol=1e-6
    )


@pytest.mark.long
def test_dropout_in_gen():
    """SECTION4 alone has it."""
    z = probe.noise(4, 5)
    for name, differs in ("section7", False), ("section4", True):
        gen, _, _ = nets(name, base.DataSpec(8, 1))
        variables = probe.variables(gen, z)
        one, other = (probe.train(gen, variables, z, key=k)[0] for k in (0, 1))
        assert (np.abs(one - other).max() > 1e-3) == differs
        assert np.abs(one).max() <= 1


@pytest.mark.parametrize("name", FAMILIES)
def test_conditional_norms(name):
    """Every BatchNorm of G takes its scale and offset from the condition, and from nothing else."""
    z, cond = probe.noise(4, 5), np.eye(4, dtype=np.float32)
    gen, _, _ = nets(name, base.DataSpec(8, 1))
    variables = probe.variables(gen, z, cond)
    norms = [n for n in variables["batch_stats"] if n.startswith("BatchNorm")]
    assert not set(norms) & set(variables["params"])
    tables = [
        n
        for n, p in variables["params"].items()
        if n.startswith("Dense_") and p["kernel"].shape[0] == 4
    ]
    assert len(tables) == 2 * len(norms)
    images = [probe.run(gen, variables, z, c) for c in (cond, cond[::-1])]
    assert np.abs(images[0] - images[1]).max() > 0.1
    for n in tables:
        variables["params"][n]["kernel"] *= 0
    images = [probe.run(gen, variables, z, c) for c in (cond, cond[::-1])]
    np.testing.assert_array_equal(*images)
