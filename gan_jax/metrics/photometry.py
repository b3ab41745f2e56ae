"""Photometry: light, colours, shapes and noise in the data's own units, beside real images.

Other metrics see stretched images of 8 bits, in which the noise and the brightest light are a few
levels. This one measures the numbers themselves, band by band, each above the sky of its own image.
It is made for images with one object near the middle of an even sky; where there is none, the whole
image takes its place, so that any images with floats or 16 bits have these scores.
"""

import numpy as np
import scipy

from gan_jax import errors
from gan_jax.data.types import Dataset
from gan_jax.metrics import light_measures, metric, objects

SHAPES = ("ellipticity", "concentration", "gini", "m20")
# Of each band: the light of the image and of its object, the noise of both, the standard deviation
# of the sky and the correlation of neighbouring pixels there.
COLUMNS = ("total", "light", "total_noise", "light_noise", "noise", "correlation", *SHAPES)
N_RINGS = 10  # around the object, out to half of the shorter side
N_BINS = 10  # of the frequency, from 0 to that of a checkerboard

# Largest ratio, and factor of 10 between powers, that is told: the real ones may be nearly 0.
_MAX_RATIO, _MAX_DEX = 1e3, 6.0
_N_COLUMNS = len(COLUMNS) + N_RINGS + N_BINS


def measure_images(values: np.ndarray) -> np.ndarray:
    """Measure each band of each image, on all cores.

    Args:
      values: float32 [N, H, W, C], finite.

    Returns:
      float64 [N, C, K], finite: columns as in COLUMNS, then the mean light in N_RINGS rings, then
      the mean power in N_BINS bins of the frequency (white noise has its variance in each).
    """
    return metric.measure_blocks(values, _measure_block, (values.shape[3], _N_COLUMNS))


def _measure_block(values):
    """Compute `measure_images` of one block."""
    n, height, width, channels = values.shape
    planes = values.transpose(3, 0, 1, 2).astype(np.float64)
    bands = [objects.without_sky(plane) for plane in planes]
    noise = [objects.noise(light) for light in bands]
    mask, centre = _find_object(bands, noise)
    rings = _ring_numbers(centre, height, width)
    frequencies = _frequency_numbers(height, width)
    out = np.empty((n, channels, _N_COLUMNS))
    for band, (light, sigma) in enumerate(zip(bands, noise, strict=True)):
        inside = np.where(mask, light.clip(0), 0)
        inside = np.where(inside.any((1, 2), keepdims=True), inside, mask)
        columns = (
            light.sum((1, 2)),
            (light * mask).sum((1, 2)),
            sigma * np.sqrt(height * width),
            sigma * np.sqrt(mask.sum((1, 2))),
            sigma,
            objects.noise_correlation(light),
            light_measures.ellipticity(inside, mask),
            light_measures.concentration(inside, mask, centre),
            light_measures.gini(inside, mask),
            light_measures.m20(inside, mask),
        )
        power = np.abs(np.fft.fft2(light)) ** 2 / (height * width)
        of_rings = _means(light, rings, N_RINGS)
        out[:, band] = np.concatenate(
            [np.stack(columns, 1), of_rings, _means(power, frequencies, N_BINS)], 1
        )
    return out


def _find_object(bands, noise):
    """Find the object of each image, in all bands together.

    Bands count by their signal over noise. An image without an object, or without any light above
    the sky, is all object.

    Returns:
      (mask bool [n, H, W], centre of its light float64 [n, 2]).
    """
    least = np.max(noise, 0) * 1e-3
    weights = [1 / np.where(sigma > least, sigma, np.where(least > 0, least, 1)) for sigma in noise]
    light = np.sum([x * w[:, None, None] for x, w in zip(bands, weights, strict=True)], 0)
    mask, _ = objects.find(light)
    mask |= ~mask.any((1, 2), keepdims=True)
    bright = np.where(mask, light.clip(0), 0)
    is_dark = ~bright.any((1, 2), keepdims=True)
    return mask | is_dark, light_measures.centroid(np.where(is_dark, 1.0, bright))


def _ring_numbers(centre, height, width):
    """Number the ring of each pixel: int [n, H, W], N_RINGS outside."""
    y, x = (np.arange(side) - c[:, None] for side, c in zip((height, width), centre.T, strict=True))
    radius = np.sqrt(y[:, :, None] ** 2 + x[:, None] ** 2)
    return np.minimum(radius / (min(height, width) / 2) * N_RINGS, N_RINGS).astype(np.int64)


def _frequency_numbers(height, width):
    """Number the bin of each frequency: int [1, H, W], N_BINS for frequency 0."""
    y, x = np.fft.fftfreq(height), np.fft.fftfreq(width)
    frequency = np.sqrt(y[:, None] ** 2 + x**2) / np.sqrt(0.5)
    number = np.minimum(frequency * N_BINS, N_BINS - 1).astype(np.int64)
    return np.where(frequency > 0, number, N_BINS)[None]


def _means(planes, numbers, n_groups):
    """Average the pixels of each group: [n, H, W] -> [n, n_groups]; 0 of empty groups."""
    n = len(planes)
    place = (numbers + (n_groups + 1) * np.arange(n)[:, None, None]).ravel()
    sums = np.bincount(place, planes.ravel(), n * (n_groups + 1))
    counts = np.bincount(place, minlength=n * (n_groups + 1)).clip(1)
    return (sums / counts).reshape(n, -1)[:, :n_groups]


def compare_sets(real: metric.Views, fake: metric.Views) -> dict[str, float]:
    """Compare the measures of two sets of images; see METRIC for what each score says.

    Distances between distributions are 1-Wasserstein distances in standard deviations of the real
    images, averaged over bands. Magnitudes are those of asinh (Lupton, Gunn and Szalay 1999), which
    light below 0 has, too; their softening is the median noise of the real images.

    Args:
      real: {"photometry": float64 [N, C, K]}, see `measure_images`.
      fake: {"photometry": float64 [M, C, K]}.

    Raises:
      InputError: there are no real or no fake images.
    """
    rows = real["photometry"], fake["photometry"]
    for name, of_set in zip(("real", "generated"), rows, strict=True):
        if not len(of_set):
            raise errors.InputError(f"Photometry was asked of 0 {name} images; use at least 1.")
    columns = [dict(zip(COLUMNS, of_set.transpose(2, 0, 1), strict=False)) for of_set in rows]
    magnitudes = _both_magnitudes(columns, "total")
    lights = _both_magnitudes(columns, "light")
    colours = [of_set[:, :-1] - of_set[:, 1:] for of_set in lights]
    shapes = [np.concatenate([of_set[name] for name in SHAPES], 1) for of_set in columns]
    medians = [{name: np.median(c[name], 0) for name in ("noise", "total")} for c in columns]
    end = len(COLUMNS) + N_RINGS
    profiles = [of_set[:, :, len(COLUMNS) : end].mean(0) for of_set in rows]
    powers = [np.median(of_set[:, :, end:], 0) for of_set in rows]
    return {
        "phot_magnitude": _distance(*magnitudes),
        "phot_colour": _distance(*colours),
        "phot_shape": _distance(*shapes),
        "phot_profile": _profile_distance(profiles[0], profiles[1], medians[0]["noise"]),
        "phot_power": _power_distance(*powers),
        "phot_flux": _ratio(*[m["total"] for m in medians]),
        "phot_noise": _ratio(*[m["noise"] for m in medians]),
        "phot_correlation": float(columns[1]["correlation"].mean()),
    }


def _both_magnitudes(columns, name):
    """Compute the magnitudes of both sets: two of float64 [n, C]."""
    softening = np.median(columns[0][f"{name}_noise"], 0)
    # Where there is no noise, light is far above this one, and where there is no light, equal.
    typical = np.abs(columns[0][name]).mean(0)
    softening = np.maximum(softening, np.where(typical > 0, 1e-6 * typical, 1))
    return [-2.5 / np.log(10) * np.arcsinh(c[name] / (2 * softening)) for c in columns]


def _distance(real, fake):
    """Average the distances between the columns of [N, A] and [M, A]; 0 without columns."""
    distances = [
        scipy.stats.wasserstein_distance(a, b) / (a.std() or 1)
        for a, b in zip(real.T, fake.T, strict=True)
    ]
    return float(np.mean(distances)) if distances else 0.0


def _profile_distance(real, fake, noise):
    """Average |fake - real| over bands and rings [C, R], in units of the noise [C].

    Without any noise the unit is the mean brightness of the real rings.
    """
    unit = np.where(noise > 0, noise, np.abs(real).mean(1))[:, None]
    return float((np.abs(fake - real) / np.where(unit > 0, unit, 1)).mean())


def _power_distance(real, fake):
    """Average |log10(fake / real)| over bands and bins [C, B] where real images have power."""
    has_power = real > 0
    ratio = fake[has_power] / real[has_power]
    limit = 10.0**_MAX_DEX
    return float(np.abs(np.log10(ratio.clip(1 / limit, limit))).mean()) if ratio.size else 0.0


def _ratio(real, fake):
    """Average fake / real over bands [C]; 1 where both are 0."""
    ratio = np.where(real == fake, 1.0, _MAX_RATIO)
    np.divide(fake, real, out=ratio, where=(real != 0) & (real != fake))
    return float(ratio.clip(-_MAX_RATIO, _MAX_RATIO).mean())


def has_units(dataset: Dataset) -> bool:
    """Say whether the images have values of more than 8 bits."""
    return dataset.format is not None and dataset.format.dtype != "uint8"


METRIC = metric.Metric(
    scores={
        "phot_magnitude": metric.distance_score(
            "magnitudes", "magnitudes of the light in each band"
        ),
        "phot_colour": metric.distance_score(
            "band colours", "colours, ratios of neighbouring bands,"
        ),
        "phot_shape": metric.distance_score(
            "linear shapes", "ellipticity, concentration, Gini and M20 of the unstretched light"
        ),
        "phot_profile": metric.Score(
            "light profile",
            "low",
            "How far the mean brightness in rings around the object is from the real one, in "
            "standard deviations of the sky in a pixel.",
            least=0,
        ),
        "phot_power": metric.Score(
            "power spectrum",
            "low",
            "How far the power at each frequency is from that of real images, as a power of 10.",
            least=0,
            most=_MAX_DEX,
        ),
        "phot_flux": metric.Score(
            "flux ratio",
            "real",
            "Median light above the sky over that of real images, mean of the bands.",
            least=-_MAX_RATIO,
            most=_MAX_RATIO,
        ),
        "phot_noise": metric.Score(
            "noise ratio",
            "real",
            "Noise of the sky, in the frame of the image, over that of real images.",
            least=0,
            most=_MAX_RATIO,
        ),
        "phot_correlation": metric.Score(
            "noise correlation",
            "real",
            "Correlation of the noise of neighbouring pixels of the sky: 0 for white noise.",
            least=-1,
            most=1,
        ),
    },
    needs=("photometry",),
    compute=compare_sets,
    views={"photometry": measure_images},
    applies_to=has_units,
    of_values=True,
)
