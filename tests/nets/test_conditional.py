"""Conditions: classes and attributes become vectors, and vectors enter nets."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.nets import conditional, dcgan
from gan_jax.settings import Size

CELEBA = ("not-Male not-Smiling", "not-Male Smiling", "Male not-Smiling", "Male Smiling")
KEY = jax.random.key(0)


def test_vectors():
    y = jnp.array([2, 0, -1])
    np.testing.assert_array_equal(
        conditional.condition_vectors(y, 3), [[0, 0, 1], [1, 0, 0], [0, 0, 0]]
    )
    table = conditional.attributes(CELEBA)
    assert table == ((-1, -1), (-1, 1), (1, -1), (1, 1))
    np.testing.assert_array_equal(
        conditional.condition_vectors(jnp.array([3, 1, -1]), 4, table), [[1, 1], [-1, 1], [0, 0]]
    )
    code = jnp.array([[0.5, -1.0]])
    assert conditional.condition_vectors(code, 4) is code


@pytest.mark.parametrize("classes", [("cat", "not-dog"), ("red car", "car red"), ("a b", "a"), ()])
def test_names_that_are_not_attributes(classes):
    assert conditional.attributes(classes) is None


def generator(mode):
    net = conditional.Gen(dcgan.Gen(Size.of(16), 1, "tanh", 2), mode, 3)
    z, y = jax.random.normal(KEY, (4, 5)), jnp.array([0, 1, 2, 1])
    return net, net.init(KEY, z, y, train=False), z, y


@pytest.mark.long
@pytest.mark.parametrize("mode", ["concat", "product", "batchnorm"])
def test_generator_depends_on_its_condition(mode):
    net, variables, z, y = generator(mode)
    if mode == "batchnorm":  # its slopes begin at 0
        variables["params"] = jax.tree.map(
            lambda a: a + 0.1 * jax.random.normal(KEY, a.shape), variables["params"]
        )
    out = net.apply(variables, z, y, train=False)
    assert out.shape == (4, 16, 16, 1)
    other = net.apply(variables, z, y.at[0].set(2), train=False)
    assert not np.allclose(out[0], other[0]) and np.array_equal(out[1:], other[1:])


def test_product_multiplies_noise_by_a_row_of_the_embedding():
    net, variables, z, y = generator("product")
    table = variables["params"]["embed"]["kernel"]
    inner = {"params": variables["params"]["net"], "batch_stats": variables["batch_stats"]["net"]}
    expected = dcgan.Gen(Size.of(16), 1, "tanh", 2).apply(inner, z * table[y], train=False)
    np.testing.assert_allclose(net.apply(variables, z, y, train=False), expected, atol=1e-6)


def discriminator(mode):
    net = conditional.Disc(dcgan.Disc(Size.of(16), 2), mode, 3)
    x, y = jax.random.normal(KEY, (4, 16, 16, 1)), jnp.array([0, 1, 2, -1])
    return net, net.init(KEY, x, y, train=False), x, y


@pytest.mark.long
def test_projection_adds_the_class_row_times_the_features():
    """Miyato and Koyama 2018, eq. 3; nothing where the class is unknown."""
    net, variables, x, y = discriminator("projection")
    table = np.asarray(variables["params"]["embed"]["kernel"])
    inner = {"params": variables["params"]["net"], "batch_stats": variables["batch_stats"]["net"]}
    plain = dcgan.Disc(Size.of(16), 2).apply(inner, x, train=False)
    rows = np.vstack([table[[0, 1, 2]], np.zeros((1, table.shape[1]))])
    expected = plain.logit + (rows * plain.features).sum(1)
    np.testing.assert_allclose(
        net.apply(variables, x, y, train=False).logit, expected, rtol=1e-4, atol=1e-5
    )


def test_concat_adds_a_plane_to_the_image():
    net, variables, x, y = discriminator("concat")
    plane = np.asarray(variables["params"]["embed"]["kernel"])[[0, 1, 2]].reshape(3, 16, 16, 1)
    inner = {"params": variables["params"]["net"], "batch_stats": variables["batch_stats"]["net"]}
    image = jnp.concatenate([x, np.concatenate([plane, np.zeros((1, 16, 16, 1))])], -1)
    expected = dcgan.Disc(Size.of(16), 2).apply(inner, image, train=False).logit
    np.testing.assert_allclose(net.apply(variables, x, y, train=False).logit, expected, rtol=1e-5)


@pytest.mark.long
def test_every_combination_of_attributes_leaves_noise_to_a_product():
    """Also the one with none of them: only an unknown class is the zero vector."""
    inner, table = dcgan.Gen(Size.of(16), 1, "tanh", 2), conditional.attributes(CELEBA)
    net = conditional.Gen(inner, "product", 4, table)
    z, y = jax.random.normal(KEY, (8, 5)), jnp.arange(8) % 4
    out = np.asarray(net.apply(net.init(KEY, z, y, train=False), z, y, train=False))
    assert all(not np.allclose(out[k], out[k + 4]) for k in range(4))
