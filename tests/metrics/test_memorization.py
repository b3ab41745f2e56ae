import json

import numpy as np
import pytest
from scipy import stats

from gan_jax import errors
from gan_jax.data import datasets
from gan_jax.metrics import features, memorization


def draw(seed, n, size=8):
    """Smooth colour images with a little noise, all different: uint8 [n, size, size, 3]."""
    rng = np.random.default_rng(seed)
    grid = np.arange(size) / size
    phase = rng.uniform(0, 2 * np.pi, (n, 2, 1, 1, 3))
    waves = np.sin(4 * grid[:, None, None] + phase[:, 0]) * np.sin(
        4 * grid[None, :, None] + phase[:, 1]
    )
    return (
        (128 + 90 * waves + rng.normal(0, 3, (n, size, size, 3)))
        .round()
        .clip(0, 255)
        .astype(np.uint8)
    )


def add_noise(images, seed, sd):
    noisy = images + np.random.default_rng(seed).normal(0, sd, images.shape)
    return noisy.round().clip(0, 255).astype(np.uint8)


def make_source(images):
    return datasets.Dataset(images, None, (), "waves", "digest")


def make_extractor(size=8):
    """Six linear features."""
    weights = np.random.default_rng(0).standard_normal((size * size * 3, 6)) / size
    return features.Extractor(
        "linear6",
        None,
        None,
        (),
        lambda x: ((x.reshape(len(x), -1).astype(np.float32) @ weights).astype(np.float32), None),
    )


def brute_force(queries, pool, k, own=None):
    """Rows and root mean squared differences in float64, from the differences themselves."""
    gaps = queries.reshape(len(queries), 1, -1).astype(np.float64) - pool.reshape(1, len(pool), -1)
    squares = (gaps**2).sum(2)
    if own is not None:
        squares[np.flatnonzero(own >= 0), own[own >= 0]] = np.inf
    order = np.argsort(squares, 1, kind="stable")[:, :k]
    return order, np.sqrt(np.take_along_axis(squares, order, 1) / gaps.shape[2])


@pytest.mark.parametrize("floats", [2**23, 5000])  # one block; many blocks of a few images
def test_nearest_images_are_those_of_brute_force_exactly(floats, monkeypatch):
    """Noise of all grey levels, 3,072 values an image (three exact sums), duplicates, black and white."""
    monkeypatch.setattr(memorization, "_FLOATS", floats)
    rng = np.random.default_rng(0)
    pool = rng.integers(0, 256, (150, 32, 32, 3), np.uint8)
    pool[7], pool[8], pool[70] = 0, 255, pool[3]
    queries = np.concatenate([pool[:20], rng.integers(0, 256, (15, 32, 32, 3), np.uint8)])
    own = np.append(np.arange(20), np.full(15, -1))
    rows, distances = brute_force(queries, pool, 5, own)
    found = memorization.nearest(queries, pool, own=own)
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_array_equal(found.distances, distances)
    assert not (found.rows == own[:, None]).any()
    assert (
        found.rows[3, 0] == 70 and found.distances[3, 0] == 0
    )  # a duplicate is not the image itself


@pytest.mark.parametrize("floats", [2**23, 300])
def test_nearest_features(floats, monkeypatch):
    monkeypatch.setattr(memorization, "_FLOATS", floats)
    pool = np.random.default_rng(1).standard_normal((200, 6)).astype(np.float32) + 100
    rows, distances = brute_force(pool[:30], pool, 4, np.arange(30))
    found = memorization.nearest(pool[:30], pool, 4, own=np.arange(30))
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_allclose(found.distances, distances * np.sqrt(6), rtol=1e-12)
    np.testing.assert_array_equal(memorization.nearest(pool, pool, 1).distances, 0)


def test_part_of_a_pool_and_pools_smaller_than_k():
    pool, queries = draw(0, 50), draw(1, 9)
    some = np.arange(3, 50, 4)
    rows, distances = brute_force(queries, pool[some], 5)
    found = memorization.nearest(queries, pool, rows=some)
    np.testing.assert_array_equal(found.rows, some[rows])
    np.testing.assert_array_equal(found.distances, distances)
    assert memorization.nearest(queries, pool[:3]).rows.shape == (9, 3)


def test_read_only_memmap(tmp_path):
    images = draw(0, 300)
    np.save(tmp_path / "images.npy", images)
    real = make_source(np.load(tmp_path / "images.npy", mmap_mode="r"))
    record, _ = memorization.study(make_extractor(), real, None, draw(1, 20), 0)
    assert (
        record == memorization.study(make_extractor(), make_source(images), None, draw(1, 20), 0)[0]
    )


def test_excess_is_fishers_exact_test():
    a, b = np.arange(40) < 9, np.arange(60) < 2
    exact = stats.fisher_exact([[9, 31], [2, 58]], alternative="greater").pvalue
    assert memorization.excess(a, b) == pytest.approx(exact, rel=1e-9)
    assert memorization.excess(np.zeros(5, bool), np.zeros(9, bool)) == 1


def study(generated, heldout=True, n_train=1500):
    held = make_source(draw(2, 300)) if heldout else None
    return memorization.study(make_extractor(), make_source(draw(0, n_train)), held, generated, 0)[
        0
    ]


@pytest.mark.parametrize("heldout", [True, False])
@pytest.mark.parametrize("n_copies", [200, 30])
def test_planted_copies_are_flagged(n_copies, heldout):
    """Training images with noise, alone or among fresh ones."""
    generated = np.concatenate(
        [add_noise(draw(0, 1500)[700 : 700 + n_copies], 5, 4), draw(3, 200 - n_copies)]
    )
    record = study(generated, heldout)
    assert record["copying"] and record["verdict"].startswith("Signs of copying: ")
    assert (
        record["pixel"]["single"] == pytest.approx(n_copies / 200, abs=0.03)
        and record["pixel"]["single_p"] < 1e-3
    )
    if heldout and n_copies == 200:
        assert record["pixel"]["heldout"] == 0 and record["pixel"]["heldout_p"] < 1e-3
        assert "a held-out image is nearer than any training image" in record["verdict"]


@pytest.mark.parametrize("heldout", [True, False])
def test_fresh_draws_of_the_same_distribution_are_not_flagged(heldout):
    for seed in range(3, 8):
        record = study(draw(seed, 200), heldout)
        assert not record["copying"], record["verdict"]
        assert record["verdict"].startswith("No sign of copying: ")
        for name in memorization.MEASURES:
            assert record[name]["closer"] < 0.05 and record[name]["single"] < 0.05


def test_smooth_pictures_are_close_but_not_copies():
    """Noisy data and a generator without noise: nearer to every image than the images are to each other."""
    real, held = (make_source(add_noise(draw(seed, 800), seed, 30)) for seed in (0, 2))
    record, _ = memorization.study(make_extractor(), real, held, draw(3, 200), 0)
    assert (
        record["pixel"]["closer"] > 0.5
        and record["pixel"]["single"] == 0
        and record["pixel"]["closer_p"] < 1e-3
    )
    assert not record["copying"] and "smooth or plain" in record["verdict"]


def test_a_collapsed_generator_is_not_taken_for_a_copying_one():
    """Four pictures that are in no data, each repeated 64 times with a little noise. Counted one by one, two of these alarm."""
    for seed in range(8, 12):
        generated = add_noise(draw(100 + seed, 4).repeat(64, 0), seed, 2)
        assert not study(generated)["copying"], seed


def test_a_slight_pull_towards_the_training_set_shows_against_heldout_images():
    """Copies too noisy to be near any image: only the held-out images tell."""
    real, held = make_source(draw(0, 400)), make_source(draw(2, 400))
    record, _ = memorization.study(
        make_extractor(), real, held, add_noise(draw(0, 400)[:200], 1, 60), 0
    )
    m = record["pixel"]
    assert m["closer"] == 0 and m["heldout"] < m["heldout_real"] / 2 and m["heldout_p"] < 1e-3
    assert m["distances"]["generated_some"] < m["distances"]["generated_heldout"]
    assert record["copying"]


def test_duplicates_in_the_data_hide_no_copies():
    images = draw(0, 1000)
    images[500:] = images[
        :500
    ]  # every image twice: the nearest other training image is at distance 0
    images[:20] = draw(9, 20)
    record, _ = memorization.study(
        make_extractor(), make_source(images), None, add_noise(images[100:300], 1, 2), 0
    )
    assert record["pixel"]["distances"]["training_training"][2] == 0
    assert record["copying"]


def test_record_and_its_words():
    record = study(draw(3, 60))
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
    _, distances = brute_force(draw(3, 60), draw(0, 1500), 1)
    np.testing.assert_allclose(
        record["pixel"]["distances"]["generated_training"],
        np.quantile(distances, memorization.QUANTILES),
        rtol=1e-12,
    )
    words = [text for text, _ in memorization.lines(record)]
    assert words[0] == "generated to 1,500 training" and len(words) == 6
    assert len(memorization.lines(study(draw(3, 60), heldout=False))) == 2
    assert (
        "60 generated, 60 training (each left out by itself) and 60 held-out"
        in memorization.protocol_line(record)
    )


def test_few_images_of_anything():
    with pytest.raises(
        errors.InputError, match="--neighbours=15 is too few .* use 0 for none, or 16 or more"
    ):
        memorization.check(15, "neighbours")
    memorization.check(0, "neighbours")
    memorization.check(16, "neighbours")
    real, one = make_source(draw(0, 200)), make_source(draw(1, 1))
    record, pictures = memorization.study(make_extractor(), real, one, draw(2, 3), 0)
    json.dumps(record, allow_nan=False)
    assert record["protocol"]["n_heldout"] == 1 and set(pictures) == set(memorization.PICTURES)
    big = make_source(draw(1, 500))
    assert (
        memorization.study(make_extractor(), real, big, draw(2, 300), 0)[0]["protocol"][
            "pool_heldout"
        ]
        == 200
    )


@pytest.mark.parametrize(
    "size, channels, side", [(8, 3, 128), (28, 1, 140), (96, 4, 96), (300, 2, 128)]
)
def test_picture_shows_queries_beside_their_neighbours(size, channels, side):
    """Flat images, so that a tile is known by its grey level."""
    levels = np.arange(40, 240, 10, dtype=np.uint8)
    pool = np.broadcast_to(levels[:, None, None, None], (20, size, size, channels)).copy()
    queries = pool[:9] + 1
    found = {name: memorization.nearest(queries, pool) for name in memorization.MEASURES}
    picture = memorization.picture("generated", queries, found, pool)
    gap, line = memorization._GAP, side + memorization._GAP + side // 4
    half = 6 * (side + gap) + 9 * gap
    assert picture.shape == (48 + 8 * line + gap, 2 * half, 3)
    chosen = memorization.telling(found)
    assert chosen[:4] == [0, 1, 2, 3] and len(set(chosen)) == 8
    for place, i in enumerate(chosen):
        y = 48 + place * line + gap // 2
        for left in (0, half):
            starts = (
                left
                + 3 * gap
                + gap // 2
                + np.arange(6) * (side + gap)
                + 3 * gap * (np.arange(6) > 0)
            )
            tiles = [picture[y : y + side, x : x + side] for x in starts]
            assert (
                [t.min() for t in tiles]
                == [t.max() for t in tiles]
                == [queries[i].max(), *levels[found["pixel"].rows[i]]]
            )


def test_the_most_lonely_queries_are_shown():
    pool = draw(0, 300)
    queries = draw(1, 50)
    queries[[20, 41]] = add_noise(pool[[5, 6]], 0, 1)
    found = {"pixel": memorization.nearest(queries, pool)}
    assert set(memorization.telling(found)[4:6]) == {20, 41}
