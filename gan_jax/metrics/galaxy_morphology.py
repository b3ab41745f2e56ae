"""Galaxy morphology without a network: shapes, light profiles and colours, beside real galaxies.

An image shows one galaxy near its middle on a dark sky. `segment` finds the region that stands out
there, and `light_measures` measures it in the pixel values of the image. The asinh stretch of the
images is not undone: concentration, Gini and M20 are closer to those of an even disk than in linear
light, and compare only between images that are stretched alike. Colour is a ratio of channels,
which the stretch of SDSS images preserves.
"""

import functools

import numpy as np
import scipy

from gan_jax import errors
from gan_jax.data import datasets
from gan_jax.data.types import Dataset
from gan_jax.metrics import light_measures, metric, objects

MEASURES = ("ellipticity", "concentration", "asymmetry", "smoothness", "gini", "m20", "colour")
COLUMNS = (*MEASURES, "found")  # of the view
MIN_SIZE = 32  # pixels; smaller galaxies have no measurable profile

_CONTRAST = 6.0  # of 255 levels, by which a galaxy stands out of the sky, see objects.find
# Lengths as fractions of the image's side:
_STEPS = 0.5 ** np.arange(5, 9)  # 1/32 to 1/256: steps of the walk to the centre of symmetry
# Of the radius of a disk as large as the galaxy: the box that smooths it, and the radius of its
# core.
_BOX = 0.25


def measure_images(images: np.ndarray) -> np.ndarray:
    """Measure the galaxy of each image, on all cores; see metrics.light_measures.

    Args:
      images: uint8 [N, H, W, C], C 1 or 3.

    Returns:
      float64 [N, 8], finite; columns as in COLUMNS. "found" is 1, or 0 for an image without a
      galaxy, whose measures are all 0. Gray images have colour 0.
    """
    return metric.measure_blocks(images, _measure_block, (len(COLUMNS),))


def compare_sets(real: metric.Views, fake: metric.Views) -> dict[str, float]:
    """Compute distances between the distributions of the measures, and the share with a galaxy.

    Args:
      real: {"morphology": float64 [N, 8]}, see `measure_images`.
      fake: {"morphology": float64 [M, 8]}.

    Returns:
      Finite floats:
        "morph_NAME" for each of MEASURES: the 1-Wasserstein distance, in standard deviations of the
          real galaxies.
        "morphology": their mean (without the colour if all images are gray).
        "galaxies_found": share of the fake images with a galaxy.
      An image without a galaxy counts with its zeros in every distance.

    Raises:
      InputError: fewer than two real images have a galaxy, all real galaxies are equal in a
        measure, or there are no fake images.
    """
    real_rows, fake_rows = real["morphology"], fake["morphology"]
    if not len(fake_rows):
        raise errors.InputError("Morphology was asked of 0 images; use at least 1.")
    galaxies = real_rows[real_rows[:, -1] > 0]
    is_gray = not (real_rows[:, -2].any() or fake_rows[:, -2].any())
    compared = MEASURES[: MEASURES.index("colour")] if is_gray else MEASURES
    equal = [
        name for i, name in enumerate(compared) if len(galaxies) < 2 or np.ptp(galaxies[:, i]) == 0
    ]
    if equal:
        raise errors.InputError(
            f"{len(galaxies)} of {len(real_rows)} real images show a galaxy, and their {equal[0]} "
            "does not differ; give morphology more images of bright galaxies, each in the "
            "middle of a dark sky."
        )
    distances = {}
    for i, name in enumerate(compared):
        distance = scipy.stats.wasserstein_distance(real_rows[:, i], fake_rows[:, i])
        distances[f"morph_{name}"] = float(distance / galaxies[:, i].std())
    return {
        "morphology": float(np.mean(list(distances.values()))),
        "morph_colour": 0.0,
        **distances,
        "galaxies_found": float(fake_rows[:, -1].mean()),
    }


def segment(images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the galaxy of each image.

    The image is the mean of its channels, above its sky; the galaxy stands out by 6 levels. See
    objects.find.

    Args:
      images: uint8 [n, H, W, C].

    Returns:
      (light float64 [n, H, W], mean of the channels minus the sky; galaxy bool [n, H, W], empty
      where there is none; others bool [n, H, W], the other objects).
    """
    light = objects.without_sky(images.mean(3, dtype=np.float64))
    galaxy, others = objects.find(light, _CONTRAST)
    return light, galaxy, others


def _measure_block(images):
    """Compute `measure_images` of one block."""
    light, galaxy, others = segment(images)
    has_galaxy, out = galaxy.any((1, 2)), np.zeros((len(images), len(COLUMNS)))
    if has_galaxy.any():
        shape = _measure_shape(
            np.where(others, 0, light)[has_galaxy], galaxy[has_galaxy], others[has_galaxy]
        )
        colours = colour(images[has_galaxy], galaxy[has_galaxy])
        out[has_galaxy] = np.stack([*shape, colours, np.ones(has_galaxy.sum())], 1)
    return out


def _measure_shape(light, galaxy, others):
    """Compute all measures but the colour, each float64 [n]. light is 0 in other objects."""
    bright = light.clip(0)
    start = light_measures.centroid(np.where(galaxy, bright, 0))
    aperture = _symmetric_aperture(galaxy, others, start)
    steps = _STEPS * min(light.shape[1:])
    centre = light_measures.symmetry_centre(light, aperture, start, steps)
    core = _BOX * np.sqrt(galaxy.sum((1, 2)) / np.pi)
    y, x = light_measures.pixel_offsets(light, centre)
    squared_radius = y[:, :, None] ** 2 + x[:, None] ** 2
    without_core = galaxy & (squared_radius > core[:, None, None] ** 2)
    box = 2 * np.rint((core - 1) / 2).clip(1).astype(np.int64) + 1
    detail = light_measures.small_scale_light(light, box)
    # What normal noise of the sky adds to each pixel: mean |a - b| is 2 sigma / sqrt(pi), and the
    # mean positive part is sigma / sqrt(2 pi).
    sky_difference = 2 / np.sqrt(np.pi) * objects.noise(light)
    sky_detail = objects.noise(detail) / np.sqrt(2 * np.pi)
    return (
        light_measures.ellipticity(bright, galaxy),
        light_measures.concentration(bright, galaxy, centre),
        light_measures.asymmetry(light, aperture, centre, sky_difference),
        light_measures.smoothness(light, detail, without_core, sky_detail),
        light_measures.gini(bright, galaxy),
        light_measures.m20(bright, galaxy),
    )


def _symmetric_aperture(galaxy, others, centre):
    """Join the galaxy and its mirror image about a centre: bool [n, H, W].

    Without other objects and their mirror images, and without pixels whose mirror image lies
    outside the image.
    """
    height, width = galaxy.shape[1:]
    y, x = (
        np.rint(2 * c).astype(np.int64)[:, None] - np.arange(size)
        for c, size in zip(centre.T, (height, width), strict=True)
    )
    inside = ((y >= 0) & (y < height))[:, :, None] & ((x >= 0) & (x < width))[:, None]
    mirrored = (
        np.arange(len(galaxy))[:, None, None],
        y.clip(0, height - 1)[:, :, None],
        x.clip(0, width - 1)[:, None],
    )
    return (galaxy | galaxy[mirrored]) & inside & ~(others | others[mirrored])


def colour(images: np.ndarray, galaxy: np.ndarray) -> np.ndarray:
    """Compute (R - B) / (R + B) of the light in the galaxy: -1 all blue, 1 all red, 0 for gray.

    R and B are the sums of the first and the last channel, each above its own sky; 0 where that is
    negative.

    Args:
      images: uint8 [n, H, W, C].
      galaxy: bool [n, H, W].

    Returns:
      float64 [n].
    """
    light = [objects.without_sky(images[..., channel].astype(np.float64)) for channel in (0, -1)]
    red, blue = ((plane * galaxy).sum((1, 2)).clip(0) for plane in light)
    return np.divide(red - blue, red + blue, out=np.zeros(len(images)), where=red + blue > 0)


def _shows_sky(dataset: Dataset) -> bool:
    is_galaxies = datasets.kind_of_images(dataset.name) in ("galaxies", "galaxyzoo")
    return is_galaxies and min(dataset.images.shape[1:3]) >= MIN_SIZE


_distance_score = functools.partial(metric.distance_score, of="galaxies")

METRIC = metric.Metric(
    scores={
        "morphology": metric.Score(
            "morphology",
            "low",
            "How far shapes, profiles and colours of galaxies are from real ones: mean of the "
            "distances below.",
            least=0,
        ),
        "morph_ellipticity": _distance_score(
            "ellipticity", "flattenings (0 round, towards 1 a needle)"
        ),
        "morph_concentration": _distance_score(
            "concentration", "concentrations of the light towards the centre"
        ),
        "morph_asymmetry": _distance_score(
            "asymmetry", "asymmetries, what changes when a galaxy is turned by 180 degrees,"
        ),
        "morph_smoothness": _distance_score("clumpiness", "shares of the light in clumps and arms"),
        "morph_gini": _distance_score(
            "Gini", "inequalities of the brightness of a galaxy's pixels"
        ),
        "morph_m20": _distance_score(
            "M20", "distances of a galaxy's brightest parts from its centre"
        ),
        "morph_colour": _distance_score("colour", "colours, from blue to red,"),
        "galaxies_found": metric.Score(
            "galaxies found",
            "high",
            "Share of the images that show a galaxy on a dark sky.",
            least=0,
            most=1,
        ),
    },
    needs=("morphology",),
    compute=compare_sets,
    views={"morphology": measure_images},
    applies_to=_shows_sky,
)
