"""The search for nearest neighbours, against the differences themselves."""

import numpy as np
import pytest

from gan_jax.metrics import nearest_neighbours
from gan_jax.metrics.nearest_neighbours import find_nearest
from tests.metrics.helpers import normal_points


def brute_force(queries, pool, k, own=None):
    """Return rows, and root mean squared differences in float64."""
    gaps = queries.reshape(len(queries), 1, -1).astype(np.float64) - pool.reshape(1, len(pool), -1)
    squares = (gaps**2).sum(2)
    if own is not None:
        squares[np.flatnonzero(own >= 0), own[own >= 0]] = np.inf
    order = np.argsort(squares, 1, kind="stable")[:, :k]
    return order, np.sqrt(np.take_along_axis(squares, order, 1) / gaps.shape[2])


@pytest.mark.parametrize("floats", [2**23, 5000])  # one block; many blocks of a few images
def test_images_exactly(floats, monkeypatch):
    """Noise of all grey levels, 3,072 values an image (three exact sums), duplicates, extremes."""
    monkeypatch.setattr(nearest_neighbours, "_BLOCK_FLOATS", floats)
    rng = np.random.default_rng(0)
    pool = rng.integers(0, 256, (150, 32, 32, 3), np.uint8)
    pool[7], pool[8], pool[70] = 0, 255, pool[3]
    queries = np.concatenate([pool[:20], rng.integers(0, 256, (15, 32, 32, 3), np.uint8)])
    own = np.append(np.arange(20), np.full(15, -1))
    rows, distances = brute_force(queries, pool, 5, own)
    found = find_nearest(queries, pool, 5, own=own)
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_array_equal(found.distances, distances)
    assert not (found.rows == own[:, None]).any()
    # A duplicate is not the image itself.
    assert found.rows[3, 0] == 70 and found.distances[3, 0] == 0


@pytest.mark.parametrize("floats", [2**23, 300])
def test_features(floats, monkeypatch):
    monkeypatch.setattr(nearest_neighbours, "_BLOCK_FLOATS", floats)
    pool = normal_points(200, 1, 6) + np.float32(100)
    rows, distances = brute_force(pool[:30], pool, 4, np.arange(30))
    found = find_nearest(pool[:30], pool, 4, own=np.arange(30))
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_allclose(found.distances, distances * np.sqrt(6), rtol=1e-12)
    np.testing.assert_array_equal(find_nearest(pool, pool, 1).distances, 0)


def test_part_of_a_pool_and_pools_smaller_than_k():
    rng = np.random.default_rng(0)
    pool, queries = (rng.integers(0, 256, (n, 8, 8, 3), np.uint8) for n in (50, 9))
    part = np.arange(3, 50, 4)
    rows, distances = brute_force(queries, pool[part], 5)
    found = find_nearest(queries, pool, 5, rows=part)
    np.testing.assert_array_equal(found.rows, part[rows])
    np.testing.assert_array_equal(found.distances, distances)
    assert find_nearest(queries, pool[:3], 5).rows.shape == (9, 3)


def test_distance_ratio():
    distances = np.array([[0.0, 2.0], [1.0, 4.0], [3.0, 3.0], [0.0, 0.0]])
    found = nearest_neighbours.Neighbours(np.zeros((4, 2), int), distances)
    np.testing.assert_array_equal(nearest_neighbours.distance_ratio(found), [0, 0.25, 1, 1])


@pytest.mark.parametrize("n", [90, 333])
def test_equal_distances_in_the_order_of_the_pool(n):
    """Of few grey levels, so that most of many distances are equal, in and across groups."""
    rng = np.random.default_rng(n)
    pool = rng.integers(0, 2, (n, 2, 2, 1)).astype(np.uint8)
    rows, distances = brute_force(pool, pool, 5, np.arange(n))
    found = find_nearest(pool, pool, 5, own=np.arange(n))
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_array_equal(found.distances, distances)
