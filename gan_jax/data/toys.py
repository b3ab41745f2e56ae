"""Toy data: points of distributions with known modes, sampled on loading: `--data=toys:NAME`."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gan_jax.data.types import Arrays, DataOptions
from gan_jax.errors import InputError

N_TRAIN, N_TEST = 50_000, 10_000  # less the rest that does not divide into equal modes
SEEDS = {"train": 20_140_601, "test": 20_140_602}


class Toy(NamedTuple):
    """A distribution of points, in its own units."""

    # float64 [M, D], of Gaussians of equal weight; None where the mass lies along a curve
    centers: np.ndarray | None
    sd: float  # of the isotropic Gaussian noise around a centre or the curve
    # Coordinates are divided by it to lie in [-1, 1]: 5 sd beyond the outermost centre, or a little
    # more.
    scale: float
    dim: int = 2  # coordinates of a point, D
    # uniform float64 [n] in [0, 1) -> float64 [n, D]; None where there are centres
    curve: Callable[[np.ndarray], np.ndarray] | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the modes, their coordinates; () unless there are several."""
        if self.centers is None or len(self.centers) == 1:
            return ()
        return tuple(f"({x:g},{y:g})" for x, y in self.centers.round(3) + 0.0)  # + 0.0: no "-0"


def _swiss_roll(u):
    angle = 1.5 * np.pi * (1 + 2 * u)
    return np.stack([angle * np.cos(angle), angle * np.sin(angle)], 1)


_ANGLES = 2 * np.pi * np.arange(8) / 8
_RING = 2 * np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], 1)
_STEPS = np.arange(-4.0, 5, 2)
_GRID = np.stack(np.meshgrid(_STEPS, _STEPS, indexing="ij"), -1).reshape(-1, 2)
_PLUS = [(i, 0.0) for i in range(-3, 4)] + [(0.0, j) for j in range(-3, 4) if j]
_HALF_SINE = [(-1.866, 0.5), (-1.5, 0.866), (-1, 1), (-0.5, 0.866), (-0.134, 0.5)]
_SINE = [*_HALF_SINE, (0, 0), (2, 0), *((-x, -y) for x, y in _HALF_SINE)]

# gaussian1d, plus, sine and square are the toys of Dist-GAN (Tran et al. 2018). gaussians8,
# gaussians25 and swissroll are those of WGAN-GP (Gulrajani et al. 2017). Dist-GAN's square and
# WGAN-GP's 25 Gaussians are one distribution, under both its names.
_GAUSSIANS25 = Toy(_GRID, 0.05, 4.25)
TABLE = {
    "gaussian1d": Toy(np.array([[4.0]]), 1.0, 9.0, dim=1),
    "gaussians8": Toy(_RING, 0.02, 2.1),
    "gaussians25": _GAUSSIANS25,
    "square": _GAUSSIANS25,
    "plus": Toy(np.array(_PLUS), 0.05, 3.25),
    "sine": Toy(np.array(_SINE), 0.05, 2.25),
    "swissroll": Toy(None, 0.25, 15.5, curve=_swiss_roll),
}


def sample_points(toy: Toy, split: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Sample the points of one split.

    The modes come one after another and round again, so that any stretch of points is balanced.

    Args:
      toy: Toy.
      split: "train" (50,000 points) or "test" (10,000 others); fewer by less than M, so that all
        modes have equally many.

    Returns:
      (float64 [N, D] in the toy's own units; int32 [N], the mode of each point, or None where there
      is a curve).
    """
    # Unlike a Generator's, the numbers of RandomState are the same in every release of numpy.
    random = np.random.RandomState(SEEDS[split])
    n = N_TRAIN if split == "train" else N_TEST
    if toy.centers is None:
        base, modes = toy.curve(random.random_sample(n)), None
    else:
        modes = np.arange(n - n % len(toy.centers), dtype=np.int32) % len(toy.centers)
        base = toy.centers[modes]
    return base + toy.sd * random.standard_normal(base.shape), modes


def is_toy(spec: str) -> bool:
    """Say whether a --data spec names a toy, whose distribution is known."""
    kind, _, name = spec.partition(":")
    return kind == "toys" and name in TABLE


def toy_from_spec(spec: str) -> Toy:
    """Return the Toy that a --data spec names, such as "toys:plus".

    Raises:
      InputError: there is no such toy.
    """
    if not is_toy(spec):
        raise InputError(
            f"--data={spec} names no toy; use one of {', '.join(f'toys:{t}' for t in TABLE)}."
        )
    return TABLE[spec.partition(":")[2]]


def load(arg: str, options: DataOptions, split: str = "train") -> Arrays:
    """Return points as images of one pixel, whose channels are the coordinates.

    Args:
      arg: key of `TABLE`.
      options: see datasets.load; size means nothing to points, and crop must be 0.
      split: "train" or "test".

    Returns:
      (float32 [N, 1, 1, D] in [-1, 1], divided by the toy's scale; int32 [N], the modes; names of
      the modes). Without several modes the latter two are None and ().

    Raises:
      InputError: there is no such toy, or crop is not 0.
    """
    toy = toy_from_spec(f"toys:{arg}")
    if options.crop:
        raise InputError(f"--crop={options.crop} means nothing to points; use --crop=0.")
    points, modes = sample_points(toy, split)
    points = (points / toy.scale).astype(np.float32).reshape(-1, 1, 1, toy.dim)
    return points, modes if toy.classes else None, toy.classes
