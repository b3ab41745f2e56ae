import numpy as np

from gan_jax.metrics import controls, scoring
from gan_jax.metrics.features import Extractor
from tests.metrics.helpers import make_dataset


def test_the_floor_without_heldout_images_uses_disjoint_training_images(monkeypatch):
    """Every image has its own grey level, so shared images would show."""
    images = np.tile(np.arange(100, dtype=np.uint8)[:, None, None, None], (1, 4, 4, 3))
    real = make_dataset(images)

    def apply(x):
        return x[:, :1, 0, 0].astype(np.float32), None

    evaluator = scoring.make_evaluator(Extractor("grey", None, None, (), apply), real, "frechet")

    def floor(n):
        reference, rows = controls.choose_reference(evaluator, real, 0)
        np.testing.assert_array_equal(reference["features"][:, 0], rows)
        words, pairs = controls.floor_pairs(evaluator, real, None, reference, rows, n, 2, 0)
        return words, [(a["features"], b["features"]) for a, b in pairs]

    words, pairs = floor(70)
    assert words == "disjoint parts of the training images"
    for a, b in pairs:
        assert len(a) == len(b) == 50
        assert len(np.union1d(a, b)) == 100
    assert not np.array_equal(pairs[0][1], pairs[1][1])

    monkeypatch.setattr(controls, "MAX_REFERENCE", 60)
    words, pairs = floor(30)
    assert words == "other training images"
    for a, b in pairs:
        assert (len(a), len(b), len(np.union1d(a, b))) == (60, 30, 90)


def test_the_collapsed_control_repeats_a_few_images():
    reference = {"features": np.arange(20.0)[:, None]}
    words, views = controls.collapsed_control(reference, 30, 0)
    assert words == "8 training images, repeated"
    assert len(views["features"]) == 30 and len(np.unique(views["features"])) <= 8
