"""Training sets for a classifier, of real and synthetic images; an arm is one kind of them.

All arms are trained with equally many updates on minibatches of one size, so whatever is added
takes the place of something: with an equal share of synthetic images every real one is seen half as
often.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

# Origins of images. RARE: synthetic ones that fill up the rare class.
REAL, SYNTHETIC, RARE = range(3)


class Pool(NamedTuple):
    """The images that all arms choose from."""

    labels: np.ndarray  # int [N]
    origin: np.ndarray  # int [N], one of REAL, SYNTHETIC and RARE
    rare: int = -1  # the class that is filled up, -1 for none
    target: int = 0  # how many images that class then has

    def rows(self, origin: int) -> np.ndarray:
        """Return the row numbers of one origin."""
        return np.flatnonzero(self.origin == origin)


Rule = Callable[[Pool, np.random.Generator], np.ndarray]


class Arm(NamedTuple):
    """One kind of training set."""

    text: str  # in words
    compose: Rule  # returns int [M], rows of the training set; some perhaps several times
    ordinary: bool = False  # whether its images are changed at random, too
    generated: bool = False  # whether it has synthetic images
    # Keys of the arms that it is compared with: real images only, and then the alternative to
    # synthetic images: ordinary augmentation, or copies.
    rivals: tuple[str, ...] = ("real",)


def real(pool: Pool, rng: np.random.Generator) -> np.ndarray:
    """Take the real images."""
    return pool.rows(REAL)


def synthetic(pool: Pool, rng: np.random.Generator) -> np.ndarray:
    """Take all synthetic images."""
    return pool.rows(SYNTHETIC)


def add_synthetic(ratio: float) -> Rule:
    """Return the rule that takes the real images, and `ratio` synthetic ones for each."""

    def compose(pool, rng):
        real, synthetic = pool.rows(REAL), pool.rows(SYNTHETIC)
        return np.concatenate([real, rng.permutation(synthetic)[: round(ratio * len(real))]])

    return compose


def copies(pool: Pool, rng: np.random.Generator) -> np.ndarray:
    """Take the real images, those of the rare class repeated until it has its target.

    They are repeated as evenly as possible.
    """
    rows = pool.rows(REAL)
    few = rng.permutation(rows[pool.labels[rows] == pool.rare])
    return np.concatenate([rows, np.resize(few, pool.target - len(few))])


def filled(pool: Pool, rng: np.random.Generator) -> np.ndarray:
    """Take the real images, and synthetic ones of the rare class until it has its target."""
    return np.concatenate([pool.rows(REAL), pool.rows(RARE)])


def build_arms(
    ratios: tuple[float, ...], both_ratio: float = 0.0, ordinary: bool = False, rare: str = ""
) -> dict[str, Arm]:
    """Build the arms of a study.

    Args:
      ratios: synthetic images per real one.
      both_ratio: the same, of an arm with ordinary augmentation too; 0 for no such arm.
      ordinary: whether there is ordinary augmentation.
      rare: name of the class that is filled up; "" for none.

    Returns:
      {key: Arm}; the keys are fit for file names.
    """
    arms = {"real": Arm("real only", real, rivals=())}
    rivals = ("real", "ordinary") if ordinary else ("real",)
    if ordinary:
        arms["ordinary"] = Arm("ordinary augmentation", real, ordinary=True)
    for ratio in ratios:
        arms[f"synthetic_{ratio:g}"] = Arm(
            f"real + {ratio:g} synthetic", add_synthetic(ratio), generated=True, rivals=rivals
        )
    if ratios:
        arms["synthetic"] = Arm("synthetic only", synthetic, generated=True)
    if ordinary and both_ratio:
        text = f"ordinary + {both_ratio:g} synthetic"
        arms[f"ordinary_{both_ratio:g}"] = Arm(text, add_synthetic(both_ratio), True, True, rivals)
    if rare:
        arms |= _rare_arms(rare, "", "", False)
        if ordinary:
            arms |= _rare_arms(rare, "ordinary_", ", ordinary", True)
    return arms


def _rare_arms(rare, prefix, suffix, ordinary):
    """The two arms that fill up the rare class. prefix, suffix: of their keys, of their texts."""
    rivals = ("real", f"{prefix}copies")
    return {
        f"{prefix}copies": Arm(f"copies of {rare}{suffix}", copies, ordinary),
        f"{prefix}filled": Arm(f"synthetic {rare}{suffix}", filled, ordinary, True, rivals),
    }


def plan_minibatches(
    rows: np.ndarray, steps: int, batch: int, rng: np.random.Generator
) -> np.ndarray:
    """Plan the minibatches of a classifier's training: passes over its training set, each shuffled.

    Args:
      rows: int [M], M >= 1.
      steps: updates.
      batch: images of each.
      rng: numpy Generator.

    Returns:
      int64 [steps, batch] out of `rows`; a row occurs equally often up to one time.
    """
    n_passes = -(-steps * batch // len(rows))
    passes = np.concatenate([rng.permutation(rows) for _ in range(n_passes)])
    return passes[: steps * batch].reshape(steps, batch)
