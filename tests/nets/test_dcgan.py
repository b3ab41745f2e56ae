"""The dcgan and hdcgan nets: sizes as published or in the released code, and their layers."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.methods import base, gan
from gan_jax.nets import dcgan, hdcgan, layers
from gan_jax.settings import Size
from tests.nets import probe

CONFIGS = {"dcgan": dcgan.DCGAN, "hdcgan": hdcgan.HDCGAN}


@pytest.mark.parametrize(
    "config, size, width, z_dim, wide, gen, disc, enc",
    [
        (
            "dcgan",
            32,
            128,
            128,
            False,
            5_171_331,
            4_115_457,
            5_155_968,
        ),  # Dist-GAN's code, CIFAR-10
        (
            "dcgan",
            64,
            128,
            100,
            False,
            18_885_763,
            17_232_897,
            18_855_012,
        ),  # Dist-GAN's code, CelebA
        # D and E are Morpho-GAN's code; G has one layer more (D16).
        ("hdcgan", 128, 128, 100, True, 20_524_675, 18_871_809, 35_241_572),
    ],
    ids=["cifar10", "celeba", "morpho"],
)
def test_parameter_counts(config, size, width, z_dim, wide, gen, disc, enc):
    image, config = (2, size, size, 3), CONFIGS[config]
    assert (
        probe.count(dcgan.Gen(Size.of(size), 3, "sigmoid", width, config=config), (2, z_dim)) == gen
    )
    assert probe.count(dcgan.Disc(Size.of(size), width, config), image) == disc
    assert (
        probe.count(dcgan.Enc(Size.of(size), width, config, wide=wide, z_dim=z_dim), image) == enc
    )


def test_released_morpho_generator():
    """It stops at 64 pixels (D16)."""
    assert (
        probe.count(dcgan.Gen(Size.of(64), 3, "sigmoid", 128, config=hdcgan.HDCGAN), (2, 100))
        == 18_885_763
    )


def test_wide_enc_doubles_its_last_block_alone():
    plain, wide = (
        probe.spec(dcgan.Enc(Size.of(32), 4, wide=w, z_dim=5), (2, 32, 32, 3))["params"]
        for w in (False, True)
    )
    assert wide["Dense_0"]["kernel"].shape == (2 * plain["Dense_0"]["kernel"].shape[0], 5)
    kernels = [[p["Trunk_0"][f"Conv_{i}"]["kernel"].shape for i in range(3)] for p in (plain, wide)]
    assert kernels[1] == [*kernels[0][:2], (5, 5, 8, 32)]


@pytest.mark.parametrize(
    "config, size, n_features", [("dcgan", 32, 8192), ("dcgan", 64, 16384), ("hdcgan", 128, 16384)]
)
def test_feature_sizes(config, size, n_features):
    """What the weight of latent distances is computed from (D09)."""
    assert probe.shapes(
        dcgan.Disc(Size.of(size), 128, CONFIGS[config]), (2, size, size, 3)
    ).features == (2, n_features)


@pytest.mark.parametrize(
    "config, expected", [("dcgan", [1, 2, 4, 8, 8]), ("hdcgan", [1, 2, 2, 4, 8])]
)
def test_channels_at_128(config, expected):
    assert dcgan.channels(Size(128, 128), 128, CONFIGS[config]) == [128 * m for m in expected]
    assert dcgan.channels(Size(64, 64), 128, CONFIGS[config]) == [128, 256, 512, 1024]


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize(
    "size, first", [(8, 4), (16, 4), (28, 4), (32, 4), (36, 3), (64, 4), (128, 4)]
)
def test_shapes(size, first, config):
    """Any size: what the discriminator halves, the generator doubles."""
    config, image = CONFIGS[config], (2, size, size, 3)
    top = first**2 * dcgan.channels(Size.of(size), 2, config)[-1]
    assert layers.sides(Size.of(size))[-1] == (first, first)
    assert probe.shapes(dcgan.Gen(Size.of(size), 3, "tanh", 2, config=config), (2, 5)) == image
    assert probe.shapes(dcgan.Enc(Size.of(size), 2, config, z_dim=7), image) == (2, 7)
    logits = probe.shapes(dcgan.Disc(Size.of(size), 2, config), image)
    assert (logits.logit, logits.features, logits.classes) == ((2,), (2, top), None)


def test_where_norms_and_biases_are():
    """G's first norm is per unit, not per channel; D's first convolution has a bias and no norm."""
    gen = probe.spec(dcgan.Gen(Size.of(16), 1, "tanh", 3), (2, 5))["params"]
    assert gen["BatchNorm_0"]["scale"].shape == (4 * 4 * 6,)
    assert gen["BatchNorm_1"]["scale"].shape == (3,)
    assert {name: set(p) for name, p in gen.items()} == {
        "Dense_0": {"kernel"},
        "BatchNorm_0": {"scale", "bias"},
        "ConvT_0": {"kernel"},
        "BatchNorm_1": {"scale", "bias"},
        "ConvT_1": {"kernel", "bias"},
    }
    disc = probe.spec(dcgan.Disc(Size.of(16), 3), (2, 16, 16, 1))["params"]
    assert {name: set(p) for name, p in disc["Trunk_0"].items()} == {
        "Conv_0": {"kernel", "bias"},
        "Conv_1": {"kernel"},
        "BatchNorm_0": {"scale", "bias"},
    }
    assert set(disc["Dense_0"]) == {"kernel", "bias"}


@pytest.mark.parametrize(
    "config, expected",
    [
        ("dcgan", {"gen": (0, 2), "first": (-0.2, 2), "rest": (-0.2, 2)}),
        ("hdcgan", {"gen": (-1.11133, 2.10140), "first": (-0.1, 2), "rest": (-1.11133, 2.10140)}),
    ],
)
def test_activations(config, expected):
    """At -1 and 2. SELU: 1.0507 * 1.67326 * (exp(-1) - 1), 1.0507 * 2 (Klambauer et al. 2017)."""
    for name, values in expected.items():
        np.testing.assert_allclose(
            getattr(CONFIGS[config], name)(jnp.array([-1.0, 2.0])), values, rtol=1e-5
        )


@pytest.fixture(scope="module")
def tiny():
    """{pixels: (variables, noise, images, new statistics)} of one generator of 8 px.

    Its last layer has large weights.
    """
    z = jax.random.uniform(jax.random.key(1), (16, 5), minval=-1, maxval=1)

    @jax.jit
    def run(z):
        nets = {pixels: dcgan.Gen(Size.of(8), 2, pixels, 3) for pixels in ("tanh", "sigmoid")}
        variables = nets["tanh"].init(jax.random.key(0), z, train=False)
        variables["params"]["ConvT_0"]["kernel"] *= 5
        return {
            pixels: (variables, z, *net.apply(variables, z, train=True, mutable=["batch_stats"]))
            for pixels, net in nets.items()
        }

    return run(z)


def test_pixel_ranges(tiny):
    tanh, sigmoid = (np.asarray(tiny[pixels][2], np.float64) for pixels in ("tanh", "sigmoid"))
    assert tanh.shape == (16, 8, 8, 2)
    assert -1 <= tanh.min() < -0.9 and 0.9 < tanh.max() <= 1
    assert 0 <= sigmoid.min() < 0.2 and 0.8 < sigmoid.max() <= 1
    inner = np.abs(tanh) < 0.99  # the same numbers before the last activation
    np.testing.assert_allclose(
        sigmoid[inner], 1 / (1 + np.exp(-np.arctanh(tanh[inner]))), atol=1e-4
    )


def test_running_statistics_in_train_mode(tiny):
    """One call moves them a tenth of the way to the batch's mean and biased variance, per unit."""
    variables, z, _, new = tiny["tanh"]
    h = np.asarray(z, np.float64) @ np.asarray(variables["params"]["Dense_0"]["kernel"], np.float64)
    stats = new["batch_stats"]["BatchNorm_0"]
    np.testing.assert_allclose(stats["mean"], 0.1 * h.mean(0), atol=1e-6)
    np.testing.assert_allclose(stats["var"], 0.9 + 0.1 * h.var(0), atol=1e-6)


def test_running_statistics_elsewhere(tiny):
    """Without `train` they are used and stay: an image does not depend on the rest of the batch."""
    variables, z, *_ = tiny["tanh"]
    net = dcgan.Gen(Size.of(8), 2, "tanh", 3)
    run = jax.jit(lambda z: net.apply(variables, z, train=False, mutable=["batch_stats"]))
    images, new = run(z)
    jax.tree.map(np.testing.assert_array_equal, new["batch_stats"], variables["batch_stats"])
    others, _ = run(z.at[1:].set(0.0))
    np.testing.assert_allclose(images[0], others[0], atol=1e-6)
    assert np.abs(images[0] - tiny["tanh"][2][0]).max() > 0.01  # in train mode it does


@pytest.mark.parametrize(
    "layer", [layers.Conv(32), layers.ConvT(32, (8, 8))], ids=["Conv", "ConvT"]
)
@pytest.mark.parametrize(
    "name, sd",
    [
        ("xavier", math.sqrt(2 / (25 * (8 + 32)))),
        ("lecun", math.sqrt(1 / (25 * 8))),
        ("normal", 0.02),
    ],
    ids=["xavier", "lecun", "normal"],
)
def test_initialisers(layer, name, sd):
    """Fans count the kernel's area; the fan in of a transposed convolution is its input's, too."""
    layer = layer.clone(weights=layers.WeightOptions(name))
    variables = jax.jit(lambda: layer.init(jax.random.key(0), jnp.zeros((1, 4, 4, 8))))()
    kernel = np.asarray(variables["params"]["kernel"])
    assert abs(kernel.std() / sd - 1) < 0.03 and abs(kernel.mean() / sd) < 0.05
    if name == "xavier":
        assert 0.99 * math.sqrt(3) * sd < np.abs(kernel).max() <= math.sqrt(3) * sd * (1 + 1e-6)


# (net, size, colors, width): parameters of G and D
COUNTS = {
    # S2's tables. G: dense 100 * 6272 + BN 2 * 6272; 25 * 128 * 64 + 2 * 64; 25 * 64 + 1.
    # D: 25 * 64 + 64; 25 * 64 * 128 + 2 * 128; 6272 + 1.
    ("s2", 28, 1, 64): (627200 + 12544 + 204800 + 128 + 1601, 1664 + 204800 + 256 + 6273),
    # and a scale and an offset for the pixel, for D's first 64 maps (without their bias) and for
    # the logit
    ("s2_literal", 28, 1, 64): (
        627200 + 12544 + 204800 + 128 + 1601 + 2,
        1600 + 128 + 204800 + 256 + 6273 + 2,
    ),
    ("s2_prose", 28, 1, 64): (846273, 212993),
    ("mgan", 32, 3, 128): (
        12_544_131,
        4_198_411,
    ),  # ten generators; D with its classifier: the released code's
    ("dcgan", 32, 3, 128): (5_171_331, 4_115_457),  # Dist-GAN's code for CIFAR-10
}


@pytest.mark.parametrize("case", COUNTS)
def test_parameter_counts_of_families(case):
    net, size, colors, width = case
    hp, shape = (
        gan.Settings(net=net, width=width, z_dim=128 if net == "dcgan" else 100),
        base.DataSpec(size, colors),
    )
    mixture = net == "mgan"
    gen = base.build_generator(hp, shape, **({"n_gens": 10} if mixture else {}))
    disc = base.build_discriminator(hp, shape, n_classes=10 if mixture else 0)
    assert (probe.count(gen, (2, hp.z_dim)), probe.count(disc, (2, size, size, colors))) == COUNTS[
        case
    ]


def test_doubling_to_the_nearest_pixel_is_a_convolution_of_the_doubled_image():
    """The last layer of a generator without norms, computed from what comes before it."""
    fields = {"config": dcgan.DCGAN._replace(gen=lambda x: x), "norm": "none"}
    net = dcgan.Gen(Size.of(8), 2, "linear", 3, upsample="nearest", **fields)
    z = probe.noise(4, 5)
    variables = net.init(jax.random.key(0), z, train=False)
    assert set(variables["params"]) == {"Dense_0", "Conv_0"}
    h = nn.relu(z @ variables["params"]["Dense_0"]["kernel"]).reshape(4, 4, 4, 3)
    kernel = variables["params"]["Conv_0"]["kernel"]
    doubled = layers.upsample(h)
    expected = jax.lax.conv_general_dilated(
        doubled, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    np.testing.assert_allclose(net.apply(variables, z, train=False), expected, rtol=1e-4, atol=1e-5)


def test_doubling_to_the_nearest_pixel_reaches_odd_sides():
    hp = probe.settings(upsample="nearest", net="hdcgan")
    net = base.build_generator(hp, base.DataSpec(28, 3))  # 4 -> 7 -> 14 -> 28
    assert probe.shapes(net, (2, 5)) == (2, 28, 28, 3)
    kernels = probe.params(net, (2, 5))
    assert [kernels[f"Conv_{i}"]["kernel"].shape[:2] for i in range(3)] == [(3, 3)] * 3


def test_nets_without_a_choice_of_upsampling_refuse_it():
    hp = probe.settings(upsample="nearest", net="sngan")
    refusals = [text for applies, text in base.refusals(hp, base.DataSpec(32, 3), "") if applies]
    assert refusals == [
        "--upsample=nearest is for dcgan and its relatives, and not for --net=sngan; leave it out."
    ]
