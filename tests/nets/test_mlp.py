"""Perceptrons: sizes as published or counted in released code, mixtures, maxout, dropout."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.methods import base
from gan_jax.nets import layers, mlp
from gan_jax.settings import Size
from tests.nets import probe

MNIST = base.DataSpec(28, 1)
FAMILIES = {
    "plain": mlp.PLAIN,
    "keras": mlp.KERAS,
    "maxout": mlp.MAXOUT,
    "cgan": mlp.CGAN,
    "ali": mlp.ALI,
}


def test_parameter_counts_of_plain():
    """DRAGAN's notebook; Dist-GAN's 2-D toy; its 1-D toy. The notebook has no encoder."""
    assert probe.counts(mlp.PLAIN, MNIST, width=128, depth=1, z_dim=100)[:2] == (114_064, 100_609)
    assert probe.counts(mlp.PLAIN, base.DataSpec(1, 2), width=128, depth=3, z_dim=2) == (
        33_666,
        33_537,
        33_666,
    )
    assert probe.counts(mlp.PLAIN, base.DataSpec(1, 1), width=4, depth=1, z_dim=1) == (13, 13, 13)


def test_parameter_counts_of_others():
    # G: (100 256 + 256) + 512 + (256 512 + 512) + 1024 + (512 1024 + 1024) + 2048
    #    + (1024 784 + 784), norms in between.
    # D: (784 512 + 512) + (512 256 + 256) + 257. The public script prints the same two.
    assert probe.counts(mlp.KERAS, MNIST, width=256, z_dim=100)[:2] == (1_489_936, 533_505)
    # G: (100 1200 + 1200) + (1200 1200 + 1200) + (1200 784 + 784).
    # D: (784 1200 + 1200) + (240 1200 + 1200) + 241.
    assert probe.counts(mlp.MAXOUT, MNIST, width=240, z_dim=100)[:2] == (2_503_984, 1_231_441)
    # G: (100 200 + 200) + (10 1000 + 1000) + (1200 1200 + 1200) + (1200 784 + 784).
    # D: (784 1200 + 1200) + (10 250 + 250) + (290 960 + 960) + 241.
    assert probe.counts(mlp.CGAN, MNIST, cond=[(2, 10)], width=240, z_dim=100)[:2] == (
        2_413_984,
        1_224_351,
    )
    # G: 2 400 + 3 400 400 + 4 800 + (400 2 + 2), without biases before the norms.
    # D: (2 1000 + 1000) + 2 (200 1000 + 1000) + 201.
    points = base.DataSpec(1, 2)
    assert probe.counts(mlp.ALI, points, width=400, z_dim=2)[0] == 484_802
    assert probe.counts(mlp.ALI, points, width=200, z_dim=2)[1] == 405_201


@pytest.mark.parametrize(
    "shape", [base.DataSpec(8, 3), base.DataSpec(1, 2)], ids=["images", "points"]
)
@pytest.mark.parametrize("name", FAMILIES)
def test_shapes(name, shape):
    """The settings' smallest width; features are the last hidden layer."""
    family, hp, image = (
        FAMILIES[name],
        probe.settings(width=1),
        (4, shape.size, shape.size, shape.colors),
    )
    cond = [(4, 3)] if family.reads_condition else []
    assert probe.shapes(family.gen(hp, shape, probe.WEIGHTS), (4, 5), *cond) == image
    assert probe.shapes(family.enc(hp, shape, probe.WEIGHTS), image) == (4, 5)
    out = probe.shapes(family.disc(hp, shape, probe.WEIGHTS), image, *cond)
    assert (out.logit, out.features, out.classes) == ((4,), (4, 1), None)
    assert probe.shapes(family.disc(hp, shape, probe.WEIGHTS, 7), image, *cond).classes == (4, 7)


@pytest.mark.parametrize("name", FAMILIES)
def test_features_are_the_last_hidden_layer(name):
    """The logit is an affine map of them, dropout included."""
    family, x = FAMILIES[name], probe.noise(4, 6, 6, 1)
    inputs = (x, probe.noise(4, 3)) if family.reads_condition else (x,)
    net = family.disc(probe.settings(), base.DataSpec(6, 1), probe.WEIGHTS)
    variables = probe.variables(net, *inputs)
    out, _ = probe.train(net, variables, *inputs)
    head = variables["params"][
        max((n for n in variables["params"] if n.startswith("Dense")), key=lambda n: int(n[6:]))
    ]
    np.testing.assert_allclose(
        out.logit, (out.features @ head["kernel"] + head["bias"])[:, 0], rtol=1e-5, atol=1e-7
    )
    assert head["kernel"].shape == (8, 1) and np.ptp(out.logit) > 0


@pytest.mark.parametrize(
    "pixels, low, high", [("tanh", -1, 1), ("sigmoid", 0, 1), ("linear", -np.inf, np.inf)]
)
def test_ranges(pixels, low, high):
    """At noise so large that all but points saturate."""
    net = mlp.PLAIN.gen(probe.settings(pixels=pixels), base.DataSpec(1, 2), probe.WEIGHTS)
    z = 50 * probe.noise(20, 5)
    x, _ = probe.train(net, probe.variables(net, z), z)
    assert low <= x.min() < 0.1 and 0.9 < x.max() <= high
    assert (np.abs(x).max() > 5) == (pixels == "linear")


def test_plain_against_numpy():
    net = mlp.PLAIN.disc(probe.settings(depth=2), base.DataSpec(2, 1), probe.WEIGHTS)
    x = probe.noise(3, 2, 2, 1)
    variables = probe.variables(net, x)
    p, h = variables["params"], x.reshape(3, 4)
    for i in range(2):
        h = np.maximum(h @ p[f"Dense_{i}"]["kernel"] + p[f"Dense_{i}"]["bias"], 0)
    np.testing.assert_allclose(probe.run(net, variables, x).features, h, rtol=1e-5, atol=1e-6)


def test_keras_order():
    """BatchNorm after LeakyReLU 0.2, with a decay of 0.8; none where the settings say so."""
    net, z = mlp.KERAS.gen(probe.settings(), base.DataSpec(2, 1), probe.WEIGHTS), probe.noise(16, 5)
    variables = probe.variables(net, z)
    _, new = probe.train(net, variables, z)
    h = z @ variables["params"]["hidden_0"]["kernel"] + variables["params"]["hidden_0"]["bias"]
    np.testing.assert_allclose(
        new["norm_0"]["mean"], 0.2 * np.where(h > 0, h, 0.2 * h).mean(0), rtol=1e-4, atol=1e-6
    )
    assert "norm_0" not in probe.params(
        mlp.KERAS.gen(probe.settings(gen_norm="none"), base.DataSpec(2, 1), probe.WEIGHTS), (2, 5)
    )


def test_ali_order():
    """BatchNorm before ReLU, with a decay of 0.95; no bias but the norm's; no dropout in D."""
    net, z = mlp.ALI.gen(probe.settings(), base.DataSpec(1, 2), probe.WEIGHTS), probe.noise(16, 5)
    variables = probe.variables(net, z)
    out, new = probe.train(net, variables, z)
    p, h = variables["params"], z
    assert set(p["hidden_0"]) == {"kernel"} and set(p["out"]) == {"kernel", "bias"}
    for i in range(4):
        h = h @ np.asarray(p[f"hidden_{i}"]["kernel"])
        if i == 0:
            np.testing.assert_allclose(new["norm_0"]["mean"], 0.05 * h.mean(0), rtol=1e-3)
        norm = p[f"norm_{i}"]
        h = (h - h.mean(0)) / np.sqrt(h.var(0) + 1e-5)
        h = np.maximum(h * norm["scale"] + norm["bias"], 0)
    want = h @ p["out"]["kernel"] + p["out"]["bias"]
    np.testing.assert_allclose(np.tanh(want), out.reshape(16, 2), rtol=1e-3, atol=1e-5)
    disc, x = mlp.ALI.disc(probe.settings(), base.DataSpec(1, 2), probe.WEIGHTS), z[:, :2]
    x = x.reshape(-1, 1, 1, 2)
    variables = probe.variables(disc, x)
    one, _ = probe.train(disc, variables, x)
    np.testing.assert_allclose(one.logit, probe.run(disc, variables, x).logit, rtol=1e-5)
    assert one.features.shape == (16, 8)


@pytest.mark.parametrize("name", ["maxout", "cgan"])
def test_initialisers(name):
    """Those of the sources, not of the settings; spectral norm is that of the settings."""
    hp, shape, weights = (
        probe.settings(),
        base.DataSpec(8, 1),
        layers.WeightOptions("he", spectral=True),
    )
    for build, limit in (FAMILIES[name].gen, 0.05), (FAMILIES[name].disc, 0.005):
        net = build(hp, shape, weights)
        kernel = np.asarray(net.weights.init(jax.random.key(0), (100, 100)))
        assert 0.99 * limit < -kernel.min() <= limit and 0.99 * limit < kernel.max() <= limit
        np.testing.assert_allclose(kernel.std(), limit / np.sqrt(3), rtol=0.02)
        assert net.weights.spectral


def test_maxout_against_numpy():
    net, x = mlp.MaxoutDisc(3), probe.noise(4, 3, 3, 1)
    variables = probe.variables(net, x)
    p, h = variables["params"], x.reshape(4, 9)
    for i in range(2):
        pieces = h @ np.asarray(p[f"Dense_{i}"]["kernel"]) + np.asarray(p[f"Dense_{i}"]["bias"])
        h = np.stack([[pieces[b, 5 * u : 5 * u + 5].max() for u in range(3)] for b in range(4)])
    out = probe.run(net, variables, x)
    np.testing.assert_allclose(out.features, h, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(
        out.logit, (h @ p["Dense_2"]["kernel"] + p["Dense_2"]["bias"])[:, 0], rtol=1e-5, atol=1e-7
    )


@pytest.mark.parametrize(
    "net, inputs",
    [
        (mlp.MaxoutDisc(8), [(4, 4, 4, 1)]),
        (mlp.CondGen(Size(4, 4), 1, "sigmoid", 8), [(4, 5), (4, 3)]),
        (mlp.CondDisc(8), [(4, 4, 4, 1), (4, 3)]),
    ],
    ids=["maxout", "cgan_gen", "cgan_disc"],
)
def test_dropout(net, inputs):
    """Acts in training only, and differs between keys; half of the features are zeros."""
    inputs = [probe.noise(*shape) for shape in inputs]
    variables = probe.variables(net, *inputs)
    one, same, other = (probe.train(net, variables, *inputs, key=k)[0] for k in (0, 0, 1))
    still = probe.run(net, variables, *inputs)
    if hasattr(one, "features"):
        assert 0.25 < (one.features == 0).mean() < 0.75 and (still.features != 0).all()
        one, same, other, still = one.logit, same.logit, other.logit, still.logit
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0 and np.abs(one - still).max() > 0


def test_cgan_reads_the_condition():
    hp, shape, cond = probe.settings(), base.DataSpec(4, 1), jnp.eye(4)
    for net, x in (
        (mlp.CGAN.gen(hp, shape, probe.WEIGHTS), jnp.ones((4, 5))),
        (mlp.CGAN.disc(hp, shape, probe.WEIGHTS), jnp.ones((4, 4, 4, 1))),
    ):
        out = jax.tree.leaves(probe.run(net, probe.variables(net, x, cond), x, cond))[0].reshape(
            4, -1
        )
        assert np.abs(np.diff(out, axis=0)).max(1).min() > 0
        with pytest.raises(TypeError):
            net.init(jax.random.key(0), x, train=False)


@pytest.mark.parametrize("name", ["plain", "keras", "maxout", "ali"])
def test_mixture(name):
    """Every third row from k on is that of generator k alone; `which` picks the same rows.

    All layers but the first are shared.
    """
    hp, shape, z = probe.settings(depth=2), base.DataSpec(2, 1), probe.noise(4, 5)
    net = FAMILIES[name].gen(hp, shape, probe.WEIGHTS, n_gens=3)
    alone = FAMILIES[name].gen(hp, shape, probe.WEIGHTS)
    variables = probe.variables(net, z)
    assert set(variables["params"]["private"]) == (
        {"hidden_0", "norm_0"} if name in ("keras", "ali") else {"hidden_0"}
    )
    images = probe.run(net, variables, z)
    assert images.shape == (12, 2, 2, 1)
    for k in range(3):
        own = {
            c: {**tree, **jax.tree.map(lambda a, k=k: jnp.take(a, k, axis=-2), tree["private"])}
            for c, tree in variables.items()
        }
        np.testing.assert_allclose(images[k::3], probe.run(alone, own, z), rtol=1e-5, atol=1e-6)
    assert np.abs(images[0::3] - images[1::3]).max() > 1e-4
    which = jnp.array([2, 0, 1, 2])
    picked = probe.run(net, variables, z, which=which)
    np.testing.assert_allclose(picked, images[3 * jnp.arange(4) + which], rtol=1e-5, atol=1e-6)
    assert probe.train(net, variables, z)[0].shape == (12, 2, 2, 1)
