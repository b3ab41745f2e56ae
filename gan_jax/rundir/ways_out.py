"""What to do about a run folder that holds another run than is to be trained."""

import dataclasses
import itertools
import pathlib
import shlex
from typing import Any

from gan_jax import config as configs
from gan_jax.config import Config
from gan_jax.data import datasets
from gan_jax.errors import InputError, result_or_error, typed
from gan_jax.rundir import config_file


def advice(
    workdir: pathlib.Path,
    old: Config,
    old_info: dict[str, Any],
    new: Config,
    new_info: dict[str, Any] | None,
    command: str = "train",
) -> str:
    """Say what to do about a folder that holds another run than is to be trained.

    Args:
      workdir: the run folder.
      old, new: configuration of the run that it holds, and of what is to be trained.
      old_info, new_info: the data of each, see config.describe; None before they are open.
      command: what goes before the name of a training command, such as "cluster submit".
    """
    longer = dataclasses.replace(old, run=dataclasses.replace(old.run, steps=new.run.steps))
    is_finished = (workdir / "DONE").exists() and new.run.steps > old.run.steps
    if is_finished and not configs.differences(longer, new, old_info, new_info):
        return (
            f"It is finished, and its schedules ended there. To train on, begin a new run with its "
            f"weights: add {_flag('init_from', workdir)} {_flag('workdir', _free_place(workdir))}; "
            "or use --restart to discard it."
        )
    # Opening the old data can take minutes. They matter here only if nothing else differs.
    by_data_alone = not configs.differences(old, new)
    if by_data_alone and not _is_unchanged(old, old_info):
        return (
            f"Use another --workdir, --restart to discard it, or name with --data where the "
            f"{old_info['n']:,} images are that it was trained on."
        )
    words = config_file.resume_words(workdir, config_file.read(workdir))
    if words is None:
        return "Use another --workdir, or --restart to discard it."
    line = typed(command, *words)
    return f"Use another --workdir, --restart to discard it, or continue it as it was: `{line}`"


def of_finished(workdir: pathlib.Path, steps: int) -> str:
    """Say that a run folder holds a finished run, and what else can be done with it."""
    return (
        f"{workdir} is finished: step {steps} of {steps}. Use --restart to train again, or another "
        f"--workdir with {_flag('init_from', workdir)} to begin with its weights."
    )


def _flag(name, path):
    """Write a flag with a path as a shell takes it."""
    return shlex.quote(f"--{name}={path}")


def _free_place(workdir):
    """Return a folder beside a run folder that is not there yet: NAME_2, NAME_3, ..."""
    places = (workdir.with_name(f"{workdir.name}_{i}") for i in itertools.count(2))
    return next(place for place in places if not place.exists())


def _is_unchanged(config, info):
    """Say whether the data of a run are where they were, with the content that they had."""
    opened = result_or_error(datasets.load, config.run.data, config.data_options)
    return not isinstance(opened, InputError) and opened.digest == info["digest"]
