"""Quantities as conditions: weights of nodes, what is drawn, and the vicinity of a value."""

import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.core import quantities
from gan_jax.core.method import make_context
from gan_jax.errors import InputError
from gan_jax.methods import gan
from tests import methods_small

VALUES = np.random.default_rng(1).lognormal(0, 2, (300, 2)).astype(np.float32)
FOUND = quantities.measure(("mass", "redshift"), VALUES)


def test_nodes_are_quantiles_from_the_least_to_the_largest():
    for nodes, column in zip(FOUND.nodes, VALUES.T, strict=True):
        assert len(nodes) == quantities.N_NODES and list(nodes) == sorted(nodes)
        assert nodes[0] == column.min() and nodes[-1] == column.max()
        assert nodes[4] == np.float32(np.quantile(column, 0.5))


def test_a_value_is_the_mean_of_its_nodes_under_the_weights():
    weights = np.asarray(quantities.to_weights(VALUES, FOUND.nodes), np.float64)
    blocks = np.split(weights, 2, axis=1)
    for block, nodes, column in zip(blocks, FOUND.nodes, VALUES.T, strict=True):
        np.testing.assert_allclose(block.sum(1), 1, atol=1e-6)
        assert (block >= -1e-6).all() and ((block > 1e-5).sum(1) <= 2).all()
        np.testing.assert_allclose(block @ np.array(nodes), column, rtol=1e-4, atol=1e-4)


def test_weights_are_those_of_brute_force():
    nodes = ((0.0, 1.0, 4.0),)
    y = np.array([[-3], [0], [0.25], [1], [3.25], [4], [9]], np.float32)
    expected = [[1, 0, 0], [1, 0, 0], [0.75, 0.25, 0], [0, 1, 0], [0, 0.25, 0.75]]
    expected += [[0, 0, 1], [0, 0, 1]]
    np.testing.assert_allclose(quantities.to_weights(y, nodes), expected, atol=1e-6)


def test_they_survive_json():
    assert quantities.from_dict(json.loads(json.dumps(FOUND.to_dict()))) == FOUND
    assert quantities.from_dict(None) == quantities.Quantities()


def test_draws_are_as_frequent_as_in_the_data():
    drawn = np.asarray(quantities.draw(jax.random.key(0), 20_000, FOUND))
    rows = {tuple(row) for row in VALUES.tolist()}
    assert all(tuple(row) in rows for row in drawn.tolist())
    for a, b in zip(drawn.T, VALUES.T, strict=True):
        levels = np.linspace(0.1, 0.9, 9)
        shares = (a[:, None] <= np.quantile(b, levels)).mean(0)
        np.testing.assert_allclose(shares, levels, atol=0.02)


def test_examples_of_many_images_span_them():
    values = np.random.default_rng(0).normal(size=(5000, 1)).astype(np.float32)
    found = quantities.measure(("x",), values)
    assert len(found.examples) == quantities.N_EXAMPLES and found.n == 5000
    assert found.examples[0][0] == values.min() and found.examples[-1][0] == values.max()
    shown = quantities.shown(found)
    assert len(shown) == 9 and list(shown) == sorted(shown)


def test_equal_values_are_refused_by_name():
    with pytest.raises(InputError, match="redshift is 2 in all"):
        quantities.measure(("mass", "redshift"), np.array([[1, 2], [3, 2]], np.float32))


def test_the_vicinity_is_the_rule_of_thumb():
    one = quantities.measure(("x",), VALUES[:, :1])
    sd = VALUES[:, 0].std(dtype=np.float64)
    assert quantities.vicinity(one) == pytest.approx([(4 * sd**5 / (3 * 300)) ** 0.2])
    two = [300 ** (-1 / 6) * s for s in VALUES.std(0, dtype=np.float64)]
    assert quantities.vicinity(FOUND) == pytest.approx(two)


def test_images_and_moved_values_are_distributed_as_the_soft_vicinal_estimate():
    """Near a value, real images are weighted by a Gaussian of the distance of theirs from it."""
    method = methods_small.build("cgan_quantities")
    widths = [2 * w for w in quantities.vicinity(methods_small.QUANTITIES)]
    ctx, vs = make_context(method), None
    generate = method.players[0].loss.keywords["head"].generate
    assert generate.keywords["widths"] == pytest.approx(widths)
    n = 40_000
    of_image = np.repeat([[1.0, 2.0], [1.5, 2.0]], n // 2, 0).astype(np.float32)  # two images

    def moved(key):
        batch = {"image": jnp.zeros((n, 1)), "quantities": jnp.asarray(of_image)}
        return generate(ctx, vs, key, batch)[0][1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gan.base, "generate", lambda ctx, vs, key, n, y: (y, vs))
        y = np.asarray(moved(jax.random.key(3)))
    asked = np.array([1.4, 2.0])
    near = (np.abs(y - asked) < 0.1 * np.array(widths)).all(1)
    share = (of_image[near, 0] == 1.0).mean()
    weights = [math.exp(-0.5 * ((asked[0] - v) / widths[0]) ** 2) for v in (1.0, 1.5)]
    assert near.sum() > 200
    error = 4 * (0.25 / near.sum()) ** 0.5
    assert share == pytest.approx(weights[0] / sum(weights), abs=error)


def test_vicinity_needs_quantities():
    hp = gan.Settings(vicinity=1.0)
    with pytest.raises(InputError, match="--vicinity=1.0 is for --condition=quantities"):
        gan.check(hp, methods_small.SHAPE)


def test_data_without_quantities_are_refused():
    hp = gan.Settings(condition="quantities")
    spec = methods_small.SHAPE._replace(quantities=quantities.Quantities())
    with pytest.raises(InputError, match="--labels=FILE:COLUMN"):
        gan.check(hp, spec)
