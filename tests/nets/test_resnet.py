"""Nets of SN-GAN and of WGAN-GP: sizes, residual blocks, sums over space."""

import jax
import numpy as np
import pytest

from gan_jax.errors import InputError
from gan_jax.methods import base
from gan_jax.nets import layers, resnet
from gan_jax.settings import Size
from tests.nets import probe

FAMILIES = {"sngan": resnet.SNGAN, "resnet": resnet.RESNET}


def nets(name, *args, **options):
    return probe.nets(FAMILIES[name], *args, **options)


def test_parameter_counts():
    # G: (128 16384 + 16384) + k4 16 (1024 512 + 512 256 + 256 128)
    #    + norms 2 (512 + 256 + 128) + (9 128 3 + 3).
    # D: (9 3 64 + 64) + (16 64 64 + 64) + (9 64 128 + 128) + (16 128 128 + 128)
    #    + (9 128 256 + 256) + (16 256 256 + 256) + (9 256 512 + 512) + 8193.
    # E: dcgan's for CIFAR-10, in Dist-GAN's code.
    sizes = probe.counts(resnet.SNGAN, base.DataSpec(32, 3), width=64, z_dim=128)
    assert sizes == (13_128_835, 2_935_873, 5_155_968)
    # G: (128 4096 + 4096) + 3 (512 + 590080 + 512 + 590080 + 65792) + 512 + (9 256 3 + 3).
    # D: (9 3 128 + 128 + 147584 + 4 128) + (2 147584 + 16512) + 4 147584 + 129.
    # E: (9 3 256 + 256) + 3 (512 + 590080 + 512 + 590080 + 65792) + 512 + (4096 128 + 128).
    sizes = probe.counts(resnet.RESNET, base.DataSpec(32, 3), width=128, z_dim=128)
    assert sizes == (4_276_739, 1_053_825, 4_273_024)


@pytest.mark.parametrize(
    "name, width, size, n_features",
    [
        ("sngan", 64, 32, 8192),
        ("sngan", 64, 48, 18432),
        ("resnet", 128, 32, 8192),
        ("resnet", 128, 64, 8192),
    ],
)
def test_feature_sizes(name, width, size, n_features):
    """The weight of latent distances depends on them (D09); Dist-GAN's at 32 and 48 px."""
    _, disc, _ = nets(name, base.DataSpec(size, 3), width=width)
    assert probe.shapes(disc, (2, size, size, 3)).features == (2, n_features)


@pytest.mark.long
@pytest.mark.parametrize(
    "size, side, n", [(8, 4, 1), (28, 7, 2), (40, 5, 3), (48, 6, 3), (64, 4, 4)]
)
@pytest.mark.parametrize("name", FAMILIES)
def test_shapes(name, size, side, n):
    assert resnet.first_sides(Size.of(size)) == (Size.of(side), n)
    gen, disc, enc = nets(name, base.DataSpec(size, 2), 7, width=1)
    image = (2, size, size, 2)
    assert probe.shapes(gen, (2, 5)) == image
    assert probe.shapes(enc, image) == (2, 5)
    out = probe.shapes(disc, image)
    top = side**2 * min(2**n, 8) if name == "sngan" else (2 * side) ** 2
    assert (out.logit, out.features, out.classes) == ((2,), (2, top), (2, 7))


@pytest.mark.parametrize(
    "size, message",
    [(30, "use 28 or 32"), (36, "use 32 or 40"), (126, "use 112 or 128"), (4, "8 or more")],
)
@pytest.mark.parametrize("name", FAMILIES)
def test_other_sizes_are_refused(name, size, message):
    with pytest.raises(InputError, match=f"--size={size} .*{message}"):
        FAMILIES[name].check(base.DataSpec(size, 3))


def test_nearest_sizes():
    """Every refusal names two sizes that work, one below and one above."""
    fine = [
        s for s in range(8, 300) if any(s == a * 2**k for a in range(4, 8) for k in range(1, 8))
    ]
    for size in range(8, 250):
        if size in fine:
            resnet.first_sides(Size.of(size))
            continue
        low, high = max(s for s in fine if s < size), min(s for s in fine if s > size)
        with pytest.raises(InputError, match=f"use {low} or {high}"):
            resnet.first_sides(Size.of(size))


@pytest.mark.parametrize("name", FAMILIES)
def test_where_norms_are(name):
    gen, disc, _ = nets(name, base.DataSpec(8, 3))
    assert not any(n.startswith("BatchNorm") for n in probe.params(disc, (2, 8, 8, 3)))
    assert (
        sum(n.startswith("BatchNorm") for n in probe.params(gen, (2, 5)))
        == {"sngan": 1, "resnet": 3}[name]
    )
    gen, _, _ = nets(name, base.DataSpec(8, 3), gen_norm="none")
    assert not any(n.startswith("BatchNorm") for n in probe.params(gen, (2, 5)))


def test_resnet_logits_are_sums_over_space():
    """The features are the last activations, 8 x 8 pixels of 8 channels."""
    _, disc, _ = nets("resnet", base.DataSpec(8, 1), 3)
    x = probe.noise(2, 8, 8, 1)
    variables = probe.variables(disc, x)
    out = probe.run(disc, variables, x)
    pooled = np.asarray(out.features).reshape(2, 8, 8, 8).sum((1, 2))
    for name, value in ("Dense_0", out.logit[:, None]), ("Dense_1", out.classes):
        head = variables["params"][name]
        np.testing.assert_allclose(
            value, pooled @ head["kernel"] + head["bias"], rtol=1e-4, atol=1e-5
        )
    assert out.features.min() == 0


def test_resnet_blocks_are_residual():
    """With the last convolution of every branch at 0, D is its shortcuts.

    These are one k1 convolution and averages.
    """
    _, disc, _ = nets("resnet", base.DataSpec(16, 1))
    x = probe.noise(2, 16, 16, 1)
    variables = probe.variables(disc, x)
    p = variables["params"]
    for i in (1, 4, 6):  # a block's convolutions: k3, k3, and k1 in the first alone
        assert p[f"Conv_{i}"]["kernel"].shape[0] == 3
        p[f"Conv_{i}"] = {name: 0 * value for name, value in p[f"Conv_{i}"].items()}
    assert p["Conv_2"]["kernel"].shape == (1, 1, 1, 8)
    averages = x.reshape(2, 8, 2, 8, 2, 1).mean((2, 4))
    expected = np.maximum(averages @ p["Conv_2"]["kernel"][0, 0] + p["Conv_2"]["bias"], 0).reshape(
        2, -1
    )
    np.testing.assert_allclose(
        probe.run(disc, variables, x).features, expected, rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("size", [8, 16])
def test_resnet_sees_negative_pixels(size):
    """No activation comes before the first block, be it one that halves the side or not."""
    _, disc, _ = nets("resnet", base.DataSpec(size, 1))
    x = -np.ones((1, size, size, 1), np.float32)
    variables = probe.variables(disc, x)
    assert (
        np.abs(probe.run(disc, variables, x).logit - probe.run(disc, variables, 2 * x).logit) > 1e-3
    )


@pytest.mark.parametrize("name", FAMILIES)
def test_condition_and_spectral_norm(name):
    """G's norms take a condition; every kernel of D with spectral norm has its own vector."""
    gen, disc, _ = nets(name, base.DataSpec(8, 1))
    z, cond = (4, 5), (4, 3)
    assert probe.shapes(gen, z, cond) == (4, 8, 8, 1)
    assert probe.count(gen, z, cond) > probe.count(gen, z)
    disc = disc.clone(weights=layers.WeightOptions("xavier", spectral=True))
    variables = probe.variables(disc, probe.noise(2, 8, 8, 1))
    assert len(jax.tree.leaves(variables["batch_stats"])) == len(variables["params"])
