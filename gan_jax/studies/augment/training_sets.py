"""How training sets for a classifier are composed of real and of synthetic images: an arm is one such rule.

All arms are trained with equally many updates on minibatches of one size, so whatever is added takes the place of something:
with an equal share of synthetic images every real one is seen half as often.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

REAL, SYNTHETIC, RARE = range(
    3
)  # where an image is from; RARE: synthetic, made to fill up the rare class


class Pool(NamedTuple):
    """What all arms choose from. labels: int [N]. origin: int [N], one of REAL, SYNTHETIC and RARE. rare: the class that is
    filled up, -1 for none. target: how many images it then has."""

    labels: np.ndarray
    origin: np.ndarray
    rare: int = -1
    target: int = 0

    def rows(self, origin):
        """Row numbers of one origin."""
        return np.flatnonzero(self.origin == origin)


class Arm(NamedTuple):
    """One rule.

    text: in words. compose: (Pool, numpy Generator) -> int [M], the rows of the training set, some perhaps several times.
    ordinary: whether its images are changed at random, too. generated: whether it has synthetic images. rivals: keys of the
    arms it is compared with, real only and then the alternative to synthetic images: ordinary augmentation, or copies.
    """

    text: str
    compose: Callable
    ordinary: bool = False
    generated: bool = False
    rivals: tuple = ("real",)


def real(pool, rng):
    """The real images."""
    return pool.rows(REAL)


def synthetic(pool, rng):
    """The synthetic images, all that were made."""
    return pool.rows(SYNTHETIC)


def added(ratio):
    """Rule: the real images, and `ratio` synthetic ones for each, drawn without replacement from those that were made."""

    def compose(pool, rng):
        own, made = pool.rows(REAL), pool.rows(SYNTHETIC)
        return np.concatenate([own, rng.permutation(made)[: round(ratio * len(own))]])

    return compose


def copies(pool, rng):
    """The real images, those of the rare class repeated, as evenly as it goes, until it has as many as the target."""
    own = pool.rows(REAL)
    few = rng.permutation(own[pool.labels[own] == pool.rare])
    return np.concatenate([own, np.resize(few, pool.target - len(few))])


def filled(pool, rng):
    """The real images, and synthetic ones of the rare class until it has as many as the target."""
    return np.concatenate([pool.rows(REAL), pool.rows(RARE)])


def table(ratios, both_ratio=0.0, ordinary=False, rare=""):
    """{key: Arm} of a study, the key fit for a file name.

    Args:
      ratios: synthetic images per real one. both_ratio: the same, of an arm with ordinary augmentation too; 0: no such arm.
      ordinary: whether there is ordinary augmentation. rare: name of the class that is filled up; "" for none.
    """
    out = {"real": Arm("real only", real, rivals=())}
    plain = ("real", "ordinary") if ordinary else ("real",)
    if ordinary:
        out["ordinary"] = Arm("ordinary augmentation", real, ordinary=True)
    for ratio in ratios:
        out[f"synthetic_{ratio:g}"] = Arm(
            f"real + {ratio:g} synthetic", added(ratio), generated=True, rivals=plain
        )
    if ratios:
        out["synthetic"] = Arm("synthetic only", synthetic, generated=True)
    if ordinary and both_ratio:
        text = f"ordinary + {both_ratio:g} synthetic"
        out[f"ordinary_{both_ratio:g}"] = Arm(
            text, added(both_ratio), ordinary=True, generated=True, rivals=plain
        )
    for after, changed in (("", False), (", ordinary", True)) if rare else ():
        if ordinary or not changed:
            kind = "ordinary_" if changed else ""
            out[f"{kind}copies"] = Arm(f"copies of {rare}{after}", copies, changed)
            out[f"{kind}filled"] = Arm(
                f"synthetic {rare}{after}", filled, changed, True, ("real", f"{kind}copies")
            )
    return out


def plan(rows, steps, batch, rng):
    """The minibatches of a classifier's training: passes over a training set, each in a new order.

    Args:
      rows: int [M], M >= 1. steps, batch: updates, and images of each. rng: numpy Generator.

    Returns:
      int64 [steps, batch] out of `rows`; a row occurs equally often up to one time.
    """
    passes = -(-steps * batch // len(rows))
    return np.concatenate([rng.permutation(rows) for _ in range(passes)])[: steps * batch].reshape(
        steps, batch
    )
