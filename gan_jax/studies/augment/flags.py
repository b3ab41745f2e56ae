"""Flags of the study of synthetic images, and what all its parts share."""

import dataclasses
import pathlib
from typing import Any, NamedTuple

import numpy as np

from gan_jax import methods
from gan_jax.commands import presets, train
from gan_jax.config import Config
from gan_jax.data import classifier_augment
from gan_jax.data.types import Dataset
from gan_jax.errors import InputError
from gan_jax.settings import RunSettings, setting
from gan_jax.studies import runner
from gan_jax.studies.augment.results import share_folder
from gan_jax.studies.augment.training_sets import Arm


@dataclasses.dataclass(frozen=True)
class Flags(runner.StudyFlags):
    """Flags of the study itself."""

    experiment: str = setting(
        "acgan", "the training command of the GAN, which must be told classes: acgan, cgan, ..."
    )
    fractions: str = setting(
        "1,0.1,0.01", "shares of the labels, with commas; each one over a whole number"
    )
    ratios: str = setting(
        "0.5,1,2", "synthetic images per real one, with commas; empty: no such training sets"
    )
    both_ratio: float = setting(
        1.0, "the same, beside ordinary augmentation; 0: no such training set", low=0.0, high=100.0
    )
    ordinary: str = setting(
        "shift,rotate",
        "ordinary augmentation: any of shift, rotate (by 10 degrees), mirror (left to right), turn "
        "(quarter turns, mirrored), with commas; empty: none",
    )
    rare: str = setting(
        "",
        "a class, by name or number, that is filled up with synthetic images or copies; "
        "empty: none",
    )
    rare_to: str = setting(
        "mean", "how many images it then has: mean or max (of all classes), or a number"
    )
    seeds: int = setting(5, "classifiers of every training set", low=1, high=1000)
    classifier_steps: int = setting(600, "updates of every classifier", low=1)
    classifier_batch: int = setting(64, "images of such an update", low=2)
    classifier_width: int = setting(
        8, "channels of a classifier's first block; the next two have twice and four times", low=1
    )
    judge_steps: int = setting(2000, "updates of the independent classifier, 64 images each", low=1)
    judge_width: int = setting(16, "channels of its first block", low=1)
    n_judged: int = setting(
        200, "generated images of every class that it and D's class head are asked about", low=1
    )
    export: bool = setting(
        False, "also write the synthetic images as PNG files, a folder per class"
    )
    dry_run: bool = setting(False, "check everything, list what would be made and stop")


# These change no number, so a study may go on with other values.
FREE = ("help", "debug", "trust", "workdir", "fractions", "seeds", "export", "dry_run")
MAX_SHARE = 100_000


class Study(NamedTuple):
    """What all parts of the study share."""

    flags: Flags
    run: RunSettings  # of the GAN
    hp: Any  # Settings of its method
    root: pathlib.Path
    shares: tuple[int, ...]  # V for every fraction 1 / V, the largest fraction first
    ratios: tuple[float, ...]  # synthetic images per real one
    # Known once the data are open:
    rare: int = -1  # number of the class that is filled up, or -1
    arms: dict[str, Arm] = {}  # noqa: RUF012 - never mutated

    def gan_config(self, data: str) -> Config:
        """Return the configuration of the GAN of a --data."""
        run = dataclasses.replace(self.run, data=data)
        name = self.flags.experiment
        return Config(name, presets.find(name).method, run, self.hp)

    def data_of(self, share: int) -> str:
        """Return the --data of one share of the labels."""
        if share == 1:
            return self.run.data
        return f"shard:1/{share}/{self.run.seed}:{self.run.data}"

    def folder(self, share: int) -> pathlib.Path:
        """Return the folder of one share of the labels."""
        return share_folder(self.root, share)

    def n_rare(self, part: Dataset) -> int:
        """Return how many images the rare class of a part is filled up to; 0 without one.

        Raises:
          InputError: --rare_to cannot be read, or is no more than there are.
        """
        if self.rare < 0:
            return 0
        counts, text = np.bincount(part.labels, minlength=len(part.classes)), self.flags.rare_to
        named = {"mean": round(counts.mean()), "max": int(counts.max())}
        if text not in named and not text.isdecimal():
            raise InputError(
                f"--rare_to={text} cannot be read; use mean, max, or a number of images."
            )
        target = named[text] if text in named else int(text)
        if target <= counts[self.rare]:
            raise InputError(
                f"--rare_to={text} asks for {target} images, and {part.name} has "
                f"{counts[self.rare]} of class {part.classes[self.rare]}; use "
                f"--rare_to={counts[self.rare] + 1} or more."
            )
        return target

    def n_synthetic(self, part: Dataset) -> int:
        """Return how many images of all classes the largest ratio takes."""
        return round(max((0.0, *self.ratios)) * len(part.images))


def read_study(doc: str | None, argv: list[str]) -> Study:
    """Read a command line, before the data are open.

    Args:
      doc: docstring of the command.
      argv: words after its name.

    Raises:
      InputError
    """
    told_classes = [
        name
        for name, preset in presets.TABLE.items()
        if hasattr(methods.TABLE[preset.method].Settings, "condition")
    ]
    experiment = train.find_preset("augment", Flags(), argv, told_classes)
    groups = [Flags(), *train.settings_groups(experiment)[1:]]
    (flags, run, hp), root = runner.parse("augment", doc, groups, argv)
    classifier_augment.check_names(flags.ordinary)
    ratios = _numbers(flags.ratios, "ratios", 0, 100)
    if not (ratios or flags.rare):
        raise InputError(
            "--ratios and --rare are empty, so no training set has synthetic images; "
            "set one of them."
        )
    if ratios and flags.both_ratio > ratios[-1]:
        raise InputError(
            f"--both_ratio={flags.both_ratio:g} is above every ratio; use {ratios[-1]:g} or less."
        )
    return Study(flags, run, hp, root, read_shares(flags.fractions), tuple(ratios))


def read_shares(text: str) -> tuple[int, ...]:
    """Read V of every fraction 1 / V in --fractions, the largest fraction first.

    Raises:
      InputError: a fraction is not one over a whole number, or there is none.
    """
    shares = set()
    for fraction in _numbers(text, "fractions", 1 / (2 * MAX_SHARE), 1):
        share = round(1 / fraction)
        if abs(fraction * share - 1) > 0.01 or share > MAX_SHARE:
            raise InputError(
                f"--fractions={text}: {fraction:g} is not one over a whole number; use such "
                "shares, as in --fractions=1,0.5."
            )
        shares.add(share)
    if not shares:
        raise InputError("--fractions is empty; use shares of the labels, as in --fractions=1,0.5.")
    return tuple(sorted(shares))


def _numbers(text, flag, low, high):
    """Read the numbers of a flag with commas, each once, in order."""
    try:
        values = [float(word) for word in text.split(",")] if text else []
        if not all(low < x <= high for x in values):
            raise ValueError
    except ValueError:
        raise InputError(
            f"--{flag}={text} cannot be read; "
            f"use numbers above {low:g} up to {high:g}, with commas, such as --{flag}=1."
        ) from None
    return sorted(set(values))
