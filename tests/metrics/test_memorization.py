"""Copies that were planted are detected, and nothing else is."""

import json

import numpy as np
import pytest

from gan_jax import errors
from gan_jax.metrics import memorization
from tests.metrics.helpers import linear_extractor, make_dataset, to_uint8

EXTRACTOR = linear_extractor((8, 8, 3), 6, "linear6")


def waves(seed, n):
    """Draw smooth colour images with a little noise, all different: uint8 [n, 8, 8, 3]."""
    rng = np.random.default_rng(seed)
    grid = np.arange(8) / 8
    phase = rng.uniform(0, 2 * np.pi, (n, 2, 1, 1, 3))
    vertical = np.sin(4 * grid[:, None, None] + phase[:, 0])
    horizontal = np.sin(4 * grid[None, :, None] + phase[:, 1])
    return to_uint8(128 + 90 * vertical * horizontal + rng.normal(0, 3, (n, 8, 8, 3)))


def add_noise(images, seed, sd):
    return to_uint8(images + np.random.default_rng(seed).normal(0, sd, images.shape))


def detect(generated, heldout=True, n_train=1500, seed=0):
    held = make_dataset(waves(2, 300)) if heldout else None
    return memorization.detect_copies(
        EXTRACTOR, make_dataset(waves(0, n_train)), held, generated, seed
    )[0]


def test_read_only_memmap(tmp_path):
    images = waves(0, 300)
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    records = [
        memorization.detect_copies(EXTRACTOR, make_dataset(x), None, waves(1, 20), 0)[0]
        for x in (mapped, images)
    ]
    assert records[0] == records[1]


@pytest.mark.parametrize("heldout", [True, False])
@pytest.mark.parametrize("n_copies", [200, 30])
def test_planted_copies_are_flagged(n_copies, heldout):
    """Training images with noise, alone or among fresh ones."""
    copies = add_noise(waves(0, 1500)[700 : 700 + n_copies], 5, 4)
    record = detect(np.concatenate([copies, waves(3, 200 - n_copies)]), heldout)
    assert record["copying"] and record["verdict"].startswith("Signs of copying: ")
    by_pixel = record["pixel"]
    assert by_pixel["single"] == pytest.approx(n_copies / 200, abs=0.03)
    assert by_pixel["single_p"] < 1e-3
    if heldout and n_copies == 200:
        assert by_pixel["heldout"] == 0 and by_pixel["heldout_p"] < 1e-3
        assert "a held-out image is nearer than any training image" in record["verdict"]


@pytest.mark.parametrize("heldout", [True, False])
def test_fresh_samples_of_the_same_distribution_are_not_flagged(heldout):
    for seed in range(3, 8):
        record = detect(waves(seed, 200), heldout, seed=seed)
        assert not record["copying"], record["verdict"]
        assert record["verdict"].startswith("No sign of copying: ")
        for name in memorization.DISTANCES:
            assert record[name]["closer"] < 0.05 and record[name]["single"] < 0.05


def test_smooth_pictures_are_close_but_not_copies():
    """Noisy data and a generator without noise: nearer to every image than images to each other."""
    real, held = (make_dataset(add_noise(waves(seed, 800), seed, 30)) for seed in (0, 2))
    record, _ = memorization.detect_copies(EXTRACTOR, real, held, waves(3, 200), 0)
    by_pixel = record["pixel"]
    assert by_pixel["closer"] > 0.5 and by_pixel["single"] == 0 and by_pixel["closer_p"] < 1e-3
    assert not record["copying"] and "smooth or plain" in record["verdict"]


@pytest.mark.long
def test_a_collapsed_generator_is_not_taken_for_a_copying_one():
    """Four pictures that are in no data, each 64 times with a little noise.

    Counted one by one, two of these would alarm.
    """
    for seed in range(8, 12):
        generated = add_noise(waves(100 + seed, 4).repeat(64, 0), seed, 2)
        assert not detect(generated)["copying"], seed


@pytest.mark.parametrize("n_kinds", [1, 3])
def test_identical_images_are_copies_however_few_they_are(n_kinds):
    """Of one image made 256 times, no test of different images can tell anything."""
    images = waves(0, 1500)
    repeated = images[700 : 700 + n_kinds].repeat(256 // n_kinds, 0)
    for generated, share in ((repeated, 100), (np.concatenate([images[:1], waves(3, 199)]), 0.5)):
        record = detect(generated)
        assert record["copying"]
        sign = (
            f"Signs of copying: {share:.1f} % of the generated images are identical to a training"
        )
        assert record["verdict"].startswith(sign)
        copied, real = memorization.row_scores(record)
        assert share / 100 <= copied["copied"] < share / 100 + 0.02 and real["copied"] < 0.02


def test_what_no_outcome_could_show_is_not_told():
    """One image, again and again: near one training image, or near none."""
    images = waves(0, 1500)
    near = detect(add_noise(images[700:701].repeat(256, 0), 1, 2))
    far = detect(waves(99, 1).repeat(256, 0))
    for record in (near, far):
        assert record["copying"] is None and record["pixel"]["distinct"] == 1
        assert record["verdict"].startswith("Whether images are copied cannot be told")
    assert "100 % of the generated images match a single training image" in near["verdict"]
    assert "0 % of the generated images match" in far["verdict"]


def test_data_that_repeat_themselves_make_identical_images_no_copies():
    """A third of real images has a twin, and so has a third of the generated ones."""
    images = waves(0, 900)
    images[:150] = images[150:300]
    fresh = waves(3, 200)
    fresh[:60] = images[300:360]
    record, _ = memorization.detect_copies(EXTRACTOR, make_dataset(images), None, fresh[:200], 0)
    by_pixel = record["pixel"]
    assert by_pixel["identical"] == 0.3 < by_pixel["identical_real"] + 0.05
    assert "identical" not in record["verdict"]


def test_what_copies_nothing_is_as_near_to_as_many_training_images_as_to_others():
    """Also where there are many more training images, which are nearer as a whole."""
    real, held = make_dataset(waves(0, 900)), make_dataset(waves(2, 300))
    record, _ = memorization.detect_copies(EXTRACTOR, real, held, waves(5, 300), 0)
    for distance in memorization.DISTANCES:
        assert abs(record[distance]["nearer_training"] - 0.5) < 0.1
        assert record[distance]["heldout"] < 0.35
    copies = waves(0, 900)[:300]
    record, _ = memorization.detect_copies(EXTRACTOR, real, held, copies, 0)
    assert record["pixel"]["nearer_training"] > 0.6, "a third of them is among the chosen ones"


def test_a_slight_pull_towards_the_training_set_shows_against_heldout_images():
    """Copies too noisy to be near any image: only the held-out images tell."""
    real, held = make_dataset(waves(0, 400)), make_dataset(waves(2, 400))
    generated = add_noise(waves(0, 400)[:200], 1, 60)
    record, _ = memorization.detect_copies(EXTRACTOR, real, held, generated, 0)
    by_pixel = record["pixel"]
    assert by_pixel["closer"] == 0 and by_pixel["heldout"] < by_pixel["heldout_real"] / 2
    assert by_pixel["heldout_p"] < 1e-3
    distances = by_pixel["distances"]
    assert distances["generated_some"] < distances["generated_heldout"]
    assert record["copying"]


def test_duplicates_in_the_data_hide_no_copies():
    images = waves(0, 1000)
    images[500:] = images[:500]  # the nearest other training image is at distance 0
    images[:20] = waves(9, 20)
    generated = add_noise(images[100:300], 1, 2)
    record, _ = memorization.detect_copies(EXTRACTOR, make_dataset(images), None, generated, 0)
    assert record["pixel"]["distances"]["training_training"][2] == 0
    assert record["copying"]


@pytest.mark.long
def test_record_and_its_words():
    generated, training = waves(3, 60), waves(0, 1500)
    record = detect(generated)
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["protocol"] == {
        "n_generated": 60,
        "n_training": 60,
        "n_heldout": 60,
        "pool_training": 1500,
        "pool_heldout": 300,
        "seed": 0,
        "net": "linear6",
        "n_features": 6,
    }
    gaps = generated[:, None].astype(np.float64) - training
    nearest = np.sqrt((gaps**2).mean((2, 3, 4))).min(1)
    quantiles = np.quantile(nearest, memorization.QUANTILES)
    found = record["pixel"]["distances"]["generated_training"]
    np.testing.assert_allclose(found, quantiles, rtol=1e-12)
    by_pixels, by_features = memorization.tables(record)
    assert by_pixels[1][:2] == ["generated to 1,500 training", f"{quantiles[0]:.3g}"]
    assert len(by_pixels) == len(by_features) == 1 + 6
    assert len(memorization.tables(detect(generated, heldout=False))[0]) == 1 + 2
    few = {text for text, *_ in memorization.tables(detect(generated, n_train=300))[0]}
    assert len(few) == 1 + 5
    counts = "60 generated, 60 training (each left out by itself) and 60 held-out"
    assert counts in memorization.protocol_text(record)


def test_few_images_of_anything():
    message = "--neighbours=15 is too few .* use 0 for none, or 16 or more"
    with pytest.raises(errors.InputError, match=message):
        memorization.check_queries(15, "neighbours")
    memorization.check_queries(0, "neighbours")
    memorization.check_queries(16, "neighbours")
    real, one, big = (make_dataset(waves(seed, n)) for seed, n in ((0, 200), (1, 1), (1, 500)))
    record, pictures = memorization.detect_copies(EXTRACTOR, real, one, waves(2, 3), 0)
    json.dumps(record, allow_nan=False)
    assert record["protocol"]["n_heldout"] == 1 and set(pictures) == set(memorization.PICTURE_FILES)
    record, _ = memorization.detect_copies(EXTRACTOR, real, big, waves(2, 300), 0)
    assert record["protocol"]["pool_heldout"] == 200
