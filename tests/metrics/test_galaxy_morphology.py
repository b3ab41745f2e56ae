"""Galaxies in images: known answers, invariances, different classes, distances between sets."""

import os
import tarfile

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from gan_jax import errors
from gan_jax.data import galaxies
from gan_jax.metrics import galaxy_morphology, metric
from gan_jax.settings import Size
from tests.metrics.helpers import ORIENTATIONS, make_dataset, turn

N_REAL = 60


def column(rows, name):
    return rows[:, galaxy_morphology.COLUMNS.index(name)]


def disk(ratio=1.0, angle=0.0, length=6.0, centre=(31.5, 31.5), colour=(1, 1, 1), sky=5, side=64):
    """Draw an exponential disk of an axis ratio, without noise: uint8 [1, side, side, 3]."""
    y, x = np.arange(side)[:, None] - centre[0], np.arange(side) - centre[1]
    along, across = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    light = 180 * np.exp(-np.sqrt(along**2 + (across / ratio) ** 2) / length)
    return np.rint(sky + light[None, :, :, None] * colour).astype(np.uint8)


@pytest.fixture(scope="module")
def galaxy_set():
    """500 galaxies of known classes: (images, labels, measures)."""
    images, labels = galaxies.render(7, np.arange(500), 64)
    return images, labels, galaxy_morphology.measure_images(images)


@pytest.fixture(scope="module")
def real():
    """Galaxies of Galaxy Zoo 2, every second one a spiral: uint8 [N, 64, 64, 3]."""
    path = os.path.join(os.environ.get("GAN_JAX_DATA", ""), "gz2-1400-jpg.tar")
    if not os.path.isfile(path):
        pytest.skip("needs the real data: set GAN_JAX_DATA to a folder that holds gz2-1400-jpg.tar")
    with tarfile.open(path) as tar:
        names = sorted(name for name in tar.getnames() if name.endswith(".jpg"))
        others = [name for name in names if "/non_" in f"/{name}"][: N_REAL // 2]
        spirals = [name for name in names if "/non_" not in f"/{name}"][: N_REAL // 2]
        out = []
        for name in (name for pair in zip(others, spirals, strict=True) for name in pair):
            image = Image.open(tar.extractfile(name)).convert("RGB")
            image = image.resize((64, 64), Image.Resampling.BOX, (108, 108, 315, 315))
            out.append(np.asarray(image))
    return np.stack(out)


@pytest.mark.parametrize("ratio", [1.0, 0.7, 0.4])
@pytest.mark.parametrize("angle", [0.0, 0.5])
def test_a_galaxy_of_known_shape(ratio, angle):
    rows = galaxy_morphology.measure_images(
        disk(ratio, angle, centre=(31.2, 32.4), colour=(1.2, 1.0, 0.8))
    )
    assert column(rows, "ellipticity") == pytest.approx(1 - ratio, abs=0.02)
    assert column(rows, "colour") == pytest.approx(0.2, abs=0.01)
    assert abs(column(rows, "asymmetry")) < 0.03 and abs(column(rows, "smoothness")) < 0.05
    assert column(rows, "found") == 1


def test_the_region_is_the_isophote():
    """A disk out to 6 levels above the sky, whatever the sky; blurring hardly moves that."""
    for sky in (0, 5, 30):
        light, inside, others = galaxy_morphology.segment(disk(length=4, sky=sky))
        edge = np.sqrt(inside.sum() / np.pi)
        assert edge == pytest.approx(4 * np.log(180 / 6), abs=0.5)
        assert not others.any() and light.min() == pytest.approx(0, abs=1)


def test_concentration_of_an_exponential_disk():
    """As in closed form, cut off at the isophote."""
    rows, fine = (
        galaxy_morphology.measure_images(disk()),
        np.linspace(0, 6 * np.log(180 / 6), 10_001),
    )
    within = 1 - (1 + fine / 6) * np.exp(-fine / 6)
    inner, outer = np.interp([0.2, 0.8], within / within[-1], fine)
    assert column(rows, "concentration") == pytest.approx(5 * np.log10(outer / inner), abs=0.03)


def test_neighbours_are_left_out():
    alone = disk(0.5, 0.3, length=4)
    y, x = np.mgrid[:64, :64]
    star = 200 * np.exp(-0.5 * ((y - 8) ** 2 + (x - 54) ** 2) / 4)[None, :, :, None]
    both = (alone + star * [0.5, 1, 1]).clip(0, 255).astype(np.uint8)
    _, inside, others = galaxy_morphology.segment(both)
    assert others[0, 8, 54] and inside[0, 32, 32] and not inside[0, 8, 54]
    np.testing.assert_allclose(
        galaxy_morphology.measure_images(both), galaxy_morphology.measure_images(alone), atol=0.02
    )


def test_one_arm_is_asymmetric():
    light = disk(length=3).astype(np.float64)
    y, x = np.mgrid[:64, :64]
    arm = 120 * np.exp(-0.5 * (((y - 20) / 3) ** 2 + ((x - 36) / 6) ** 2))[None, :, :, None]
    images = np.concatenate([light, light + arm, light + arm + arm[:, ::-1, ::-1]])
    rows = galaxy_morphology.measure_images(images.astype(np.uint8))
    symmetric, one, two = column(rows, "asymmetry")
    assert one > 0.5 and abs(symmetric) < 0.03 and abs(two) < 0.03


@pytest.mark.long
@pytest.mark.parametrize("turns, flip", ORIENTATIONS)
def test_a_galaxy_turned_or_mirrored_is_the_same(galaxy_set, turns, flip):
    images, _, rows = galaxy_set
    turned = galaxy_morphology.measure_images(turn(images[:60], turns, flip))
    np.testing.assert_allclose(turned, rows[:60], atol=1e-9)


@pytest.mark.parametrize("shift", [(1, 0), (0, -1), (2, 1)])
def test_a_galaxy_moved_by_pixels_is_the_same(shift):
    images = np.concatenate([disk(0.6, angle, length=4) for angle in (0.0, 0.4, 1.0)])
    moved = galaxy_morphology.measure_images(np.roll(images, shift, (1, 2)))
    np.testing.assert_allclose(moved, galaxy_morphology.measure_images(images), atol=1e-9)


def test_a_noisy_galaxy_moved_by_a_pixel_is_nearly_the_same(galaxy_set):
    """The sky is another; only galaxies away from the edge."""
    images, _, rows = galaxy_set
    _, inside, _ = galaxy_morphology.segment(images)
    free = ~inside[:, [0, 1, -2, -1]].any((1, 2)) & ~inside[:, :, [0, 1, -2, -1]].any((1, 2))
    moved = galaxy_morphology.measure_images(np.roll(images[free], (1, 1), (1, 2)))
    assert free.sum() > 200
    assert np.all(np.median(np.abs(moved - rows[free]), 0)[:-1] < 0.1 * rows.std(0)[:-1])


@pytest.mark.long
def test_the_size_of_the_images_hardly_matters(galaxy_set):
    """Nearly the same numbers from pixels twice as large.

    The box that smooths is too coarse there for thin galaxies.
    """
    _, labels, rows = galaxy_set
    small = galaxy_morphology.measure_images(galaxies.render(7, np.arange(500), 32)[0])
    for name in galaxy_morphology.MEASURES:
        if name != "smoothness":
            a, b = column(small, name), column(rows, name)
            assert np.corrcoef(a, b)[0, 1] > (0.85 if name == "m20" else 0.97), name
            assert abs(np.median(a - b)) < 0.1 * b.std(), name
    of_round_ones = [column(x, "smoothness")[labels == 0] for x in (small, rows)]
    assert np.corrcoef(*of_round_ones)[0, 1] > 0.8


def test_an_image_does_not_depend_on_its_block(galaxy_set, monkeypatch):
    images, _, rows = galaxy_set
    monkeypatch.setattr(metric, "_BLOCK_VALUES", 7 * images[0].size)
    np.testing.assert_allclose(galaxy_morphology.measure_images(images[:40]), rows[:40], atol=1e-12)
    np.testing.assert_allclose(galaxy_morphology.measure_images(images[5:6]), rows[5:6], atol=1e-12)
    assert galaxy_morphology.measure_images(images[:0]).shape == (0, 8)


def odd_images(side, channels):
    rng = np.random.default_rng(0)
    spot, half, box = np.zeros((3, side, side, channels))
    spot[side // 2, side // 2], half[: side // 2] = 255, 255
    box[side // 4 : -side // 4, side // 4 : -side // 4] = 255
    y, x = np.mgrid[:side, :side][..., None]
    checkerboard = np.broadcast_to((y + x) % 2 * 255, spot.shape)
    distance = np.hypot(y - side / 2, x - side / 2)
    cone = np.broadcast_to(255 - distance, spot.shape).clip(0)
    noise, sky = rng.integers(0, 256, spot.shape), rng.normal(8, 3, spot.shape).clip(0)
    plain = [np.full_like(spot, level) for level in (0, 255, 77)]
    images = [*plain, noise, sky, checkerboard, cone, spot, half, box, 255 - box]
    return np.stack(images).astype(np.uint8)


@pytest.mark.parametrize("side", [4, 8, 28, 32, 64, 100])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_image_has_finite_measures(side, channels):
    rows = galaxy_morphology.measure_images(odd_images(side, channels))
    assert np.isfinite(rows).all() and set(column(rows, "found")) <= {0, 1}
    assert not rows[column(rows, "found") == 0].any()
    assert (np.abs(rows) < 10).all()


def test_where_there_is_no_galaxy():
    images = odd_images(64, 3)
    np.testing.assert_array_equal(column(galaxy_morphology.measure_images(images[:6]), "found"), 0)
    np.testing.assert_array_equal(
        column(galaxy_morphology.measure_images(images[9:]), "found"), [1, 0]
    )
    noise = np.random.default_rng(1).normal(8, 3, (200, 64, 64, 3)).clip(0).astype(np.uint8)
    assert not galaxy_morphology.measure_images(noise).any()
    # One that is not in the middle.
    assert not galaxy_morphology.measure_images(disk(centre=(5, 50), length=3)).any()


def test_an_even_square():
    """Round, symmetric, evenly bright, but for a dark edge that blurring adds to the region."""
    images = odd_images(64, 3)[9:10]
    rows, area = (
        galaxy_morphology.measure_images(images),
        galaxy_morphology.segment(images)[1].sum(),
    )
    for name in ("ellipticity", "asymmetry", "colour"):
        assert column(rows, name) == pytest.approx(0, abs=1e-9), name
    assert column(rows, "gini") == pytest.approx((area - 32**2) / (area - 1), abs=1e-9)
    assert column(rows, "m20") == pytest.approx(0, abs=1e-9)


def test_images_that_are_not_square():
    whole = disk(0.5, length=3)
    np.testing.assert_allclose(
        galaxy_morphology.measure_images(whole[:, 8:-8]),
        galaxy_morphology.measure_images(whole),
        atol=0.05,
    )


def test_gray_images(galaxy_set):
    """Gray light is the mean of the channels; there is no colour."""
    images, _, rows = galaxy_set
    gray = np.rint(images[:100].mean(3, keepdims=True)).astype(np.uint8)
    found = galaxy_morphology.measure_images(gray)
    assert not column(found, "colour").any() and column(rows, "colour").any()
    for name in galaxy_morphology.MEASURES[:-1]:
        difference = np.abs(column(found, name) - column(rows[:100], name))
        assert np.median(difference) < 0.1 * column(rows, name).std(), name


def test_classes_differ_as_they_should(galaxy_set):
    _, labels, rows = galaxy_set
    assert column(rows, "found").mean() == 1
    means = {name: rows[labels == k].mean(0) for k, name in enumerate(galaxies.CLASSES)}
    flat = [means[name][0] for name in galaxies.CLASSES[:4]]
    assert flat == sorted(flat)
    assert flat[0] < 0.15 < 0.3 < flat[1] < 0.5 < 0.6 < flat[2] and flat[3] > 0.75
    colour, asymmetry = (
        galaxy_morphology.MEASURES.index("colour"),
        galaxy_morphology.MEASURES.index("asymmetry"),
    )
    assert means["spiral"][colour] < means["round"][colour] - 0.05
    assert means["spiral"][asymmetry] > means["round"][asymmetry] + 0.05
    spirals, round_ones = rows[labels == 4, colour], rows[labels == 0, colour]
    assert stats.mannwhitneyu(spirals, round_ones, alternative="less").pvalue < 1e-6


def test_real_spirals_differ_from_other_galaxies(real):
    rows = galaxy_morphology.measure_images(real)
    assert column(rows, "found").mean() > 0.98
    others, spirals = rows[::2], rows[1::2]
    assert column(spirals, "colour").mean() < column(others, "colour").mean() - 0.05
    assert column(spirals, "asymmetry").mean() > column(others, "asymmetry").mean() + 0.05
    assert column(spirals, "m20").mean() > column(others, "m20").mean()


# At the same segmentation. Ellipticity has one definition. statmorph measures concentration,
# asymmetry and smoothness within 1.5 Petrosian radii, where most is sky, and Gini and M20 above the
# brightness at one; here it is all the galaxy's region.
CORRELATIONS = {"ellipticity": 0.9999, "concentration": 0.9, "asymmetry": 0.8, "m20": 0.85}


@pytest.mark.filterwarnings("ignore")
def test_beside_statmorph(galaxy_set, real):
    statmorph = pytest.importorskip(
        "statmorph", reason="needs statmorph, photutils and scikit-image"
    )
    images = np.concatenate([galaxy_set[0][:30], real[:30]])
    rows = galaxy_morphology.measure_images(images)
    theirs = []
    for light, inside, others in zip(*galaxy_morphology.segment(images), strict=True):
        sky = np.full(light.shape, 2.0)
        m = statmorph.SourceMorphology(
            light, inside + 2 * others, 1, weightmap=sky, skybox_size=8, n_sigma_outlier=0
        )
        theirs.append([m.flag, m.ellipticity_centroid, m.concentration, m.asymmetry, m.m20])
    theirs = np.array(theirs)
    good = theirs[:, 0] < 2
    assert good.sum() > 40
    for (name, least), other in zip(CORRELATIONS.items(), theirs[good].T[1:], strict=True):
        ours = column(rows, name)[good]
        assert np.corrcoef(ours, other)[0, 1] > least, name
        assert abs(np.median(ours - other)) < 0.3 * ours.std(), name


def views(rows):
    return {"morphology": np.asarray(rows, np.float64)}


def random_rows(n, seed=0):
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.normal(1, np.arange(1, 8), (n, 7)), np.ones((n, 1))], 1)


def test_distances_by_hand():
    """One measure moved by two real standard deviations: 2 there, 2 / 7 on average."""
    rows = random_rows(50)
    for i, name in enumerate(galaxy_morphology.MEASURES):
        moved = rows.copy()
        moved[:, i] += 2 * rows[:, i].std()
        scores = galaxy_morphology.compare_sets(views(rows), views(moved))
        assert set(scores) == set(galaxy_morphology.METRIC.scores)
        changed = {f"morph_{name}": 2, "morphology": 2 / 7, "galaxies_found": 1}
        assert scores == pytest.approx(dict.fromkeys(scores, 0) | changed, abs=1e-12)


def test_distances_of_sets_of_other_sizes():
    """Sorted values side by side, each repeated to a common number."""
    rows, fake = random_rows(20), random_rows(30, 1)
    scores = galaxy_morphology.compare_sets(views(rows), views(fake))
    for i, name in enumerate(galaxy_morphology.MEASURES):
        gap = np.abs(np.repeat(np.sort(rows[:, i]), 3) - np.repeat(np.sort(fake[:, i]), 2)).mean()
        assert scores[f"morph_{name}"] == pytest.approx(gap / rows[:, i].std(), abs=1e-12)


def test_missing_galaxies_cost():
    """Half of the images are empty: zeros in the distance, and a share of a half.

    The unit is that of the galaxies alone.
    """
    rows = random_rows(40)
    half = rows.copy()
    half[::2] = 0
    scores = galaxy_morphology.compare_sets(views(rows), views(half))
    assert scores["galaxies_found"] == 0.5
    assert (
        scores["morphology"]
        > galaxy_morphology.compare_sets(views(rows), views(rows))["morphology"]
        == 0
    )
    swapped = galaxy_morphology.compare_sets(views(half), views(rows))
    ratio = rows[:, 0].std() / rows[1::2, 0].std()
    expected = scores["morph_ellipticity"] * ratio
    assert swapped["morph_ellipticity"] == pytest.approx(expected, abs=1e-12)
    assert swapped["galaxies_found"] == 1
    empty = galaxy_morphology.compare_sets(views(rows), views(0 * rows))
    assert empty["galaxies_found"] == 0 and all(np.isfinite(list(empty.values())))


def test_gray_sets_have_no_distance_in_colour():
    rows, fake = random_rows(20), random_rows(20, 1)
    rows[:, 6] = fake[:, 6] = 0
    scores = galaxy_morphology.compare_sets(views(rows), views(fake))
    others = [scores[f"morph_{name}"] for name in galaxy_morphology.MEASURES[:-1]]
    assert scores["morph_colour"] == 0
    assert scores["morphology"] == pytest.approx(np.mean(others), abs=1e-12)


def test_what_cannot_be_measured_is_refused():
    rows = random_rows(10)
    with pytest.raises(errors.InputError, match="0 of 10 real images show a galaxy"):
        galaxy_morphology.compare_sets(views(0 * rows), views(rows))
    equal = rows.copy()
    equal[:, 3] = 0.1
    with pytest.raises(errors.InputError, match="their smoothness does not differ"):
        galaxy_morphology.compare_sets(views(equal), views(rows))


@pytest.mark.long
def test_the_metric_tells_sets_apart(galaxy_set):
    """Other galaxies of the same kind are near; round ones alone, other colours, noise are far."""
    images, labels, rows = galaxy_set
    view = galaxy_morphology.METRIC.views["morphology"]
    others, _ = galaxies.render(8, np.arange(500), 64)
    floor = galaxy_morphology.compare_sets(views(rows), views(view(others)))
    assert floor["morphology"] < 0.15 and floor["galaxies_found"] == 1
    alone = galaxy_morphology.compare_sets(views(rows), views(rows[labels == 0]))
    assert alone["morph_ellipticity"] > 0.5 and alone["morphology"] > 2 * floor["morphology"]
    swapped = galaxy_morphology.compare_sets(views(rows), views(view(images[..., ::-1])))
    assert swapped["morph_colour"] > 0.5 and swapped["morph_gini"] < 1e-9
    noise = np.random.default_rng(0).integers(0, 256, images.shape, np.uint8)
    far = galaxy_morphology.compare_sets(views(rows), views(view(noise)))
    assert far["morphology"] > 10 * floor["morphology"]


def test_it_applies_to_images_of_the_sky():
    def applies(name, side=64):
        images = np.zeros((1, side, side, 3), np.uint8)
        return galaxy_morphology.METRIC.applies_to(make_dataset(images, name=name))

    assert applies("galaxies") and applies("galaxies:2000") and applies("galaxyzoo:gz2", 32)
    assert applies("shard:0/3/0:galaxyzoo:gz2") and applies("thin:spiral/20/0:galaxies")
    assert not applies("shard:0/3/0:stacked:galaxies")
    assert not (applies("folder:galaxies") or applies("tfds:mnist") or applies("galaxies", 28))


def test_images_of_two_sides_are_measured_alike_along_both():
    images = galaxies.render(0, np.arange(12), Size(40, 64))[0]
    turned = np.ascontiguousarray(images.swapaxes(1, 2))
    measured = galaxy_morphology.measure_images(images)
    assert measured[:, -1].all()
    np.testing.assert_allclose(galaxy_morphology.measure_images(turned), measured, atol=1e-12)
