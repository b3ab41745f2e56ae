"""pix2pix's nets: sizes, what a patch sees, skips, dropout."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.nets import unet
from gan_jax.settings import Size
from tests.nets import probe


@pytest.mark.long
def test_parameter_counts():
    # Down, k4 and norms: (16 64 + 64) + (16 64 128 + 256) + (16 128 256 + 512)
    # + (16 256 512 + 1024) + (16 512 512 + 1024) + (16 512 512 + 512) = 11,145,536.
    # Up: (16 512 512 + 1024) + (16 1024 512 + 1024) + (16 1024 256 + 512) + (16 512 128 + 256)
    # + (16 256 64 + 128) + (16 128 3 + 3) = 18,097,027.
    assert probe.count(unet.UNet(), (2, 64, 64, 1)) == 11_145_536 + 18_097_027
    # 16 4 64 + 64, 16 64 128 + 256, 16 128 256 + 512, 16 256 + 1.
    assert probe.count(unet.PatchDisc(), (2, 64, 64, 3), (2, 64, 64, 1)) == 664_385
    # With three channels of condition, as for pix2pix's photographs: as many as its 70 x 70
    # discriminator.
    assert probe.count(unet.PatchDisc(n_down=3), (2, 64, 64, 3), (2, 64, 64, 3)) == 2_768_705


@pytest.mark.parametrize("size", [8, 32, 64, 28, (24, 40), (41, 24)])
def test_shapes(size):
    height, width = Size.of(size)
    image, gray = (2, height, width, 3), (2, height, width, 1)
    assert probe.shapes(unet.UNet(2), gray) == image
    for n_down in (1, 2, 3):
        out = probe.shapes(unet.PatchDisc(2, n_down), image, gray)
        patches = math.prod(-(-side // 2**n_down) for side in (height, width))
        assert (out.logit, out.features, out.classes) == (
            (2, patches),
            (2, patches * 2 * 2**n_down),
            None,
        )


def test_channels():
    """Down 1, 2, 4, 8, 8, 8 times the width; up the same, beside what came down."""
    p = probe.params(unet.UNet(2), (2, 64, 64, 1))
    assert [p[f"Conv_{i}"]["kernel"].shape[-1] for i in range(6)] == [2, 4, 8, 16, 16, 16]
    assert [p[f"ConvT_{i}"]["kernel"].shape[-2:] for i in range(6)] == [
        (16, 16),
        (16, 32),
        (8, 32),
        (4, 16),
        (2, 8),
        (3, 4),
    ]
    assert [i for i in range(6) if "bias" in p[f"Conv_{i}"]] == [0, 5]
    assert [i for i in range(6) if "bias" in p[f"ConvT_{i}"]] == [5]


@pytest.mark.parametrize("n_down, side", [(1, 16), (2, 34), (3, 70)])
def test_receptive_field(n_down, side):
    """As far as the slope of one logit reaches, in a net that no norm couples."""
    net, size = unet.PatchDisc(2, n_down), 128
    x, cond = probe.noise(1, size, size, 3), probe.noise(1, size, size, 1)
    variables, middle = (
        probe.variables(net, x, cond),
        (size >> n_down) ** 2 // 2 + (size >> n_down) // 2,
    )

    @jax.jit
    def slopes(x, cond):
        return jax.grad(
            lambda x, cond: net.apply(variables, x, cond, train=False).logit[0, middle], (0, 1)
        )(x, cond)

    for slope in slopes(x, cond):
        seen = np.asarray(jnp.abs(slope[0]).sum(-1) > 0)
        assert (np.ptp(np.nonzero(seen.any(0))) + 1, np.ptp(np.nonzero(seen.any(1))) + 1) == (
            side,
            side,
        )


@pytest.fixture(scope="module")
def tiny():
    """(net, variables, gray images): 16 px, so four levels; the first three up have dropout."""
    net, gray = unet.UNet(4), probe.noise(4, 16, 16, 1)
    return net, probe.variables(net, gray), gray


@pytest.mark.long
def test_dropout(tiny):
    net, variables, gray = tiny
    one, same, other = (probe.train(net, variables, gray, key=k)[0] for k in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 1e-3
    assert -1 <= one.min() < 0 < one.max() <= 1
    still = probe.run(net, variables, gray)
    assert np.abs(one - still).max() > 1e-3


def test_skips(tiny):
    """Pixels far apart are connected through the bottleneck alone."""
    net, variables, gray = tiny
    cut = {
        **variables,
        "params": {
            **variables["params"],
            "ConvT_0": {"kernel": 0 * variables["params"]["ConvT_0"]["kernel"]},
        },
    }

    @jax.jit
    def slope(variables):
        return jax.grad(lambda gray: net.apply(variables, gray, train=False)[0, :4, :4].sum())(
            gray
        )[0, ..., 0]

    whole, skips = (np.abs(slope(v)) for v in (variables, cut))
    assert whole[0, 0] > 0 and skips[0, 0] > 0
    assert whole[-1].max() > 0 and whole[:, -1].max() > 0
    assert skips[0, 0] > 10 * skips[-1].max()


def test_disc_reads_the_condition():
    net, x, cond = unet.PatchDisc(2), probe.noise(2, 16, 16, 3), probe.noise(2, 16, 16, 1)
    variables = probe.variables(net, x, cond)
    out, moved = (probe.run(net, variables, x, c).logit for c in (cond, cond[::-1]))
    assert np.abs(out - moved).max() > 1e-3
