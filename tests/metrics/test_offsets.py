"""Metrics of features far from 0: what does not depend on an offset keeps its value."""

from fractions import Fraction

import numpy as np
import pytest

from gan_jax.metrics import class_accuracy, kernel, ndb
from gan_jax.metrics.frechet import frechet_distance
from gan_jax.metrics.nearest_neighbours import find_nearest
from gan_jax.metrics.precision_recall import prdc
from tests.metrics.helpers import normal_points

OFFSETS = [1000, -10_000]


def grid_points(n, seed, dim=6, shift=0.0):
    """Normal points on a grid of 1/32, which float32 holds exactly, far from 0 too."""
    return (np.round(normal_points(n, seed, dim, shift) * 32) / 32).astype(np.float32)


REAL, FAKE = grid_points(400, 0), grid_points(300, 1, shift=0.2)


def neighbours(real, fake):
    found = find_nearest(fake, real, 5)
    return {"rows": found.rows.tolist(), "distances": found.distances.tolist()}


def of_one_class(real, fake):
    probs, labels = np.ones((300, 1)), np.zeros(300, int)
    views = ({"features": x[:300], "probs": probs} for x in (fake, real, real[100:]))
    generated, pool, other = views
    record = class_accuracy.score_classes(generated, labels, pool, labels, (other, labels))
    return {name: value for name, value in record.items() if value is not None}


@pytest.mark.parametrize(
    "score",
    [ndb.ndb, prdc, neighbours, of_one_class, lambda a, b: {"frechet": frechet_distance(a, b)}],
    ids=["ndb", "prdc", "neighbours", "classes", "frechet"],
)
@pytest.mark.parametrize("offset", OFFSETS)
def test_an_offset_changes_nothing(score, offset):
    plain, moved = (score(*(x + np.float32(by) for x in (REAL, FAKE))) for by in (0, offset))
    for name, value in plain.items():
        np.testing.assert_allclose(moved[name], value, rtol=1e-7, err_msg=name)


@pytest.mark.parametrize("offset", OFFSETS)
def test_every_image_is_in_the_bin_of_its_nearest_centre(offset):
    """Also where generated images are far from the real ones."""
    real = REAL + np.float32(offset)
    centers = ndb.kmeans(real, 15)
    for x in (real, FAKE + np.float32(offset), FAKE):
        gaps = x[:, None].astype(np.float64) - centers
        np.testing.assert_array_equal(ndb.assign_bins(x, centers), (gaps**2).sum(2).argmin(1))


def test_bins_do_not_depend_on_the_unit():
    """Squares of such features overflow in float32."""
    expected = ndb.ndb(REAL, FAKE)
    for unit in (2.0**-100, 2.0**100):
        assert ndb.ndb(*(x * np.float32(unit) for x in (REAL, FAKE))) == expected


@pytest.mark.parametrize("offset", OFFSETS)
def test_kernel_distance_in_exact_fractions(offset):
    """It does depend on an offset."""
    sets = [x[:12, :3] + np.float32(offset) for x in (REAL, FAKE)]
    x, y = ([[Fraction(float(v)) for v in row] for row in z] for z in sets)

    def k(a, b):
        return (sum(p * q for p, q in zip(a, b, strict=True)) / 3 + 1) ** 3

    within = sum(k(z[i], z[j]) for z in (x, y) for i in range(12) for j in range(12) if i != j)
    exact = within / (12 * 11) - 2 * sum(k(a, b) for a in x for b in y) / 144
    assert kernel.mmd2(*sets) == pytest.approx(float(exact), rel=1e-5)
