"""Flags of the study of two models on disjoint halves."""

import dataclasses
import pathlib
from typing import Any, NamedTuple

from gan_jax.commands.train import find_preset, make_config, settings_groups
from gan_jax.config import Config
from gan_jax.errors import InputError
from gan_jax.settings import RunSettings, changed, setting
from gan_jax.studies import runner


@dataclasses.dataclass(frozen=True)
class Flags(runner.StudyFlags):
    """Flags of the study itself."""

    experiment: str = setting("dcgan", "the training command of both models")
    counts: str = setting(
        "100,300,1000,3000,10000",
        "numbers of images that two models share, half each, with commas; all: all that there are",
    )
    repeats: int = setting(
        3, "pairs of models for each number: other halves and seeds, from --seed on", low=1
    )
    n_images: int = setting(
        2000, "generated images that are scored; twice as many held-out real ones are needed", low=2
    )
    neighbours: int = setting(
        256, "generated images whose nearest training images are searched", low=16, high=2000
    )
    dry_run: bool = setting(False, "check everything, say what would be trained and stop")


class Asked(NamedTuple):
    """What a command line asks for."""

    flags: Flags
    config: Config  # of all runs, but for data, seed and intervals
    typed: list[str]  # flags of the training command that are not its defaults
    root: pathlib.Path  # the study's folder


# Settings of a run that the study makes its own, or that mean nothing to it.
REFUSED = {
    "eval_every": "which scores models at their end",
    "keep_best": "which scores models at their end",
    "stop_on_collapse": "in which both models train to their end",
    "freeze_disc": "in which both models begin anew",
}


def read(doc: str | None, argv: list[str]) -> Asked:
    """Read a command line.

    Args:
      doc: docstring of the command.
      argv: words after its name.

    Raises:
      InputError
    """
    defaults: list[Any] = settings_groups(find_preset("two_models", Flags(), argv))[1:]
    (flags, run, hp), root = runner.parse("two_models", doc, [Flags(), *defaults], argv)
    for name, why in REFUSED.items():
        if getattr(run, name) != getattr(RunSettings(), name):
            raise InputError(f"--{name} is not for this study, {why}; leave it out.")
    config = make_config(flags.experiment, run, hp)
    own = {k: v for k, v in changed([run, hp], defaults).items() if k not in ("data", "seed")}
    return Asked(flags, config, [f"--{name}={value}" for name, value in own.items()], root)
