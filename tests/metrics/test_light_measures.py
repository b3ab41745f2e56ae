"""Measures of light in closed form, against loops over pixels, and against statmorph."""

import numpy as np
import pytest

from gan_jax.data import galaxies
from gan_jax.metrics import galaxy_morphology, light_measures

SIDE = 64
CENTRE = np.array([31.3, 32.1])


def distances(centre=CENTRE):
    """Return the offsets of the pixels from a centre: rows [SIDE, 1], columns [1, SIDE]."""
    return np.arange(SIDE)[:, None] - centre[0], np.arange(SIDE)[None] - centre[1]


def radius(centre=CENTRE):
    return np.hypot(*distances(centre))


def gaussian(a, b, angle, centre=CENTRE):
    """Draw a Gaussian whose standard deviations along its axes are a and b pixels."""
    y, x = distances(centre)
    along, across = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    return np.exp(-0.5 * ((along / a) ** 2 + (across / b) ** 2))[None]


def noise(n=3, side=9):
    """Draw light with some negative pixels, a mask, and weights."""
    rng = np.random.default_rng(0)
    return (
        rng.gamma(2, 3, (n, side, side)) - 1,
        rng.random((n, side, side)) < 0.6,
        rng.random((n, side, side)),
    )


def everywhere(light):
    return np.ones(light.shape, bool)


@pytest.mark.parametrize("ratio", [1.0, 0.7, 0.4, 0.25])
@pytest.mark.parametrize("angle", [0.0, 0.6, 2.0])
def test_ellipticity_of_a_gaussian(ratio, angle):
    light = gaussian(7, 7 * ratio, angle)
    assert light_measures.ellipticity(light, everywhere(light)) == pytest.approx(
        1 - ratio, abs=1e-3
    )


@pytest.mark.parametrize("n", [1, 2, 5, 20])
def test_ellipticity_of_a_row_of_pixels(n):
    """Variance (n^2 - 1) / 12 along, 0 across, and 1 / 12 added to both: 1 - 1 / n."""
    mask = np.zeros((2, SIDE, SIDE), bool)
    mask[0, 30, 10 : 10 + n] = mask[1, 10 : 10 + n, 30] = True
    np.testing.assert_allclose(
        light_measures.ellipticity(np.full(mask.shape, 3.0), mask), 1 - 1 / n, atol=1e-12
    )


def test_ellipticity_pixel_by_pixel():
    light, mask, _ = noise()
    for plane, inside, found in zip(
        light, mask, light_measures.ellipticity(light, mask), strict=True
    ):
        at, value = np.argwhere(inside), plane[inside]
        away = at - (value @ at) / value.sum()
        small, large = np.linalg.eigvalsh((value[:, None] * away).T @ away / value.sum())
        assert found == pytest.approx(1 - np.sqrt(small / large), abs=1e-12)


PROFILES = {  # light at r, and its share within R of the whole, without an edge
    "even": (lambda r: np.ones_like(r), lambda r: r**2),
    "gaussian": (lambda r: np.exp(-0.5 * (r / 7) ** 2), lambda r: 1 - np.exp(-0.5 * (r / 7) ** 2)),
    "exponential": (lambda r: np.exp(-r / 4.5), lambda r: 1 - (1 + r / 4.5) * np.exp(-r / 4.5)),
}


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("shares", [(0.2, 0.8), (0.1, 0.5)])
def test_radii_of_a_disk(name, shares):
    """Light cut off at 24 pixels, against the closed form, solved on a fine grid of radii."""
    light, within = PROFILES[name]
    mask = radius()[None] < 24
    fine = np.linspace(0, 24, 100_001)
    expected = np.interp(shares, within(fine) / within(24.0), fine)
    found = light_measures.light_radii(light(radius())[None], mask, CENTRE[None], shares)[:, 0]
    np.testing.assert_allclose(found, expected, rtol=0.006)


def test_concentration():
    """5 log10(2) for an even disk; 2.145 for a Gaussian, 2.801 for an exponential profile.

    The edge hardly cuts the latter.
    """
    planes = np.stack([light(radius()) for light, _ in PROFILES.values()])
    mask, centre = np.repeat(radius()[None] < 31, 3, 0), np.repeat(CENTRE[None], 3, 0)
    found = light_measures.concentration(planes, mask, centre)
    np.testing.assert_allclose(found, [5 * np.log10(2), 2.145, 2.801], atol=0.03)


def test_radii_within_one_pixel():
    """The circle of area 0.2 in a pixel of light."""
    light = np.zeros((1, SIDE, SIDE))
    light[0, 20, 30] = 2
    found = light_measures.light_radii(light, everywhere(light), np.array([[20.0, 30.0]]), [0.2])
    assert found == pytest.approx(np.sqrt(0.2 / np.pi), rel=0.03)


def test_gini_as_mean_difference():
    """Half the mean absolute difference of two pixels over their mean."""
    light, mask, _ = noise()
    for plane, inside, found in zip(light, mask, light_measures.gini(light, mask), strict=True):
        x = np.abs(plane[inside])
        expected = np.abs(x[:, None] - x).sum() / (2 * len(x) * (len(x) - 1) * x.mean())
        assert found == pytest.approx(expected, abs=1e-12)


def test_gini_of_even_light_and_of_one_pixel():
    mask = np.repeat(radius()[None] < 10, 3, 0)
    light = np.full(mask.shape, 5.0)
    light[1] = 0
    light[1, 32, 32] = 1
    m = mask[0].sum()
    light[2] = mask[2].cumsum().reshape(mask[2].shape) <= m // 2  # half of the pixels
    expected = [0, 1, (m - m // 2) / (m - 1)]
    np.testing.assert_allclose(light_measures.gini(light, mask), expected, atol=1e-12)


def test_m20_pixel_by_pixel():
    light, mask, _ = noise()
    light = light.clip(0)
    for plane, inside, found in zip(light, mask, light_measures.m20(light, mask), strict=True):
        at, value = np.argwhere(inside), plane[inside]
        moment = value * ((at - (value @ at) / value.sum()) ** 2).sum(1)
        order, light_so_far, part = np.argsort(-value), 0.0, 0.0
        for i in order:  # from the brightest down, until 20 % are reached
            light_so_far, part = light_so_far + value[i], part + moment[i]
            if light_so_far > 0.2 * value.sum():
                break
        assert found == pytest.approx(np.log10(part / moment.sum()), abs=1e-12)


def test_m20_of_extremes():
    """Even light: all pixels are as bright. A bright pixel on the centroid: the floor."""
    mask = np.repeat((radius((32, 32)) < 10)[None], 2, 0)
    light = np.ones(mask.shape)
    light[1, 32, 32] = 1000
    np.testing.assert_allclose(
        light_measures.m20(light, mask), [0, light_measures.M20_FLOOR], atol=1e-12
    )


def test_asymmetry_pixel_by_pixel():
    """About centres on half pixels nothing is interpolated."""
    light, _, weight = noise()
    centre, sky = np.array([[4.0, 4.0], [3.5, 5.0], [2.0, 4.5]]), np.array([0.0, 0.1, 0.3])
    for k, found in enumerate(light_measures.asymmetry(light, weight, centre, sky)):
        total = 0.0
        for (y, x), value in np.ndenumerate(light[k]):
            v, u = (2 * centre[k] - (y, x)).astype(int)
            mirrored = light[k, v, u] if 0 <= v < 9 and 0 <= u < 9 else 0
            total += weight[k, y, x] * (abs(value - mirrored) - sky[k])
        assert found == pytest.approx(total / (weight[k] * np.abs(light[k])).sum(), abs=1e-12)


def test_asymmetry_between_pixels():
    """What is linear along both axes is interpolated exactly."""
    centre = np.array([[31.3, 32.15]])
    y, x = np.mgrid[:SIDE, :SIDE]

    def plane(y, x):
        return 100 + 2 * y + x + 0.1 * y * x

    mask = (np.abs(y - 31) < 20) & (np.abs(x - 32) < 20)
    difference = np.abs(plane(y, x) - plane(62.6 - y, 64.3 - x))
    expected = difference[mask].sum() / plane(y, x)[mask].sum()
    found = light_measures.asymmetry(plane(y, x)[None], mask[None], centre)
    assert found == pytest.approx(expected, abs=1e-12)


def test_asymmetry_of_a_symmetric_galaxy_and_of_one_arm():
    with_arm = gaussian(3, 3, 0, (31, 32)) + gaussian(3, 3, 0, (20, 32))
    light = np.concatenate([gaussian(7, 4, 0.6), with_arm])
    one_side = np.where(np.arange(SIDE) < 32, light[:1], 0)
    centre, whole = np.stack([CENTRE, (31, 32), (31.5, 31.5)]), np.concatenate([light, one_side])
    symmetric, arm, half = light_measures.asymmetry(whole, everywhere(whole), centre)
    assert symmetric < 0.03  # what linear interpolation leaves
    # The arm, half of the light, is missed on both sides: 1/2 + 1/2.
    assert arm == pytest.approx(1, abs=0.12)
    assert half == pytest.approx(2, abs=1e-12)  # nothing lies on itself


@pytest.mark.parametrize("centre", [(31.5, 31.5), (30.2, 33.4), (32.0, 30.7)])
def test_symmetry_centre(centre):
    light = gaussian(7, 4, 0.6, centre)
    start = np.array([[31.0, 32.0]])
    steps = (2, 1, 0.5, 0.25, 0.125)
    found, without_steps = (
        light_measures.symmetry_centre(light, everywhere(light), start, x) for x in (steps, ())
    )
    np.testing.assert_allclose(found[0], centre, atol=0.15)
    np.testing.assert_array_equal(without_steps, start)


def test_smoothness_pixel_by_pixel():
    light, _, weight = noise(side=15)
    box, sky = np.array([3, 5, 3]), np.array([0.0, 0.1, 0.2])
    weight[:, [0, 1, -2, -1]] = weight[:, :, [0, 1, -2, -1]] = 0  # boxes lie inside
    found = light_measures.smoothness(
        light, light_measures.small_scale_light(light, box), weight, sky
    )
    for k, half in enumerate(box // 2):
        total = 0.0
        for y, x in np.argwhere(weight[k] > 0):
            mean = light[k, y - half : y + half + 1, x - half : x + half + 1].mean()
            total += weight[k, y, x] * (max(light[k, y, x] - mean, 0) - sky[k])
        assert found[k] == pytest.approx(total / (weight[k] * light[k]).sum(), abs=1e-12)


def test_smoothness_of_a_slope_and_of_clumps():
    y, x = distances()
    mask = np.repeat((radius() < 20)[None], 2, 0)
    slope = 200.0 + y + 2 * x
    is_clump = (np.arange(SIDE)[:, None] % 4 < 2) & (np.arange(SIDE) % 4 < 2)
    light = np.stack([slope, slope + 50 * is_clump])
    detail = light_measures.small_scale_light(light, np.array([5, 5]))
    smooth, clumpy = light_measures.smoothness(light, detail, mask)
    assert smooth == pytest.approx(0, abs=1e-12) and clumpy > 0.02


def test_no_light_gives_zero():
    """In the aperture, though there is some in the image."""
    light = gaussian(3, 3, 0)
    nothing, centre = np.zeros(light.shape, bool), CENTRE[None]
    assert light_measures.asymmetry(light, nothing, centre) == 0
    assert light_measures.smoothness(light, light, nothing) == 0


@pytest.fixture(scope="module")
def measured():
    """Galaxies measured by statmorph with the same segmentation: [(light, galaxy, result)]."""
    statmorph = pytest.importorskip(
        "statmorph", reason="needs statmorph, photutils and scikit-image"
    )
    sky, out = np.full((SIDE, SIDE), 2.0), []
    images, _ = galaxies.render(5, np.arange(8), SIDE)
    for light, inside, others in zip(*galaxy_morphology.segment(images), strict=True):
        result = statmorph.SourceMorphology(
            light, inside + 2 * others, 1, weightmap=sky, skybox_size=8, n_sigma_outlier=0
        )
        out.append((light, inside, result))
    return out


def exact(aperture, plane):
    """Return the shares of the pixels that lie in one of photutils' apertures: [1, H, W]."""
    return aperture.to_mask("exact").to_image(plane.shape)[None]


def known_or_zero(sky):
    return 0 if sky == -99 else sky


@pytest.mark.filterwarnings("ignore")
def test_equal_to_statmorph(measured):
    """Given its segments, apertures and centres: to rounding, except for concentration."""
    aperture = pytest.importorskip("photutils.aperture")
    transform = pytest.importorskip("skimage.transform")
    n_smooth = 0
    for light, inside, result in measured:
        ellipticity = light_measures.ellipticity(light[None], inside[None])
        assert ellipticity == pytest.approx(result.ellipticity_centroid, abs=1e-9)
        stamp, segment = result._cutout_stamp_maskzeroed[None], result._segmap_gini[None]
        assert light_measures.gini(stamp, segment) == pytest.approx(result.gini, abs=1e-9)
        assert light_measures.m20(stamp, segment) == pytest.approx(result.m20, abs=1e-9)

        middle, petrosian = result._asymmetry_center, result.rpetro_circ
        circle = aperture.CircularAperture(middle, 1.5 * result._rpetro_circ_centroid)
        mask = result._mask_stamp
        weight = exact(circle, stamp[0])
        weight = weight * ~(mask | (transform.rotate(mask, 180.0, center=middle) >= 0.5))
        sky = known_or_zero(result._sky_asymmetry)
        asymmetry = light_measures.asymmetry(stamp, weight, middle[None, ::-1], sky)
        assert asymmetry == pytest.approx(result.asymmetry, abs=1e-9)

        box = int(0.25 * petrosian)
        if box % 2:
            n_smooth += 1
            ring = aperture.CircularAnnulus(middle, 0.25 * petrosian, 1.5 * petrosian)
            weight = exact(ring, stamp[0])
            # statmorph counts the sky that lies outside the image too.
            sky = known_or_zero(result._sky_smoothness) * ring.area / weight.sum()
            detail = light_measures.small_scale_light(stamp, np.array([box]))
            smoothness = light_measures.smoothness(stamp, detail, weight, sky)
            assert smoothness == pytest.approx(result.smoothness, abs=1e-9)
    assert n_smooth > 1


@pytest.mark.filterwarnings("ignore")
def test_concentration_of_statmorph(measured):
    """Given its apertures, to what subpixels leave of an exact overlap of pixels and circles."""
    aperture = pytest.importorskip("photutils.aperture")
    for _, _, result in measured:
        stamp, middle = result._cutout_stamp_maskzeroed, result._asymmetry_center
        weight = exact(aperture.CircularAperture(middle, 1.5 * result.rpetro_circ), stamp)
        found = light_measures.concentration(stamp * weight, weight > 0, middle[None, ::-1])
        assert found == pytest.approx(result.concentration, abs=0.01)
