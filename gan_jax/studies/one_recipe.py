"""Studies that train one recipe several times: any training command with its flags."""

import pathlib
from typing import Any, Generic, NamedTuple, TypeVar

from gan_jax.commands.train import find_preset, make_config, settings_groups
from gan_jax.config import Config
from gan_jax.core.method import Method
from gan_jax.errors import InputError, typed
from gan_jax.settings import RunSettings, changed
from gan_jax.studies import runner

# Settings of a run that such a study makes its own, or that mean nothing to it.
REFUSED = {
    "eval_every": "which scores models itself",
    "keep_best": "which scores models itself",
    "stop_on_collapse": "in which all models train to their end",
    "freeze_disc": "in which all models begin anew",
}

Flags = TypeVar("Flags", bound=runner.StudyFlags)


class Asked(NamedTuple, Generic[Flags]):
    """What a command line asks for."""

    flags: Flags
    config: Config  # of all runs, but for data, seed and intervals
    typed: list[str]  # flags of the training command that are not its defaults
    root: pathlib.Path  # the study's folder

    def command(self) -> str:
        """Say what a user types to train one of the models."""
        return typed(f"train {self.config.experiment}", *self.typed, "--data=...")


def read(name: str, doc: str | None, flags: Flags, argv: list[str]) -> Asked[Flags]:
    """Read a command line.

    Args:
      name: name of the study.
      doc: docstring of the command.
      flags: its own flags, with `experiment`, the training command.
      argv: words after its name.

    Raises:
      InputError
    """
    defaults: list[Any] = settings_groups(find_preset(name, flags, argv))[1:]
    (flags, run, hp), root = runner.parse(name, doc, [flags, *defaults], argv)
    for setting, why in REFUSED.items():
        if getattr(run, setting) != getattr(RunSettings(), setting):
            raise InputError(f"--{setting} is not for this study, {why}; leave it out.")
    config = make_config(getattr(flags, "experiment"), run, hp)  # noqa: B009 - of all such flags
    own = {k: v for k, v in changed([run, hp], defaults).items() if k not in ("data", "seed")}
    return Asked(flags, config, [f"--{name}={value}" for name, value in own.items()], root)


def check_method(experiment: str, method: Method) -> None:
    """Refuse a method whose generator takes images: there is no noise to share.

    Args:
      experiment: its training command.
      method: the method.

    Raises:
      InputError
    """
    if method.conditioning.needs_images:
        raise InputError(
            f"--experiment={experiment} makes images of other images, and the study scores what "
            "models make of noise; use --experiment=dcgan."
        )
