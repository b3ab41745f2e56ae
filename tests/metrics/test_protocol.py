import numpy as np
import pytest

from gan_jax.metrics import protocol
from tests.metrics.helpers import normal_points


def features(seed=0):
    return normal_points(200, seed, 3)


BASE = {
    "data": "folder:a",
    "digest": "d1",
    "split": "train",
    "size": 32,
    "n_real": 200,
    "n_fake": 100,
    "net": "classifier-1",
    "n_features": 3,
    "resize": "none",
    "seed": 0,
    "drawn_by": "content",
    "floor": "held-out images",
    "ema": True,
    "sample_stats": "running",
    "reference": protocol.fingerprint(features()),
}


def test_equal_protocols_may_share_a_table():
    assert protocol.differences(BASE, dict(BASE)) == []
    # The same content in another place.
    assert protocol.differences(BASE, BASE | {"repeats": 9, "data": "folder:elsewhere"}) == []
    # How a generator samples is its own: no other evaluation would make the two alike.
    assert protocol.differences(BASE, BASE | {"sample_stats": "batch"}) == []


@pytest.mark.parametrize("name", [name for name in protocol.COMPARED_FIELDS if name != "data"])
def test_every_difference_is_named(name):
    differences = protocol.differences(BASE, BASE | {name: "other"})
    assert differences == [f"{protocol.COMPARED_FIELDS[name]}: {BASE[name]}, other"]


def test_records_from_before_images_were_drawn_by_content():
    """They share a table with each other, and not with later ones."""
    old = {name: value for name, value in BASE.items() if name != "drawn_by"}
    assert protocol.differences(old, dict(old)) == []
    assert protocol.differences(old, BASE) == ["images drawn by: place in the data, content"]


def test_other_data_are_named_once():
    other = BASE | {"data": "folder:b", "digest": "d2"}
    assert protocol.differences(BASE, other) == ["data: folder:a, folder:b"]


def test_what_no_evaluation_mends_is_told_apart():
    """Images of another size have another digest, which is no difference of its own."""
    sized = BASE | {"size": 64, "digest": "d2", "n_fake": 3}
    assert protocol.training_differences(BASE, sized) == [f"image size: {BASE['size']}, 64"]
    other = BASE | {"data": "folder:b", "digest": "d2"}
    assert protocol.training_differences(BASE, other) == ["data: folder:a, folder:b"]
    assert protocol.training_differences(BASE, BASE | {"n_fake": 3, "net": "other"}) == []


@pytest.mark.parametrize(("accuracy", "words"), [(None, ""), (0.95, ""), (0.6, "60 % rightly")])
def test_class_shares_by_a_weak_classifier_come_with_a_warning(accuracy, words):
    warning = protocol.shares_warning({"protocol": BASE | {"net_accuracy": accuracy}})
    assert words in warning and bool(words) == bool(warning)
    assert protocol.shares_warning({"protocol": {}}) == ""


def test_the_reference_may_differ_by_rounding_alone():
    def compare(features):
        return protocol.differences(BASE, BASE | {"reference": protocol.fingerprint(features)})

    assert compare(features() * np.float32(1 + 1e-6)) == []
    assert "different machines" in compare(features() * np.float32(1.01))[0]
    assert "different machines" in compare(features(1))[0]
    without = {name: value for name, value in BASE.items() if name != "reference"}
    assert "different machines" in protocol.differences(BASE, without)[0]
    assert protocol.differences(without, without) == []
