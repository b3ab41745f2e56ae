"""The embedded data set: procedural galaxies in the five classes of Galaxy Zoo 2, with known labels and no download.

A galaxy is a sum of layers of light (Sersic spheroid, disk, spiral arms, bar), each with a colour. The seeing blurs the
layers, then come neighbours, noise and the asinh stretch of the SDSS pictures; without that stretch all light would sit
in a few central pixels. Every number is a hash of (seed, index, name), so image i is the same whichever batch renders
it, and a galaxy is the same one at every size (above 64 pixels with other noise and other clumps in its arms).

Lengths are in half image sides: the picture spans [-1, 1] in x and y.
"""

import concurrent.futures
import functools
import os
import sys
import zlib
from typing import NamedTuple

import numpy as np

from gan_jax import cache
from gan_jax.errors import InputError

VERSION = 3  # a cached rendering is found by this number: raise it whenever a picture changes
CLASSES = ("round", "in-between", "cigar", "edge-on", "spiral")
FREQUENCIES = (0.293, 0.280, 0.020, 0.136, 0.271)  # of the 28,790 images of Dai and Tong 2018
N_TRAIN, N_TEST = 28_790, 5_000
SEEDS = {"train": 20_180_701, "test": 20_180_702}

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FINE = 64  # smaller pictures are rendered at this size or more and averaged down
_CHUNK_PIXELS = 1 << 16  # of one float32 plane: a few planes stay in the processor's cache
_SEEING = (0.022, 0.062)  # standard deviation of the point spread function
_PHOTONS = 30.0  # brightness 1 / _PHOTONS has as much photon noise as the sky
_SOFTENING = 10.0  # beta of the asinh stretch: light well below 1 / beta is shown linearly

# Colours of starlight (r, g, b) of mean 1, from old and red (age 0) to young and blue (1). And the colour of the sky.
_AGES = (0.0, 0.4, 0.7, 1.0)
_COLOURS = np.array(
    [[1.36, 1.02, 0.62], [1.22, 1.00, 0.78], [1.04, 0.98, 0.98], [0.84, 0.95, 1.21]], np.float32
)
_SKY = np.array([1.1, 1.1, 0.7], np.float32)


def _mix(x):
    """The finaliser of splitmix64 (Steele, Lea and Flood 2014): uint64 -> uint64, any shape, in place."""
    x ^= x >> np.uint64(30)
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return x


@functools.lru_cache
def _stream(seed, name):
    """Where the numbers of one name start: uint64 [1]."""
    return _mix(np.array([seed], np.uint64) * _GOLDEN + np.uint64(zlib.crc32(name.encode())))


def _blur(planes, width, power=1):
    """Gaussian blur of planes [N, C, S, S] by width [N, 1, 1] (standard deviation, half sides): two matrix products.

    power 1 keeps the sum of the light (away from the edge), power 2 the variance of white noise.
    """
    size = planes.shape[-1]
    steps = np.arange(size, dtype=np.float32) * np.float32(2 / size)
    kernel = np.exp(-0.5 * ((steps[:, None] - steps) / width) ** 2)
    kernel[kernel < 1e-9] = (
        0  # numbers near the end of the float32 range make the products ten times slower
    )
    kernel /= (kernel**power).sum(2, keepdims=True) ** np.float32(1 / power)
    return kernel[:, None] @ planes @ kernel[:, None].swapaxes(2, 3)


class _Draw(NamedTuple):
    """Random numbers of some galaxies that depend on (seed, index, name, position) only."""

    seed: int
    indices: np.ndarray  # uint64 [N]

    def bits(self, name, n):
        """Random bits: uint64 [N, n]."""
        start = _mix(_stream(self.seed, name) + self.indices * _GOLDEN)
        return _mix(start[:, None] + np.arange(1, n + 1, dtype=np.uint64) * _GOLDEN)

    def __call__(self, name, low=0.0, high=1.0, n=None):
        """Uniform numbers in [low, high): float32 [N, 1, 1], or [N, n]."""
        u = (self.bits(name, n or 1) >> np.uint64(40)).astype(np.float32)
        u = np.float32(low) + np.float32((high - low) * 2.0**-24) * u
        return u if n else u[:, :, None]

    def noise(self, name, planes, size, width):
        """Smooth noise, nearly normal, of mean 0 and variance 1: float32 [N, planes, size, size]; width as in _blur."""
        n = planes * size * size
        white = (
            self.bits(name, -(-n // 4)).view(np.uint16)[:, :n].astype(np.float32)
        )  # four fields of each number
        white -= np.float32(32767.5)
        white *= np.float32(12**0.5 / 65536)
        return _blur(white.reshape(-1, planes, size, size), width, power=2)


def _colour(age):
    """Colour of starlight: age in [0, 1] (0 red, 1 blue), [N, 1, 1] or [N, n] -> float32 [N, 3, 1 or n]."""
    age = age.reshape(len(age), -1)
    return np.stack([np.interp(age, _AGES, c) for c in _COLOURS.T], 1).astype(np.float32)


def _sersic(r2, n, radius):
    """Sersic profile, 1 in the centre: exp(-b (r / radius)^(1/n)), b = 2 n - 1/3, from the squared distance r2."""
    return np.exp((1 / 3 - 2 * n) * np.exp((0.5 / n) * np.log(r2 / (radius * radius))))


def _smooth(draw, x, y, q, n):
    """One Sersic spheroid of axis ratio q and index n; mostly old stars, the oldest in the centre."""
    radius = draw("radius", 0.37, 0.54) / q**0.25
    r2 = x * x + (y / q) ** 2 + 1e-4
    light = _sersic(r2, n, radius)
    core = light * np.exp(-12 * r2 / (radius * radius))
    age = draw("age") ** 1.5
    return [(light - core, _colour(0.2 + 0.8 * age)), (core, _colour(0.8 * age))]


def _round(draw, x, y):
    return _smooth(draw, x, y, draw("axis ratio", 0.87, 1.0), draw("sersic", 0.8, 3.2))


def _in_between(draw, x, y):
    return _smooth(draw, x, y, draw("axis ratio", 0.45, 0.76), draw("sersic", 0.8, 3.2))


def _cigar(draw, x, y):
    return _smooth(draw, x, y, draw("axis ratio", 0.20, 0.34), draw("sersic", 0.7, 1.6))


def _edge_on(draw, x, y):
    """A disk seen from its side, exponential along x and sech^2 across, with a bulge and often a dust lane."""
    length = draw("length", 0.14, 0.25)
    height = length * draw("thickness", 0.14, 0.32)
    along = np.abs(x) / length
    across = np.exp(-2 * np.abs(y) / height)
    disk = (1 + along) * np.exp(-along) * 4 * across / (1 + across) ** 2
    bulge = _sersic(
        x * x + (y / draw("bulge ratio", 0.65, 0.95)) ** 2 + 1e-4,
        draw("sersic", 1.0, 2.5),
        length * draw("bulge radius", 0.20, 0.55),
    )
    bulge *= draw("bulge light", 0.4, 3.0)
    lane = np.maximum(0, draw("dust", -0.8, 0.8)) * np.exp(
        -8 * ((y - height * draw("lane", -0.4, 0.4)) / height) ** 2
    )
    age = draw("age")
    return [
        (disk * (1 - lane), _colour(0.3 + 0.65 * age)),
        (bulge * (1 - lane), _colour(0.6 * age)),
    ]


def _spiral(draw, x, y):
    """An inclined exponential disk with logarithmic arms, a bulge and often a bar."""
    tilt = draw("axis ratio", 0.45, 1.0)
    length = draw("length", 0.14, 0.26)
    yd = y / tilt
    r2 = x * x + yd * yd + 1e-4
    r = np.sqrt(r2)
    n_arms = np.where(draw("arms") < 0.7, 2, np.where(draw("arms") < 0.88, 3, 4)).astype(np.float32)
    winding = n_arms / np.tan(np.deg2rad(draw("pitch", 16, 34)))
    hand = np.sign(draw("hand", -1, 1))
    phase = n_arms * np.arctan2(yd, x) + (0.5 * hand * winding) * np.log(r2)
    ridge = np.exp(draw("sharpness", 1.0, 2.5) * (np.cos(phase) - 1))
    start = length * draw("start", 0.3, 0.8)
    disk = np.exp(-r / length)
    clumps = draw.noise("clumps", 1, x.shape[-1], draw("clump size", 0.03, 0.06))[:, 0]
    arms = disk * ridge * (r2 / (r2 + start * start)) * draw("arm light", 1.0, 4.0)
    arms *= np.exp(draw("clump light", 0.2, 0.6) * clumps)
    bulge = _sersic(
        x * x + (y / np.maximum(tilt, 0.7)) ** 2 + 1e-4,
        draw("sersic", 1.0, 2.5),
        length * draw("bulge radius", 0.15, 0.5),
    )
    bulge *= draw("bulge light", 0.8, 4.0)
    bar = np.exp(-0.5 * ((x / start) ** 4 + (yd / (0.3 * start)) ** 2))
    bulge += np.where(draw("barred") < 0.35, draw("bar light", 0.5, 1.5), np.float32(0)) * bar
    age = draw("age")
    return [
        (disk, _colour(0.4 + 0.4 * age)),
        (arms, _colour(0.6 + 0.4 * age)),
        (bulge, _colour(0.05 + 0.4 * age)),
    ]


_PAINTERS = (
    _round,
    _in_between,
    _cigar,
    _edge_on,
    _spiral,
)  # function(draw, x, y) -> layers (light, colour)


def _neighbours(draw, axis, width):
    """Faint stars and small galaxies in the field, most of them away from the centre: [N, 3, S, S]."""
    n = 4
    angle, distance = draw("star angle", 0, 2 * np.pi, n=n), draw("star distance", 0.4, 1.3, n=n)
    light = 0.25 * draw("star light", n=n) ** 3 * (draw("star here", n=n) < 0.45)
    spread = width[:, 0] * (1 + 1.5 * (draw("star size", n=n) ** 4))
    colour = _colour(draw("star age", n=n))
    gx = np.exp(
        -0.5 * ((axis[:, None] - (distance * np.cos(angle))[:, None]) / spread[:, None]) ** 2
    )
    gy = np.exp(
        -0.5 * ((axis[:, None] - (distance * np.sin(angle))[:, None]) / spread[:, None]) ** 2
    )
    return (gy[:, None] * (light[:, None] * colour)[:, :, None]) @ gx[:, None].swapaxes(2, 3)


def _light(draw, label, size):
    """Blurred light of galaxies of one class and their neighbours, before noise and stretch: float32 [N, 3, S, S]."""
    axis = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * np.float32(2 / size) - 1
    dx, dy = (
        axis[None, None, :] - draw("x", -0.04, 0.04),
        axis[None, :, None] - draw("y", -0.04, 0.04),
    )
    angle = draw("angle", 0, 2 * np.pi)
    cos, sin = np.cos(angle), np.sin(angle)
    layers = _PAINTERS[label](draw, cos * dx + sin * dy, cos * dy - sin * dx)
    width = draw("seeing", *_SEEING)
    planes = _blur(np.stack([light for light, _ in layers], 1), width)
    colours = (
        np.concatenate([colour for _, colour in layers], 2)
        * draw("tint", 0.95, 1.05, n=3)[:, :, None]
    )
    light = (colours @ planes.reshape(*planes.shape[:2], -1)).reshape(len(planes), 3, size, size)
    peak = light.mean(1).max((1, 2))
    light *= (np.exp(draw("brightness", np.log(0.22), np.log(0.7)))[:, 0, 0] / peak)[
        :, None, None, None
    ]
    return light + _neighbours(draw, axis, width)


def _pictures(draw, label, size):
    """Finished pictures of galaxies of one class: uint8 [N, size, size, 3]."""
    factor = max(1, -(-_FINE // size))
    fine = size * factor
    light = _light(draw, label, fine)
    grain = 0.55 * draw("seeing", *_SEEING)  # both grow with the magnification of a small galaxy
    noise = draw.noise("sky", 3, fine, grain) * draw("noise", 0.0025, 0.008)[..., None]
    light += (
        noise * np.sqrt(1 + light * _PHOTONS)
        + (draw("sky", 0.001, 0.006, n=3) * _SKY)[:, :, None, None]
    )
    mean = light.mean(1, keepdims=True)
    t = np.abs(_SOFTENING * mean) + np.float32(1e-6)
    light *= (
        np.log(t + np.sqrt(1 + t * t)) / t * np.float32(255 * _SOFTENING / np.arcsinh(_SOFTENING))
    )
    np.clip(light, 0, 255, out=light)
    if factor > 1:
        light = sum(light[:, :, k::factor] for k in range(factor))
        light = sum(light[..., k::factor] for k in range(factor)) / np.float32(factor**2)
    return np.rint(light).astype(np.uint8).transpose(0, 2, 3, 1)


def labels(seed, indices):
    """Classes of the galaxies of given numbers [N], without rendering them: int32 [N]."""
    share = np.cumsum(FREQUENCIES) / np.sum(FREQUENCIES)
    u = _Draw(seed, np.asarray(indices).astype(np.uint64))("class")[:, 0, 0]
    return np.searchsorted(share[:-1], u, "right").astype(np.int32)


def render(seed, indices, size):
    """Renders the galaxies of given numbers.

    Args:
      seed: int >= 0; galaxies of two seeds have nothing in common.
      indices: integers >= 0 [N], in any order.
      size: side of the pictures in pixels.

    Returns:
      (images uint8 [N, size, size, 3], labels int32 [N], numbers into CLASSES).
    """
    indices = np.asarray(indices).astype(np.uint64)
    classes = labels(seed, indices)
    images = np.empty((len(indices), size, size, 3), np.uint8)
    chunk = max(1, _CHUNK_PIXELS // max(size, _FINE) ** 2)
    for label in range(len(CLASSES)):
        rows = np.flatnonzero(classes == label)
        for start in range(0, len(rows), chunk):
            part = rows[start : start + chunk]
            images[part] = _pictures(_Draw(seed, indices[part]), label, size)
    return images, classes


def _build(folder, seed, n, size):
    """Renders images 0 to n - 1 on all cores into images.npy and labels.npy."""
    print(f"galaxies: rendering {n} images of {size} pixels, once", file=sys.stderr, flush=True)
    header = {"descr": "|u1", "fortran_order": False, "shape": (n, size, size, 3)}
    # Not through a memmap: a full disk would kill the process instead of raising.
    with (
        concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool,
        open(folder / "images.npy", "wb") as file,
    ):
        np.lib.format.write_array_header_1_0(file, header)
        for block in pool.map(
            lambda i: render(seed, np.arange(i, min(i + 512, n)), size)[0], range(0, n, 512)
        ):
            file.write(block.data)
    np.save(folder / "labels.npy", labels(seed, np.arange(n)))


def load(arg, view, split="train"):
    """The embedded galaxies, rendered once and cached.

    Args:
      arg: "" for 28,790 training images, or their number ("2000").
      view: as in `datasets.load`; its crop must be 0, since the galaxies are rendered at their size.
      split: "train", or "test" (other galaxies: 5,000, or as many as the training set has if those are fewer).

    Returns:
      (images, a read-only uint8 memmap [N, size, size, 3]; labels int32 [N]; CLASSES).

    Raises:
      InputError: arg is not a positive integer, or crop is not 0.
    """
    if arg and not (arg.isascii() and arg.isdigit() and int(arg) > 0):
        raise InputError(
            f"--data=galaxies:{arg}: {arg} is not a number of images; use galaxies or galaxies:2000."
        )
    if view.crop:
        raise InputError(
            f"--crop={view.crop} does nothing for galaxies, which are rendered at --size; use --crop=0."
        )
    n = int(arg or N_TRAIN)
    n = min(n, N_TEST) if split == "test" else n
    settings = {"version": VERSION, "seed": SEEDS[split], "n": n, "size": view.size}
    folder = cache.entry(
        "galaxies", settings, lambda folder: _build(folder, SEEDS[split], n, view.size)
    )
    return np.load(folder / "images.npy", mmap_mode="r"), np.load(folder / "labels.npy"), CLASSES
