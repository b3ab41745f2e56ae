"""The embedded data set: procedural galaxies in the five classes of Galaxy Zoo 2.

A galaxy is a sum of layers of light (Sersic spheroid, disk, spiral arms, bar), each with a colour.
The seeing blurs the layers; then come neighbours, noise and the asinh stretch of the SDSS pictures.
Without that stretch all light would sit in a few central pixels. Every number is a hash of (seed,
index, name). So image i is the same in every batch, and a galaxy is the same one at every size
(above 64 pixels with other noise and other clumps in its arms).

Lengths are in half image sides: the picture spans [-1, 1] in x and y.
"""

import concurrent.futures
import functools
import os
import pathlib
import sys
from collections.abc import Callable, Iterator

import numpy as np

from gan_jax import cache
from gan_jax.data import galaxy_painters
from gan_jax.data.galaxy_painters import SEEING, Random, blur
from gan_jax.data.types import Arrays, DataOptions
from gan_jax.errors import InputError
from gan_jax.settings import Size

VERSION = 3  # part of the cache key: raise it whenever a picture changes
CLASSES = tuple(galaxy_painters.PAINTERS)
FREQUENCIES = (0.293, 0.280, 0.020, 0.136, 0.271)  # of the 28,790 images of Dai and Tong 2018
N_TRAIN, N_TEST = 28_790, 5_000
SEEDS = {"train": 20_180_701, "test": 20_180_702}

_FINE = 64  # smaller pictures are rendered at this size or more and averaged down
_CHUNK_PIXELS = 1 << 16  # of one float32 plane: a few planes stay in the processor's cache
_BLOCK, _BLOCK_BYTES = 512, 2**26  # images that one thread renders at a time, at most
_PHOTONS = 30.0  # brightness 1 / _PHOTONS has as much photon noise as the sky
_SOFTENING = 10.0  # beta of the asinh stretch: light well below 1 / beta is shown linearly

# Colours of starlight (r, g, b) of mean 1, from old and red (age 0) to young and blue (1).
_AGES = (0.0, 0.4, 0.7, 1.0)
_COLOURS = np.array(
    [[1.36, 1.02, 0.62], [1.22, 1.00, 0.78], [1.04, 0.98, 0.98], [0.84, 0.95, 1.21]], np.float32
)
_SKY = np.array([1.1, 1.1, 0.7], np.float32)


def _colour(ages):
    """Return the colours of starlight: ages [N, K] -> float32 [N, 3, K]."""
    return np.stack([np.interp(ages, _AGES, c) for c in _COLOURS.T], 1).astype(np.float32)


def _light(rng, label, size):
    """Return the blurred light of galaxies of one class and of their neighbours.

    Before noise and stretch: float32 [N, 3, S, S].
    """
    painting = galaxy_painters.paint(rng, CLASSES[label], size)
    width = rng.uniform("seeing", *SEEING)
    planes = blur(painting.light, width)
    colours = _colour(painting.ages) * rng.uniform("tint", 0.95, 1.05, n=3)[:, :, None]
    light = (colours @ planes.reshape(*planes.shape[:2], -1)).reshape(len(planes), 3, size, size)
    peak = light.mean(1).max((1, 2))
    brightness = np.exp(rng.uniform("brightness", np.log(0.22), np.log(0.7)))[:, 0, 0]
    light *= (brightness / peak)[:, None, None, None]
    near = galaxy_painters.neighbours(rng)
    gx, gy = near.profiles(size, width[:, 0])
    bright = near.light[:, None] * _colour(near.ages)
    return light + (gy[:, None] * bright[:, :, None]) @ gx[:, None].swapaxes(2, 3)


def _render_class(rng, label, size):
    """Render galaxies of one class: uint8 [N, size, size, 3]."""
    factor = fine_factor(size)
    fine = size * factor
    light = _light(rng, label, fine)
    # Seeing and grain both grow with the magnification of a small galaxy.
    grain = 0.55 * rng.uniform("seeing", *SEEING)
    noise = rng.noise("sky", 3, fine, grain) * rng.uniform("noise", 0.0025, 0.008)[..., None]
    sky = (rng.uniform("sky", 0.001, 0.006, n=3) * _SKY)[:, :, None, None]
    light += noise * np.sqrt(1 + light * _PHOTONS) + sky
    mean = light.mean(1, keepdims=True)
    t = np.abs(_SOFTENING * mean) + np.float32(1e-6)
    stretch = np.log(t + np.sqrt(1 + t * t)) / t  # arcsinh(t) / t
    light *= stretch * np.float32(255 * _SOFTENING / np.arcsinh(_SOFTENING))
    np.clip(light, 0, 255, out=light)
    if factor > 1:
        light = sum_pixels(light, factor) / np.float32(factor**2)
    return np.rint(light).astype(np.uint8).transpose(0, 2, 3, 1)


def fine_factor(size: int) -> int:
    """Return how many times finer than its pixels, along a side, a picture is rendered."""
    return max(1, -(-_FINE // size))


def sum_pixels(light: np.ndarray, factor: int) -> np.ndarray:
    """Sum squares of factor x factor pixels: [..., H, W]."""
    light = functools.reduce(np.add, (light[..., k::factor, :] for k in range(factor)))
    return functools.reduce(np.add, (light[..., k::factor] for k in range(factor)))


def labels(seed: int, indices: np.ndarray) -> np.ndarray:
    """Return the classes of galaxies without rendering them.

    Args:
      seed: int >= 0.
      indices: integers >= 0 [N].

    Returns:
      int32 [N], numbers into CLASSES.
    """
    share = np.cumsum(FREQUENCIES) / np.sum(FREQUENCIES)
    u = Random(seed, np.asarray(indices).astype(np.uint64)).uniform("class")[:, 0, 0]
    return np.searchsorted(share[:-1], u, "right").astype(np.int32)


def chunks(seed: int, indices: np.ndarray, side: int) -> Iterator[tuple[np.ndarray, int, Random]]:
    """Cut galaxies into those that are rendered together, which are of one class.

    Args:
      seed, indices: as in `labels`.
      side: of the squares that are rendered, in pixels.

    Yields:
      (int [n], which of the indices; their class; their random numbers).
    """
    indices = np.asarray(indices).astype(np.uint64)
    classes, n = labels(seed, indices), max(1, _CHUNK_PIXELS // max(side, _FINE) ** 2)
    for label in range(len(CLASSES)):
        rows = np.flatnonzero(classes == label)
        for start in range(0, len(rows), n):
            part = rows[start : start + n]
            yield part, label, Random(seed, indices[part])


def middle(squares: np.ndarray, hw: Size) -> np.ndarray:
    """Cut the middle out of squares [N, S, S, C]."""
    top, left = ((squares.shape[1] - side) // 2 for side in hw)
    return squares[:, top : top + hw.height, left : left + hw.width]


def render(seed: int, indices: np.ndarray, size: int | Size) -> tuple[np.ndarray, np.ndarray]:
    """Render galaxies by their numbers.

    Args:
      seed: int >= 0; galaxies of two seeds have nothing in common.
      indices: integers >= 0 [N], in any order.
      size: side of the pictures in pixels; or a Size, which is the middle of a square of its longer
        side.

    Returns:
      (images uint8 [N, H, W, 3], labels int32 [N], numbers into CLASSES).
    """
    hw = Size.of(size)
    images = np.empty((len(indices), *hw, 3), np.uint8)
    for rows, label, rng in chunks(seed, indices, max(hw)):
        images[rows] = middle(_render_class(rng, label, max(hw)), hw)
    return images, labels(seed, indices)


def write_images(
    folder: pathlib.Path,
    name: str,
    n: int,
    hw: Size,
    render: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
) -> np.ndarray:
    """Render galaxies 0 to n - 1 on all cores into images.npy.

    Args:
      folder: where the file will lie.
      name: of the data set, for the user.
      n: number of galaxies, 1 or more.
      hw: size of the images.
      render: indices [n] -> (images [n, H, W, C], something of each galaxy [n, ...]).

    Returns:
      The second result of `render` for all galaxies.
    """
    print(f"{name}: rendering {n} images of {hw} pixels, once", file=sys.stderr, flush=True)

    first = render(np.arange(1))[0]
    rows = min(_BLOCK, max(1, _BLOCK_BYTES // first.nbytes))

    def render_block(start):
        return render(np.arange(start, min(start + rows, n)))

    header = {
        "descr": np.lib.format.dtype_to_descr(first.dtype),
        "fortran_order": False,
        "shape": (n, *first.shape[1:]),
    }
    others = []
    # Not through a memmap: a full disk would kill the process instead of raising.
    with (
        concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool,
        open(folder / "images.npy", "wb") as file,
    ):
        np.lib.format.write_array_header_1_0(file, header)
        for images, other in pool.map(render_block, range(0, n, rows)):
            file.write(images.data)
            others.append(other)
    return np.concatenate(others)


def _build(folder, seed, n, hw):
    """Render galaxies 0 to n - 1 into images.npy and labels.npy."""
    found = write_images(folder, "galaxies", n, hw, lambda indices: render(seed, indices, hw))
    np.save(folder / "labels.npy", found)


def check_request(name: str, arg: str, options: DataOptions) -> None:
    """Refuse a number of images that is none, and a crop.

    Raises:
      InputError
    """
    if arg and not (arg.isascii() and arg.isdigit() and int(arg) > 0):
        raise InputError(
            f"--data={name}:{arg}: {arg} is not a number of images; use {name} or {name}:2000."
        )
    if options.crop:
        raise InputError(
            f"--crop={options.crop} does nothing for {name}, which are rendered at --size; "
            "use --crop=0."
        )


def load(arg: str, options: DataOptions, split: str = "train") -> Arrays:
    """Return the embedded galaxies, rendered once and cached.

    Args:
      arg: "" for 28,790 training images, or their number ("2000").
      options: see datasets.load; crop must be 0, since the galaxies are rendered at their size.
      split: "train", or "test" (other galaxies: 5,000, or as many as the training set has if those
        are fewer).

    Returns:
      (images uint8 memmap [N, H, W, 3], read-only; labels int32 [N]; CLASSES).

    Raises:
      InputError: arg is not a positive integer, or crop is not 0.
    """
    check_request("galaxies", arg, options)
    n, seed, hw = int(arg or N_TRAIN), SEEDS[split], options.hw
    n = min(n, N_TEST) if split == "test" else n
    settings = {"version": VERSION, "seed": seed, "n": n, "size": hw.value}
    folder = cache.entry("galaxies", settings, lambda folder: _build(folder, seed, n, hw))
    return np.load(folder / "images.npy", mmap_mode="r"), np.load(folder / "labels.npy"), CLASSES
