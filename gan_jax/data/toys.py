"""Distributions of points with known modes, made on the spot: `--data=toys:NAME`."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gan_jax import errors

N_TRAIN, N_TEST = 50_000, 10_000  # less the rest that does not divide into equal modes
SEEDS = {"train": 20_140_601, "test": 20_140_602}


class Toy(NamedTuple):
    """A distribution of points, in its own units.

    centers: float64 [M, D], of Gaussians of equal weight; None where the mass lies along a curve.
    sd: of the isotropic Gaussian noise around a centre or the curve.
    scale: what coordinates are divided by to lie in [-1, 1]: 5 sd beyond the outermost centre, or a little more.
    dim: coordinates of a point, D.
    curve: uniform float64 [n] in [0, 1) -> float64 [n, D]; None where there are centres.
    """

    centers: np.ndarray | None
    sd: float
    scale: float
    dim: int = 2
    curve: Callable | None = None

    @property
    def classes(self):
        """Names of the modes, their coordinates; () unless there are several."""
        if self.centers is None or len(self.centers) == 1:
            return ()
        return tuple(f"({x:g},{y:g})" for x, y in self.centers.round(3) + 0.0)  # + 0.0: no "-0"


def _swiss_roll(u):
    angle = 1.5 * np.pi * (1 + 2 * u)
    return np.stack([angle * np.cos(angle), angle * np.sin(angle)], 1)


_TURN = 2 * np.pi * np.arange(8) / 8
_GRID = Toy(
    np.stack(np.meshgrid(*[np.arange(-4.0, 5, 2)] * 2, indexing="ij"), -1).reshape(-1, 2),
    0.05,
    4.25,
)
_SINE = [(-1.866, 0.5), (-1.5, 0.866), (-1, 1), (-0.5, 0.866), (-0.134, 0.5), (0, 0)]

# gaussian1d, plus, sine and square: the toys of Dist-GAN (Tran et al. 2018). gaussians8, gaussians25 and swissroll: those of
# WGAN-GP (Gulrajani et al. 2017). Dist-GAN's square and WGAN-GP's 25 Gaussians are one distribution, under both its names.
TABLE = {
    "gaussian1d": Toy(np.array([[4.0]]), 1.0, 9.0, dim=1),
    "gaussians8": Toy(2 * np.stack([np.cos(_TURN), np.sin(_TURN)], 1), 0.02, 2.1),
    "gaussians25": _GRID,
    "square": _GRID,
    "plus": Toy(
        np.array([(i, 0.0) for i in range(-3, 4)] + [(0.0, j) for j in range(-3, 4) if j]),
        0.05,
        3.25,
    ),
    "sine": Toy(np.array([*_SINE, (2, 0), *((-x, -y) for x, y in _SINE[:5])]), 0.05, 2.25),
    "swissroll": Toy(None, 0.25, 15.5, curve=_swiss_roll),
}


def draw(toy, split):
    """The points of one split, mode after mode and round again, so that any stretch of them is balanced.

    Args:
      toy: Toy.
      split: "train" (50,000 points) or "test" (10,000 others); fewer by less than M, so that all modes have equally many.

    Returns:
      (float64 [N, D] in the toy's own units; int32 [N], the mode of each point, or None where there is a curve).
    """
    random = np.random.RandomState(
        SEEDS[split]
    )  # unlike a Generator's, its numbers are the same in every release of numpy
    n = N_TRAIN if split == "train" else N_TEST
    if toy.centers is None:
        base, modes = toy.curve(random.random_sample(n)), None
    else:
        modes = np.arange(n - n % len(toy.centers), dtype=np.int32) % len(toy.centers)
        base = toy.centers[modes]
    return base + toy.sd * random.standard_normal(base.shape), modes


def geometry(spec):
    """The Toy that a --data spec names, as in "toys:plus".

    Raises:
      InputError: there is no such toy.
    """
    kind, _, name = spec.partition(":")
    if kind != "toys" or name not in TABLE:
        raise errors.InputError(
            f"--data={spec} names no toy; use toys:NAME with one of {', '.join(TABLE)}."
        )
    return TABLE[name]


def load(arg, view, split="train"):
    """Points as images of one pixel whose channels are the coordinates, divided by the toy's scale.

    Args:
      arg: key of `TABLE`.
      view: as in `datasets.load`; its size means nothing to points, and its crop must be 0.
      split: "train" or "test".

    Returns:
      (float32 [N, 1, 1, D] in [-1, 1]; int32 [N], the modes; their names). Without several modes (None, ()) for the latter two.

    Raises:
      InputError: there is no such toy, or crop is not 0.
    """
    toy = geometry(f"toys:{arg}")
    if view.crop:
        raise errors.InputError(f"--crop={view.crop} means nothing to points; use --crop=0.")
    points, modes = draw(toy, split)
    points = (points / toy.scale).astype(np.float32).reshape(-1, 1, 1, toy.dim)
    return points, modes if toy.classes else None, toy.classes
