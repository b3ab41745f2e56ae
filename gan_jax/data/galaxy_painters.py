"""Painters of the embedded galaxies: the light of their layers, before colour, seeing and noise.

A galaxy is a sum of layers of light (Sersic spheroid, disk, spiral arms, bar), each of stars of one
age. Every number is a hash of (seed, index, name), so a galaxy is the same one wherever it is
painted.

Lengths are in half image sides: the picture spans [-1, 1] in x and y.
"""

import functools
import zlib
from typing import NamedTuple

import numpy as np

SEEING = (0.022, 0.062)  # standard deviation of the point spread function
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_N_NEIGHBOURS = 4  # places for them; most are empty
# Root mean square of sech^2(y) over that of (1 + x) exp(-x): pi / sqrt(12) over 2.
_EDGE_ON_RATIO = np.float32(np.pi / 12**0.5 / 2)


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


def blur(planes: np.ndarray, width: np.ndarray, power: int = 1) -> np.ndarray:
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


class Random(NamedTuple):
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

    def normal(self, name, n=None):
        """Return normal numbers of mean 0 and variance 1: float32 [N, 1, 1], or [N, n].

        Source: Box and Muller 1958.
        """
        bits = self.bits(name, -(-(n or 1) // 2))
        u = ((bits >> np.uint64(40)).astype(np.float32) + np.float32(0.5)) * np.float32(2.0**-24)
        radius = np.sqrt(-2 * np.log(u))
        angle = (bits & np.uint64(0xFFFFFF)).astype(np.float32) * np.float32(2 * np.pi * 2.0**-24)
        both = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], 1)
        return both[:, :n] if n else both[:, :1, None]

    def noise(self, name, planes, size, width):
        """Return smooth noise, nearly normal, of mean 0 and variance 1.

        Args:
          planes: number of planes.
          size: side in pixels.
          width: see blur.

        Returns:
          float32 [N, planes, size, size].
        """
        n = planes * size * size
        # Four uint16 fields of each number.
        white = self.bits(name, -(-n // 4)).view(np.uint16)[:, :n].astype(np.float32)
        white -= np.float32(32767.5)
        white *= np.float32(12**0.5 / 65536)
        return blur(white.reshape(-1, planes, size, size), width, power=2)


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
    return [(light - core, 0.2 + 0.8 * age), (core, 0.8 * age)], q


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
    layers = [(disk * (1 - lane), 0.3 + 0.65 * age), (bulge * (1 - lane), 0.6 * age)]
    return layers, _EDGE_ON_RATIO * height / length


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
    layers = [(disk, 0.4 + 0.4 * age), (arms, 0.6 + 0.4 * age), (bulge, 0.05 + 0.4 * age)]
    return layers, tilt


# By class: (rng, x, y) -> ([(light [N, S, S], age [N, 1, 1] from 0, old, to 1, young) by layer],
# axis ratio [N, 1, 1]).
PAINTERS = {
    "round": _round,
    "in-between": _in_between,
    "cigar": _cigar,
    "edge-on": _edge_on,
    "spiral": _spiral,
}


class Painting(NamedTuple):
    """Galaxies in layers of light."""

    light: np.ndarray  # float32 [N, L, S, S], in units of its own
    ages: np.ndarray  # of the stars: float32 [N, L], from 0 (old, red) to 1 (young, blue)
    # Minor over major axis of the spheroid, or of the disk: float32 [N]. Bulge, bar and arms are
    # left out; of a disk from its side it is the ratio of the root mean squares.
    axis_ratio: np.ndarray


def pixel_axis(size: int) -> np.ndarray:
    """Return the middles of the pixels along a side: float32 [size]."""
    return (np.arange(size, dtype=np.float32) + np.float32(0.5)) * np.float32(2 / size) - 1


def paint(rng: Random, name: str, size: int) -> Painting:
    """Paint galaxies of one class, a little off the middle, at any angle.

    Args:
      rng: their random numbers.
      name: key of PAINTERS.
      size: side in pixels.
    """
    axis = pixel_axis(size)
    dx = axis[None, None, :] - rng.uniform("x", -0.04, 0.04)
    dy = axis[None, :, None] - rng.uniform("y", -0.04, 0.04)
    angle = rng.uniform("angle", 0, 2 * np.pi)
    cos, sin = np.cos(angle), np.sin(angle)
    layers, axis_ratio = PAINTERS[name](rng, cos * dx + sin * dy, cos * dy - sin * dx)
    ages = np.concatenate([age[:, :, 0] for _, age in layers], 1)
    return Painting(np.stack([light for light, _ in layers], 1), ages, axis_ratio[:, 0, 0])


class Neighbours(NamedTuple):
    """Faint stars and small galaxies, mostly off the middle; each float32 [N, K]."""

    x: np.ndarray
    y: np.ndarray
    light: np.ndarray  # brightness in the middle; 0 where there is none
    spread: np.ndarray  # standard deviation over that of the point spread, 1 or more
    ages: np.ndarray  # of the stars, see Painting

    def profiles(self, size: int, width: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return Gaussians of peak 1 along x and along y, each float32 [N, size, K].

        Args:
          size: side in pixels.
          width: standard deviation of the point spread, [N, 1].
        """
        axis, spread = pixel_axis(size)[:, None], (width * self.spread)[:, None]
        along = [np.exp(-0.5 * ((axis - c[:, None]) / spread) ** 2) for c in (self.x, self.y)]
        return along[0], along[1]


def neighbours(rng: Random) -> Neighbours:
    """Place the neighbours of galaxies."""
    n = _N_NEIGHBOURS
    angle = rng.uniform("star angle", 0, 2 * np.pi, n=n)
    distance = rng.uniform("star distance", 0.4, 1.3, n=n)
    return Neighbours(
        distance * np.cos(angle),
        distance * np.sin(angle),
        0.25 * rng.uniform("star light", n=n) ** 3 * (rng.uniform("star here", n=n) < 0.45),
        1 + 1.5 * (rng.uniform("star size", n=n) ** 4),
        rng.uniform("star age", n=n),
    )
