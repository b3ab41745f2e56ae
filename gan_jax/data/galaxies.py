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
import sys
import zlib
from typing import NamedTuple

import numpy as np

from gan_jax import cache
from gan_jax.data.types import Arrays, DataOptions
from gan_jax.errors import InputError
from gan_jax.settings import Size

VERSION = 3  # part of the cache key: raise it whenever a picture changes
CLASSES = ("round", "in-between", "cigar", "edge-on", "spiral")
FREQUENCIES = (0.293, 0.280, 0.020, 0.136, 0.271)  # of the 28,790 images of Dai and Tong 2018
N_TRAIN, N_TEST = 28_790, 5_000
SEEDS = {"train": 20_180_701, "test": 20_180_702}

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FINE = 64  # smaller pictures are rendered at this size or more and averaged down
_CHUNK_PIXELS = 1 << 16  # of one float32 plane: a few planes stay in the processor's cache
_BLOCK = 512  # images that one thread renders at a time
_SEEING = (0.022, 0.062)  # standard deviation of the point spread function
_PHOTONS = 30.0  # brightness 1 / _PHOTONS has as much photon noise as the sky
_SOFTENING = 10.0  # beta of the asinh stretch: light well below 1 / beta is shown linearly

# Colours of starlight (r, g, b) of mean 1, from old and red (age 0) to young and blue (1).
_AGES = (0.0, 0.4, 0.7, 1.0)
_COLOURS = np.array(
    [[1.36, 1.02, 0.62], [1.22, 1.00, 0.78], [1.04, 0.98, 0.98], [0.84, 0.95, 1.21]], np.float32
)
_SKY = np.array([1.1, 1.1, 0.7], np.float32)


def _mix(x):
    """Apply splitmix64's finaliser (Steele et al. 2014) to uint64 [...], in place."""
    x ^= x >> np.uint64(30)
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return x


@functools.lru_cache
def _stream(seed, name):
    """Return the start of the numbers of one name: uint64 [1]."""
    return _mix(np.array([seed], np.uint64) * _GOLDEN + np.uint64(zlib.crc32(name.encode())))


def _blur(planes, width, power=1):
    """Blur with a Gaussian, as two matrix products.

    Args:
      planes: float32 [N, C, S, S].
      width: standard deviation in half sides, [N, 1, 1].
      power: 1 keeps the sum of the light (away from the edge), 2 the variance of white noise.
    """
    size = planes.shape[-1]
    steps = np.arange(size, dtype=np.float32) * np.float32(2 / size)
    kernel = np.exp(-0.5 * ((steps[:, None] - steps) / width) ** 2)
    # Numbers near the end of the float32 range make the products ten times slower.
    kernel[kernel < 1e-9] = 0
    kernel /= (kernel**power).sum(2, keepdims=True) ** np.float32(1 / power)
    return kernel[:, None] @ planes @ kernel[:, None].swapaxes(2, 3)


class _Random(NamedTuple):
    """Random numbers of galaxies that depend on (seed, index, name, position) only."""

    seed: int
    indices: np.ndarray  # uint64 [N]

    def bits(self, name, n):
        """Return random bits: uint64 [N, n]."""
        start = _mix(_stream(self.seed, name) + self.indices * _GOLDEN)
        return _mix(start[:, None] + np.arange(1, n + 1, dtype=np.uint64) * _GOLDEN)

    def uniform(self, name, low=0.0, high=1.0, n=None):
        """Return uniform numbers in [low, high): float32 [N, 1, 1], or [N, n]."""
        u = (self.bits(name, n or 1) >> np.uint64(40)).astype(np.float32)
        u = np.float32(low) + np.float32((high - low) * 2.0**-24) * u
        return u if n else u[:, :, None]

    def noise(self, name, planes, size, width):
        """Return smooth noise, nearly normal, of mean 0 and variance 1.

        Args:
          planes: number of planes.
          size: side in pixels.
          width: see _blur.

        Returns:
          float32 [N, planes, size, size].
        """
        n = planes * size * size
        # Four uint16 fields of each number.
        white = self.bits(name, -(-n // 4)).view(np.uint16)[:, :n].astype(np.float32)
        white -= np.float32(32767.5)
        white *= np.float32(12**0.5 / 65536)
        return _blur(white.reshape(-1, planes, size, size), width, power=2)


def _colour(age):
    """Return the colour of starlight.

    Args:
      age: in [0, 1] (0 red, 1 blue), [N, 1, 1] or [N, n].

    Returns:
      float32 [N, 3, 1 or n].
    """
    age = age.reshape(len(age), -1)
    return np.stack([np.interp(age, _AGES, c) for c in _COLOURS.T], 1).astype(np.float32)


def _sersic(r2, n, radius):
    """Return the Sersic profile exp(-b (r / radius)^(1/n)), b = 2 n - 1/3, r2 = r^2."""
    return np.exp((1 / 3 - 2 * n) * np.exp((0.5 / n) * np.log(r2 / (radius * radius))))


def _smooth(rng, x, y, q, n):
    """Return a Sersic spheroid of axis ratio q and index n.

    Mostly old stars, the oldest in the centre.
    """
    radius = rng.uniform("radius", 0.37, 0.54) / q**0.25
    r2 = x * x + (y / q) ** 2 + 1e-4
    light = _sersic(r2, n, radius)
    core = light * np.exp(-12 * r2 / (radius * radius))
    age = rng.uniform("age") ** 1.5
    return [(light - core, _colour(0.2 + 0.8 * age)), (core, _colour(0.8 * age))]


def _round(rng, x, y):
    q, n = rng.uniform("axis ratio", 0.87, 1.0), rng.uniform("sersic", 0.8, 3.2)
    return _smooth(rng, x, y, q, n)


def _in_between(rng, x, y):
    q, n = rng.uniform("axis ratio", 0.45, 0.76), rng.uniform("sersic", 0.8, 3.2)
    return _smooth(rng, x, y, q, n)


def _cigar(rng, x, y):
    q, n = rng.uniform("axis ratio", 0.20, 0.34), rng.uniform("sersic", 0.7, 1.6)
    return _smooth(rng, x, y, q, n)


def _edge_on(rng, x, y):
    """Return a disk seen from its side, with a bulge and often a dust lane.

    The disk is exponential along x and sech^2 across.
    """
    length = rng.uniform("length", 0.14, 0.25)
    height = length * rng.uniform("thickness", 0.14, 0.32)
    along = np.abs(x) / length
    across = np.exp(-2 * np.abs(y) / height)
    disk = (1 + along) * np.exp(-along) * 4 * across / (1 + across) ** 2
    bulge = _sersic(
        x * x + (y / rng.uniform("bulge ratio", 0.65, 0.95)) ** 2 + 1e-4,
        rng.uniform("sersic", 1.0, 2.5),
        length * rng.uniform("bulge radius", 0.20, 0.55),
    )
    bulge *= rng.uniform("bulge light", 0.4, 3.0)
    lane = np.maximum(0, rng.uniform("dust", -0.8, 0.8)) * np.exp(
        -8 * ((y - height * rng.uniform("lane", -0.4, 0.4)) / height) ** 2
    )
    age = rng.uniform("age")
    return [
        (disk * (1 - lane), _colour(0.3 + 0.65 * age)),
        (bulge * (1 - lane), _colour(0.6 * age)),
    ]


def _spiral(rng, x, y):
    """Return an inclined exponential disk with log-spiral arms, a bulge, often a bar."""
    tilt = rng.uniform("axis ratio", 0.45, 1.0)
    length = rng.uniform("length", 0.14, 0.26)
    yd = y / tilt
    r2 = x * x + yd * yd + 1e-4
    r = np.sqrt(r2)
    u = rng.uniform("arms")
    n_arms = np.where(u < 0.7, 2, np.where(u < 0.88, 3, 4)).astype(np.float32)
    winding = n_arms / np.tan(np.deg2rad(rng.uniform("pitch", 16, 34)))
    hand = np.sign(rng.uniform("hand", -1, 1))
    phase = n_arms * np.arctan2(yd, x) + (0.5 * hand * winding) * np.log(r2)
    ridge = np.exp(rng.uniform("sharpness", 1.0, 2.5) * (np.cos(phase) - 1))
    start = length * rng.uniform("start", 0.3, 0.8)
    disk = np.exp(-r / length)
    clumps = rng.noise("clumps", 1, x.shape[-1], rng.uniform("clump size", 0.03, 0.06))[:, 0]
    arms = disk * ridge * (r2 / (r2 + start * start)) * rng.uniform("arm light", 1.0, 4.0)
    arms *= np.exp(rng.uniform("clump light", 0.2, 0.6) * clumps)
    bulge = _sersic(
        x * x + (y / np.maximum(tilt, 0.7)) ** 2 + 1e-4,
        rng.uniform("sersic", 1.0, 2.5),
        length * rng.uniform("bulge radius", 0.15, 0.5),
    )
    bulge *= rng.uniform("bulge light", 0.8, 4.0)
    bar = np.exp(-0.5 * ((x / start) ** 4 + (yd / (0.3 * start)) ** 2))
    bar_light = rng.uniform("bar light", 0.5, 1.5)
    bulge += np.where(rng.uniform("barred") < 0.35, bar_light, np.float32(0)) * bar
    age = rng.uniform("age")
    return [
        (disk, _colour(0.4 + 0.4 * age)),
        (arms, _colour(0.6 + 0.4 * age)),
        (bulge, _colour(0.05 + 0.4 * age)),
    ]


# By class: (rng, x, y) -> layers (light [N, S, S], colour [N, 3, 1]).
_PAINTERS = (_round, _in_between, _cigar, _edge_on, _spiral)


def _neighbours(rng, axis, width):
    """Return faint stars and small galaxies, mostly off the centre: [N, 3, S, S]."""
    n = 4
    angle = rng.uniform("star angle", 0, 2 * np.pi, n=n)
    distance = rng.uniform("star distance", 0.4, 1.3, n=n)
    light = 0.25 * rng.uniform("star light", n=n) ** 3 * (rng.uniform("star here", n=n) < 0.45)
    spread = width[:, 0] * (1 + 1.5 * (rng.uniform("star size", n=n) ** 4))
    colour = _colour(rng.uniform("star age", n=n))

    def profile(center):
        return np.exp(-0.5 * ((axis[:, None] - center[:, None]) / spread[:, None]) ** 2)

    gx, gy = profile(distance * np.cos(angle)), profile(distance * np.sin(angle))
    return (gy[:, None] * (light[:, None] * colour)[:, :, None]) @ gx[:, None].swapaxes(2, 3)


def _light(rng, label, size):
    """Return the blurred light of galaxies of one class and of their neighbours.

    Before noise and stretch: float32 [N, 3, S, S].
    """
    axis = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * np.float32(2 / size) - 1
    dx = axis[None, None, :] - rng.uniform("x", -0.04, 0.04)
    dy = axis[None, :, None] - rng.uniform("y", -0.04, 0.04)
    angle = rng.uniform("angle", 0, 2 * np.pi)
    cos, sin = np.cos(angle), np.sin(angle)
    layers = _PAINTERS[label](rng, cos * dx + sin * dy, cos * dy - sin * dx)
    width = rng.uniform("seeing", *_SEEING)
    planes = _blur(np.stack([light for light, _ in layers], 1), width)
    colours = np.concatenate([colour for _, colour in layers], 2)
    colours = colours * rng.uniform("tint", 0.95, 1.05, n=3)[:, :, None]
    light = (colours @ planes.reshape(*planes.shape[:2], -1)).reshape(len(planes), 3, size, size)
    peak = light.mean(1).max((1, 2))
    brightness = np.exp(rng.uniform("brightness", np.log(0.22), np.log(0.7)))[:, 0, 0]
    light *= (brightness / peak)[:, None, None, None]
    return light + _neighbours(rng, axis, width)


def _render_class(rng, label, size):
    """Render galaxies of one class: uint8 [N, size, size, 3]."""
    factor = max(1, -(-_FINE // size))
    fine = size * factor
    light = _light(rng, label, fine)
    # Seeing and grain both grow with the magnification of a small galaxy.
    grain = 0.55 * rng.uniform("seeing", *_SEEING)
    noise = rng.noise("sky", 3, fine, grain) * rng.uniform("noise", 0.0025, 0.008)[..., None]
    sky = (rng.uniform("sky", 0.001, 0.006, n=3) * _SKY)[:, :, None, None]
    light += noise * np.sqrt(1 + light * _PHOTONS) + sky
    mean = light.mean(1, keepdims=True)
    t = np.abs(_SOFTENING * mean) + np.float32(1e-6)
    stretch = np.log(t + np.sqrt(1 + t * t)) / t  # arcsinh(t) / t
    light *= stretch * np.float32(255 * _SOFTENING / np.arcsinh(_SOFTENING))
    np.clip(light, 0, 255, out=light)
    if factor > 1:
        light = sum(light[:, :, k::factor] for k in range(factor))
        light = sum(light[..., k::factor] for k in range(factor)) / np.float32(factor**2)
    return np.rint(light).astype(np.uint8).transpose(0, 2, 3, 1)


def labels(seed: int, indices: np.ndarray) -> np.ndarray:
    """Return the classes of galaxies without rendering them.

    Args:
      seed: int >= 0.
      indices: integers >= 0 [N].

    Returns:
      int32 [N], numbers into CLASSES.
    """
    share = np.cumsum(FREQUENCIES) / np.sum(FREQUENCIES)
    u = _Random(seed, np.asarray(indices).astype(np.uint64)).uniform("class")[:, 0, 0]
    return np.searchsorted(share[:-1], u, "right").astype(np.int32)


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
    square = max(hw)
    top, left = ((square - side) // 2 for side in hw)
    indices = np.asarray(indices).astype(np.uint64)
    classes = labels(seed, indices)
    images = np.empty((len(indices), *hw, 3), np.uint8)
    chunk = max(1, _CHUNK_PIXELS // max(square, _FINE) ** 2)
    for label in range(len(CLASSES)):
        rows = np.flatnonzero(classes == label)
        for start in range(0, len(rows), chunk):
            part = rows[start : start + chunk]
            whole = _render_class(_Random(seed, indices[part]), label, square)
            images[part] = whole[:, top : top + hw.height, left : left + hw.width]
    return images, classes


def _build(folder, seed, n, hw):
    """Render galaxies 0 to n - 1 on all cores into images.npy and labels.npy."""
    print(f"galaxies: rendering {n} images of {hw} pixels, once", file=sys.stderr, flush=True)

    def render_block(start):
        return render(seed, np.arange(start, min(start + _BLOCK, n)), hw)[0]

    header = {"descr": "|u1", "fortran_order": False, "shape": (n, *hw, 3)}
    # Not through a memmap: a full disk would kill the process instead of raising.
    with (
        concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool,
        open(folder / "images.npy", "wb") as file,
    ):
        np.lib.format.write_array_header_1_0(file, header)
        for block in pool.map(render_block, range(0, n, _BLOCK)):
            file.write(block.data)
    np.save(folder / "labels.npy", labels(seed, np.arange(n)))


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
    if arg and not (arg.isascii() and arg.isdigit() and int(arg) > 0):
        raise InputError(
            f"--data=galaxies:{arg}: {arg} is not a number of images; "
            "use galaxies or galaxies:2000."
        )
    if options.crop:
        raise InputError(
            f"--crop={options.crop} does nothing for galaxies, which are rendered at --size; "
            "use --crop=0."
        )
    n, seed, hw = int(arg or N_TRAIN), SEEDS[split], options.hw
    n = min(n, N_TEST) if split == "test" else n
    settings = {"version": VERSION, "seed": seed, "n": n, "size": hw.value}
    folder = cache.entry("galaxies", settings, lambda folder: _build(folder, seed, n, hw))
    return np.load(folder / "images.npy", mmap_mode="r"), np.load(folder / "labels.npy"), CLASSES
