"""The embedded galaxies in five bands, in physical units, with their truth: `--data=galaxies5`.

Galaxy i has the shape of galaxy i of `galaxies`. It is kept before any stretch, as a survey's
coadded images are: flux in nJy per pixel above the sky, of the bands g, r, i, z and y. Each band
has a point spread, noise of the sky and noise of the light's own photons; all noise is independent
from pixel to pixel. Larger images of a galaxy are finer pictures of the same square of the sky, so
a pixel of them has less light and less noise.
"""

from typing import NamedTuple

import numpy as np

from gan_jax import cache
from gan_jax.data import galaxies, galaxy_painters
from gan_jax.data.galaxy_painters import SEEING
from gan_jax.data.pixel_format import PixelFormat
from gan_jax.data.types import DataOptions, OpenedArrays
from gan_jax.errors import InputError
from gan_jax.settings import Size

VERSION = 1  # part of the cache key: raise it whenever a picture or a truth changes
BANDS = ("g", "r", "i", "z", "y")
N_TRAIN, N_TEST = 10_000, 5_000
# The truth of a galaxy: 1 - its axis ratio, see galaxy_painters.Painting; its AB magnitude in r,
# and g - r in magnitudes, of its light in the square image without neighbours.
QUANTITIES = ("ellipticity", "magnitude", "colour")
ZERO_POINT = 31.4  # AB magnitude of 1 nJy

# Colours of starlight as magnitudes minus that in r: of old stars (age 0), and of young ones (1).
_OLD = np.array([0.80, 0.0, -0.38, -0.63, -0.76])
_YOUNG = np.array([0.30, 0.0, -0.10, -0.14, -0.16])
_MAGNITUDE, _SPREAD = 21.6, 0.65  # mean and standard deviation over galaxies, in r
_STAR = 8e3  # flux in nJy in r of a star whose `light` would be 1, see galaxy_painters.Neighbours
# The point spread over that in r: it goes with the wavelength to the power -1/5.
_SEEING_RATIOS = np.array([1.053, 1.0, 0.963, 0.934, 0.916], np.float32)
_SKY_NOISE = np.array([2.5, 3.0, 4.0, 6.0, 10.0], np.float32)  # nJy in a pixel of 64 along the side
_PHOTON = 0.06  # nJy of one photon


class Sky(NamedTuple):
    """Galaxies without noise."""

    light: np.ndarray  # of the galaxy alone: float32 [N, H, W, 5], nJy per pixel
    neighbours: np.ndarray  # the same of other objects
    truth: np.ndarray  # float32 [N, 3], columns as in QUANTITIES
    labels: np.ndarray  # int32 [N], numbers into galaxies.CLASSES


def sky_noise(size: int) -> np.ndarray:
    """Return the standard deviation of the sky: float32 [5], in nJy per pixel.

    Args:
      size: the longer side of the images, in pixels.
    """
    return _SKY_NOISE * np.float32(64 / size)


def paint(seed: int, indices: np.ndarray, size: int | Size) -> Sky:
    """Paint galaxies without noise; arguments as in `galaxies.render`."""
    hw = Size.of(size)
    light, near = (np.empty((len(indices), *hw, len(BANDS)), np.float32) for _ in range(2))
    truth = np.empty((len(indices), len(QUANTITIES)), np.float32)
    for rows, _, galaxy, others, of_chunk in _chunks(seed, indices, max(hw)):
        light[rows], near[rows] = _pixels(galaxy, hw), _pixels(others, hw)
        truth[rows] = of_chunk
    return Sky(light, near, truth, galaxies.labels(seed, indices))


def render(seed: int, indices: np.ndarray, size: int | Size) -> tuple[np.ndarray, np.ndarray]:
    """Render galaxies by their numbers; arguments as in `galaxies.render`.

    Returns:
      (images float32 [N, H, W, 5] in nJy per pixel; truth as in Sky).
    """
    hw = Size.of(size)
    images = np.empty((len(indices), *hw, len(BANDS)), np.float32)
    truth = np.empty((len(indices), len(QUANTITIES)), np.float32)
    for rows, rng, galaxy, others, of_chunk in _chunks(seed, indices, max(hw)):
        light = galaxy + others
        light += _noise(rng, light)
        images[rows], truth[rows] = _pixels(light, hw), of_chunk
    return images, truth


def _chunks(seed, indices, side):
    """Yield (which of the indices, their random numbers, light of galaxies, of neighbours, truth).

    Light is in squares of finer pixels, [n, 5, S, S].
    """
    fine = side * galaxies.fine_factor(side)
    for rows, label, rng in galaxies.chunks(seed, indices, side):
        light, truth = _galaxy(rng, galaxies.CLASSES[label], fine)
        yield rows, rng, light, _neighbours(rng, fine), truth


def _pixels(light, hw):
    """Sum the light within the pixels of an image: [n, 5, S, S] -> [n, H, W, 5]."""
    pixels = galaxies.sum_pixels(light, light.shape[2] // max(hw))
    return galaxies.middle(pixels.transpose(0, 2, 3, 1), hw)


def _ratios(ages):
    """Return the flux of starlight over that in r: ages [N, K] -> float32 [N, 5, K]."""
    ages = ages[:, None]
    magnitudes = _OLD[:, None] * (1 - ages) + _YOUNG[:, None] * ages
    return (10 ** (-0.4 * magnitudes)).astype(np.float32)


def _galaxy(rng, name, size):
    """Return the blurred light of galaxies, float32 [N, 5, S, S], and their truth [N, 3]."""
    painting = galaxy_painters.paint(rng, name, size)
    tint = rng.uniform("tint", 0.95, 1.05, n=len(BANDS))
    ratios = _ratios(painting.ages) * tint[:, :, None]
    n, layers = painting.ages.shape
    planes = (ratios @ painting.light.reshape(n, layers, -1)).reshape(n, -1, size, size)
    flux = planes.sum((2, 3), dtype=np.float64)
    magnitude = _MAGNITUDE + _SPREAD * rng.normal("magnitude")[:, 0].astype(np.float64)
    flux *= 10 ** (0.4 * (ZERO_POINT - magnitude)) / flux[:, 1:2]
    planes = _blur(rng, planes)
    # The seeing carries some light out of the image. What is left is the galaxy's flux.
    planes *= (flux / planes.sum((2, 3), dtype=np.float64)).astype(np.float32)[:, :, None, None]
    colour = -2.5 * np.log10(flux[:, 0] / flux[:, 1])
    return planes, np.stack([1 - painting.axis_ratio, magnitude[:, 0], colour], 1)


def _widths(rng):
    """Return the standard deviations of the point spreads: float32 [N, 5]."""
    return rng.uniform("seeing", *SEEING)[:, 0] * _SEEING_RATIOS


def _blur(rng, planes):
    """Blur each band by its point spread: [N, 5, S, S]."""
    widths = _widths(rng)[:, :, None, None]
    of_bands = [
        galaxy_painters.blur(planes[:, band : band + 1], widths[:, band])
        for band in range(len(BANDS))
    ]
    return np.concatenate(of_bands, 1)


def _neighbours(rng, size):
    """Return the light of neighbours: float32 [N, 5, S, S]."""
    near, widths = galaxy_painters.neighbours(rng), _widths(rng)
    flux = (_STAR * near.light * near.spread**2)[:, None] * _ratios(near.ages)
    out = np.empty((len(flux), len(BANDS), size, size), np.float32)
    for band in range(len(BANDS)):
        width = widths[:, band : band + 1]
        gx, gy = near.profiles(size, width)
        # The integral of a Gaussian of peak 1, in pixels.
        area = 2 * np.pi * (width * near.spread * (size / 2)) ** 2
        out[:, band] = (gy * (flux[:, band] / area)[:, None]) @ gx.swapaxes(1, 2)
    return out


def _noise(rng, light):
    """Return the noise of the sky and of the light: float32 [N, 5, S, S]."""
    variance = _PHOTON * light.clip(0) + sky_noise(light.shape[2])[:, None, None] ** 2
    normal = rng.normal("noise", n=light[0].size).reshape(light.shape)
    return normal * np.sqrt(variance)


def load(arg: str, options: DataOptions, split: str = "train") -> OpenedArrays:
    """Return the embedded galaxies in five bands, rendered once and cached.

    Args:
      arg: "" for 10,000 training images, or their number ("2000").
      options: see datasets.load; crop must be 0, since the galaxies are rendered at their size.
        labels: names of QUANTITIES with commas, which nets are then told; "" for none. The classes
        are labels in any case.
      split: "train", or "test" (other galaxies: 5,000, or as many as the training set has if those
        are fewer).

    Returns:
      OpenedArrays of a float32 memmap [N, H, W, 5], read-only, in nJy.

    Raises:
      InputError: arg is not a positive integer, crop is not 0, or labels name no quantities.
    """
    galaxies.check_request("galaxies5", arg, options)
    quantities = _quantities(options.labels)
    n, seed, hw = int(arg or N_TRAIN), galaxies.SEEDS[split], options.hw
    n = min(n, N_TEST) if split == "test" else n
    settings = {"version": VERSION, "seed": seed, "n": n, "size": hw.value}

    def build(folder):
        truth = galaxies.write_images(
            folder, "galaxies5", n, hw, lambda indices: render(seed, indices, hw)
        )
        np.save(folder / "truth.npy", truth)

    folder = cache.entry("galaxies5", settings, build)
    truth = np.load(folder / "truth.npy")
    return OpenedArrays(
        np.load(folder / "images.npy", mmap_mode="r"),
        galaxies.labels(seed, np.arange(n)),
        galaxies.CLASSES,
        format=PixelFormat("float32", unit="nJy", bands=BANDS),
        values=truth[:, [QUANTITIES.index(name) for name in quantities]] if quantities else None,
        quantities=quantities,
    )


def _quantities(text):
    """Parse --labels: names of QUANTITIES, each once."""
    names = tuple(word.strip() for word in text.split(",")) if text else ()
    if len(set(names)) < len(names) or not set(names) <= set(QUANTITIES):
        raise InputError(
            f"--labels={text}: galaxies5 has the quantities {', '.join(QUANTITIES)}; name some of "
            "them with commas, each once, or leave it empty for the classes alone."
        )
    return names
