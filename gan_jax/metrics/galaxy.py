"""Galaxy morphology, measured without a network: shapes, light profiles and colours of galaxies beside those of real ones.

A picture shows one galaxy near its middle on a dark sky. The galaxy is found as the region there that stands out, and
measured by metrics.morphology in the values of the picture. Its asinh stretch is not undone: concentration, Gini and M20 are
nearer to those of an even disk than in linear light, and compare only between pictures stretched alike. Colour is a ratio of
channels, which the stretch of SDSS pictures keeps.
"""

import concurrent.futures
import os

import numpy as np
from scipy import ndimage

from gan_jax import errors
from gan_jax.metrics import metric, morphology

MEASURES = ("ellipticity", "concentration", "asymmetry", "smoothness", "gini", "m20", "colour")
COLUMNS = (*MEASURES, "found")  # of the view
MIN_SIZE = 32  # pixels; smaller galaxies have no measurable profile

_N_SIGMA = 3.0  # a galaxy stands out by this many times the noise of the sky,
_CONTRAST = 6.0  # and by this many of 255 levels
_FRAME = 1 / 16  # of the side: width of the frame of sky
_BLUR = 1 / 64  # of the side: standard deviation of the Gaussian that blurs the noise
_CENTRAL = (
    1 / 8
)  # of the side: how far from the middle the light is that makes an object the galaxy
_SMALLEST = 1 / 16  # of the side: radius of a disk as large as the smallest galaxy
_BOX = 0.25  # of the radius of a disk as large as the galaxy: the box that smooths it, and the radius of its core
_STEPS = 0.5 ** np.arange(5, 9)  # of the side, 1/32 to 1/256: the walk to the centre of symmetry
_BLOCK = 2**19  # pixels that one thread works on at once: bounds the memory
_IN_PLANE = (
    ndimage.generate_binary_structure(3, 1) & np.array([False, True, False])[:, None, None]
)  # images do not touch


def view(images):
    """Measures of each image, on all cores; see metrics.morphology.

    Args:
      images: uint8 [N, H, W, C], C 1 or 3.

    Returns:
      float64 [N, 8], finite; columns as in COLUMNS. found is 1, or 0 for an image without a galaxy, which has 0 everywhere.
      Gray images have colour 0.
    """
    step = max(1, _BLOCK // (images.shape[1] * images.shape[2]))
    with concurrent.futures.ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        blocks = pool.map(
            lambda start: _rows(np.asarray(images[start : start + step])),
            range(0, len(images), step),
        )
        return np.concatenate([np.zeros((0, len(COLUMNS))), *blocks])


def segment(images):
    """Finds the galaxy of each image.

    The sky is the median of a frame of 1/16 of the side, its noise the clipped standard deviation there. In the image blurred
    by a Gaussian of 1/64 of the side, pixels that stand out by 3 times the noise and by 6 levels are objects, connected by
    the sides of pixels. The galaxy is the object with most light within 1/8 of the side from the middle, if it is as large as
    a disk of radius 1/16 of the side. A neighbour that overlaps the galaxy is part of it.

    Args:
      images: uint8 [n, H, W, C].

    Returns:
      (light float64 [n, H, W], mean of the channels minus the sky; galaxy bool [n, H, W], empty where there is none; others
      bool [n, H, W], the other objects).
    """
    light = _without_sky(images.mean(3, dtype=np.float64))
    side = min(light.shape[1:])
    blurred = _without_sky(ndimage.gaussian_filter(light, (0, _BLUR * side, _BLUR * side)))
    above = blurred > np.maximum(_N_SIGMA * _noise(blurred), _CONTRAST)[:, None, None]
    objects, n_objects = ndimage.label(above, _IN_PLANE)
    galaxy = _chosen(objects, n_objects, light)[objects]
    return light, galaxy, above & ~galaxy


def _chosen(objects, n_objects, light):
    """Which objects are galaxies: bool [n_objects + 1], of which number 0 is the sky."""
    y, x = (np.arange(size) - (size - 1) / 2 for size in light.shape[1:])
    side = min(light.shape[1:])
    central = np.where(y[:, None] ** 2 + x**2 <= (_CENTRAL * side) ** 2, light.clip(0), 0)
    brightness = np.bincount(objects.ravel(), central.ravel(), n_objects + 1)
    area = np.bincount(objects.ravel(), minlength=n_objects + 1)
    image, brightest = np.zeros(n_objects + 1, np.int64), np.zeros(len(light))
    image[objects] = np.arange(len(light))[:, None, None]
    brightness[0] = 0
    np.maximum.at(brightest, image, brightness)
    return (
        (brightness > 0)
        & (brightness == brightest[image])
        & (area >= np.pi * (_SMALLEST * side) ** 2)
    )


def _rows(images):
    """The view of one block."""
    light, galaxy, others = segment(images)
    found, out = galaxy.any((1, 2)), np.zeros((len(images), len(COLUMNS)))
    if found.any():
        shape = _shape(np.where(others, 0, light)[found], galaxy[found], others[found])
        out[found] = np.stack(
            [*shape, colour(images[found], galaxy[found]), np.ones(found.sum())], 1
        )
    return out


def _shape(light, galaxy, others):
    """All measures but the colour, each float64 [n]. light: 0 in other objects."""
    bright = light.clip(0)
    start = morphology.centroid(np.where(galaxy, bright, 0))
    aperture = _symmetric(galaxy, others, start)
    centre = morphology.symmetry_centre(light, aperture, start, _STEPS * min(light.shape[1:]))
    radius = _BOX * np.sqrt(galaxy.sum((1, 2)) / np.pi)
    y, x = (np.arange(size) - c[:, None] for size, c in zip(light.shape[1:], centre.T, strict=True))
    around = galaxy & (y[:, :, None] ** 2 + x[:, None] ** 2 > radius[:, None, None] ** 2)
    detail = morphology.detail(light, 2 * np.rint((radius - 1) / 2).clip(1).astype(np.int64) + 1)
    return (  # what normal noise leaves: mean |a - b| is 2 sigma / sqrt(pi), mean positive part is sigma / sqrt(2 pi)
        morphology.ellipticity(bright, galaxy),
        morphology.concentration(bright, galaxy, centre),
        morphology.asymmetry(light, aperture, centre, 2 / np.sqrt(np.pi) * _noise(light)),
        morphology.smoothness(light, detail, around, _noise(detail) / np.sqrt(2 * np.pi)),
        morphology.gini(bright, galaxy),
        morphology.m20(bright, galaxy),
    )


def _symmetric(galaxy, others, centre):
    """The galaxy and its mirror image about a centre, without other objects and theirs, and without pixels whose mirror image
    lies outside the picture: bool [n, H, W]."""
    y, x = (
        np.rint(2 * c).astype(np.int64)[:, None] - np.arange(n)
        for c, n in zip(centre.T, galaxy.shape[1:], strict=True)
    )
    height, width = galaxy.shape[1:]
    inside = ((y >= 0) & (y < height))[:, :, None] & ((x >= 0) & (x < width))[:, None]
    at = (
        np.arange(len(galaxy))[:, None, None],
        y.clip(0, height - 1)[:, :, None],
        x.clip(0, width - 1)[:, None],
    )
    return (galaxy | galaxy[at]) & inside & ~(others | others[at])


def colour(images, galaxy):
    """(R - B) / (R + B) of the light in the galaxy: float64 [n], from -1, all blue, to 1, all red; 0 for gray images.

    R and B are sums of the first and the last channel, each above its own sky; 0 where that is negative.
    """
    light = [_without_sky(images[..., channel].astype(np.float64)) for channel in (0, -1)]
    red, blue = ((plane * galaxy).sum((1, 2)).clip(0) for plane in light)
    return np.divide(red - blue, red + blue, out=np.zeros(len(images)), where=red + blue > 0)


def _frame(planes):
    """The pixels of the frame of sky: [n, P]."""
    width = max(1, round(_FRAME * min(planes.shape[1:])))
    frame = np.ones(planes.shape[1:], bool)
    frame[width:-width, width:-width] = False
    return planes[:, frame]


def _without_sky(planes):
    return planes - np.median(_frame(planes), 1)[:, None, None]


def _noise(planes):
    """Standard deviation of the sky: [n]. Pixels within 3 times that by the median absolute deviation, which alone would jump
    from level to level; / 0.987 for what normal noise loses so."""
    sky = _frame(planes)
    away = np.abs(sky - np.median(sky, 1, keepdims=True))
    kept = away <= 3 * 1.4826 * np.median(away, 1, keepdims=True)
    return np.sqrt((away**2 * kept).sum(1) / kept.sum(1)) / 0.987


def measure(real, fake):
    """Distances between the distributions of the measures, and how many images show a galaxy.

    Args:
      real, fake: {"morphology": float64 [N or M, 8]}, see `view`.

    Returns:
      Finite floats: "morph_NAME" for each of MEASURES, the 1-Wasserstein distance in standard deviations of the real galaxies;
      "morphology", their mean (without the colour if all images are gray); "galaxies_found", the share of fake images with
      a galaxy. An image without one counts with its zeros in every distance.

    Raises:
      InputError: fewer than two real images have a galaxy, or the real galaxies are all equal in a measure.
    """
    real, fake = real["morphology"], fake["morphology"]
    galaxies = real[real[:, -1] > 0]
    coloured = (
        MEASURES.index("colour") if not (real[:, -2].any() or fake[:, -2].any()) else len(MEASURES)
    )
    compared = MEASURES[:coloured]
    equal = [
        name for i, name in enumerate(compared) if len(galaxies) < 2 or np.ptp(galaxies[:, i]) == 0
    ]
    if equal:
        raise errors.InputError(
            f"{len(galaxies)} of {len(real)} real images show a galaxy, and their {equal[0]} does not differ; give morphology "
            "more images of bright galaxies, each in the middle of a dark sky."
        )
    from scipy import stats  # half a second, which training need not wait for

    distances = {
        f"morph_{name}": float(
            stats.wasserstein_distance(real[:, i], fake[:, i]) / galaxies[:, i].std()
        )
        for i, name in enumerate(compared)
    }
    mean = float(np.mean(list(distances.values())))
    return {
        "morphology": mean,
        "morph_colour": 0.0,
        **distances,
        "galaxies_found": float(fake[:, -1].mean()),
    }


def _of_sky(source):
    return (
        source.name.partition(":")[0] in ("galaxies", "galaxyzoo")
        and min(source.images.shape[1:3]) >= MIN_SIZE
    )


def _distance(title, what):
    return metric.Score(
        title,
        "low",
        f"How much {what} differ from those of real galaxies, in their standard deviations.",
    )


METRIC = metric.Metric(
    scores={
        "morphology": metric.Score(
            "morphology",
            "low",
            "How far shapes, profiles and colours of galaxies are from real ones: mean of the distances below.",
        ),
        "morph_ellipticity": _distance("ellipticity", "flattenings (0 round, towards 1 a needle)"),
        "morph_concentration": _distance(
            "concentration", "concentrations of the light towards the centre"
        ),
        "morph_asymmetry": _distance(
            "asymmetry", "asymmetries, what changes when a galaxy is turned by 180 degrees,"
        ),
        "morph_smoothness": _distance("clumpiness", "shares of the light in clumps and arms"),
        "morph_gini": _distance("Gini", "inequalities of the brightness of a galaxy's pixels"),
        "morph_m20": _distance("M20", "distances of a galaxy's brightest parts from its centre"),
        "morph_colour": _distance("colour", "colours, from blue to red,"),
        "galaxies_found": metric.Score(
            "galaxies found", "high", "Share of the images that show a galaxy on a dark sky."
        ),
    },
    needs=("morphology",),
    measure=measure,
    views={"morphology": view},
    suits=_of_sky,
)
