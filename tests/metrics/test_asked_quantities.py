"""Whether generated images have the quantities that were asked for: the reader and its scores."""

import json

import numpy as np
import pytest

from gan_jax.data.types import Dataset
from gan_jax.metrics import asked_quantities
from gan_jax.metrics.features.classifier_training import Settings

NAMES = ("radius", "light")
QUICK = Settings(steps=150, batch=32, widths=(8, 16, 16))


def disks(n, seed):
    """Dataset of n disks of known radius and brightness."""
    rng = np.random.default_rng(seed)
    radius, light = rng.uniform(1.5, 6, n), rng.uniform(60, 255, n)
    y, x = np.mgrid[:16, :16] - 7.5
    inside = 1 / (1 + np.exp(3 * (np.hypot(x, y) - radius[:, None, None])))
    images = (light[:, None, None] * inside).astype(np.uint8)[..., None]
    values = np.stack([radius, light], 1).astype(np.float32)
    return Dataset(images, None, (), "disks", f"disks-{n}-{seed}", values=values, quantities=NAMES)


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAN_JAX_CACHE", str(tmp_path_factory.mktemp("cache")))
        first = asked_quantities.load(disks(1500, 0), disks(200, 1), QUICK)
        again = asked_quantities.load(disks(1500, 0), disks(200, 1), QUICK)
    images = disks(20, 2).images
    np.testing.assert_array_equal(first.read(images), again.read(images))
    assert first.name == again.name
    return first


def test_it_reads_what_is_there(reader):
    data = disks(300, 3)
    read = reader.read(data.images)
    for i in range(2):
        assert np.corrcoef(read[:, i], data.values[:, i])[0, 1] > 0.97
    assert reader.real.shape == reader.read_of_real.shape == (200, 2)
    np.testing.assert_array_equal(np.sort(reader.real, 0), np.sort(disks(200, 1).values, 0))


def test_real_images_are_what_they_are_asked_and_shuffled_ones_not(reader):
    data = disks(400, 4)
    record = asked_quantities.score_asked(reader, data.images, data.values, NAMES, 0)
    for name in NAMES:
        own = record["by_quantity"][name]
        assert own["correlation"] > 0.97 and own["correlation_real"] > 0.97
        assert own["error"] < 0.5 and abs(own["correlation_shuffled"]) < 0.2
        assert own["error_shuffled"] == pytest.approx(2**0.5, abs=0.4)
    rows = asked_quantities.table_rows(record)
    assert rows[0][:4] == ["quantity", "correlation", "correlation, real", "correlation, shuffled"]
    assert [row[0] for row in rows[1:]] == list(NAMES)
    summary = asked_quantities.summary_text(record)
    assert "radius 0.9" in summary or "radius 1.00" in summary


def test_scores_are_those_of_their_formulas(reader):
    data = disks(50, 5)
    asked = data.values * np.float32(1.5)
    own = asked_quantities.score_asked(reader, data.images, asked, NAMES, 0)["by_quantity"]
    read = reader.read(data.images)
    for i, name in enumerate(NAMES):
        a, b = read[:, i], asked[:, i].astype(np.float64)
        spread = reader.real[:, i].std()
        assert own[name]["error"] == pytest.approx(np.sqrt(((a - b) ** 2).mean()) / spread)
        a, b = a - a.mean(), b - b.mean()
        expected = (a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum())
        assert own[name]["correlation"] == pytest.approx(expected)


def test_one_value_for_all_has_no_correlation(reader):
    data = disks(20, 6)
    asked = np.tile(data.values[:1], (20, 1))
    own = asked_quantities.score_asked(reader, data.images, asked, NAMES, 0)["by_quantity"]
    assert own["radius"]["correlation"] is None and own["radius"]["error"] > 0


def test_an_error_needs_a_spread_of_real_values(reader):
    """As of a rare yes that no held-out image has."""
    data, real = disks(20, 6), reader.real.copy()
    real[:, 0] = 3
    record = asked_quantities.score_asked(
        reader._replace(real=real), data.images, data.values, NAMES, 0
    )
    own = record["by_quantity"]
    assert own[NAMES[0]]["error"] is None and own[NAMES[1]]["error"] > 0
    assert json.dumps(record, allow_nan=False)
    assert asked_quantities.table_rows(record)[1][4] == "-"


def test_the_score_of_a_row_is_the_mean_over_quantities_that_have_one():
    own = {"correlation": 0.5, "correlation_real": 0.75}
    alike = {"correlation": None, "correlation_real": 0.25}
    made, real = asked_quantities.row_scores({"by_quantity": {"a": own, "b": alike}})
    assert made == {"asked_correlation": 0.5} and real == {"asked_correlation": 0.5}
    assert asked_quantities.row_scores({"by_quantity": {"b": alike}})[0] == {}
