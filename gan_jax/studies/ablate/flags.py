"""Flags of a sweep: its own, those of scoring, and those of the training command that is varied."""

import dataclasses
import pathlib
from typing import Any, NamedTuple

from gan_jax.commands import command_line
from gan_jax.commands.train import find_preset, settings_groups
from gan_jax.commands.training_flags import MEMBERS_BY
from gan_jax.settings import changed, setting


@dataclasses.dataclass(frozen=True)
class Flags(command_line.CommonFlags):
    """Flags of the sweep itself."""

    experiment: str = setting("morpho", "the training command that is varied")
    vary: tuple = setting((), "a grid, FLAG=VALUE,VALUE;FLAG=VALUE,VALUE; see above")
    seeds: int = setting(3, "training seeds, from --seed on", low=1)
    workdir: str = setting(
        "",
        "folder of the sweep, in which every run has one; default: runs/ablate, with a flagfile "
        "runs/ablate_NAME",
    )
    jobs: int = setting(1, "runs at a time; they share the cores, and the GPUs, equally", low=1)
    members_by: str = setting(
        "",
        "the seeds of a configuration in one process, as members of one program or in turn; "
        "empty: a process each",
        choices=("", *MEMBERS_BY),
    )
    slurm: str = setting(
        "",
        "run as SLURM jobs, --jobs at a time: parameters of submitit with commas, "
        "timeout_min=600,... (extra: sweep)",
    )
    evaluate: bool = setting(True, "score finished runs as `evaluate` does, and compare them")
    dry_run: bool = setting(
        False, "check everything, print the commands and an estimate of the time, and stop"
    )
    estimate: bool = setting(
        True, "with --dry_run: measure what every configuration takes, in short runs of its own"
    )
    estimate_steps: int = setting(
        20, "steps of such a run that are measured, after as many that are not", low=1
    )


@dataclasses.dataclass(frozen=True)
class ScoringFlags:
    """Flags that `evaluate` is called with."""

    n_images: int = setting(2000, "generated images that a run is scored by", low=2)
    repeats: int = setting(1, "repeats of sampling, each with fresh noise", low=1)
    scores: str = setting(
        "", "which scores, with commas; empty: all that suit the data; see evaluate"
    )
    features: str = setting("auto", "what images are seen by, see evaluate")
    neighbours: int = setting(
        256, "images whose nearest training images are searched; 0: none", low=0, high=2000
    )

    def words(self) -> list[str]:
        """Return them as words of a command line."""
        return [f"--{f.name}={getattr(self, f.name)}" for f in dataclasses.fields(self)]


class Sweep(NamedTuple):
    """What all parts of a sweep share."""

    flags: Flags
    scoring: ScoringFlags
    base: dict[str, Any]  # {flag: value} where the experiment's flags differ from its defaults
    root: pathlib.Path


def read_sweep(doc: str | None, argv: list[str]) -> Sweep:
    """Read a command line.

    Args:
      doc: docstring of the command.
      argv: words after its name.

    Raises:
      InputError
    """
    defaults = settings_groups(find_preset("ablate", Flags(), argv))[1:]
    groups = [Flags(), ScoringFlags(), *defaults]
    (flags, scoring, *experiment), values = command_line.parse(doc, "ablate", groups, argv)
    base = changed(experiment, defaults)
    root = command_line.workdir_of(flags.workdir, values, "ablate", has_runs=True)
    return Sweep(flags, scoring, base, root)
