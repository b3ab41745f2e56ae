"""Opening a run folder for reading: config.json says all that sampling and evaluating need."""

import os
from typing import NamedTuple

from gan_jax import checkpoint
from gan_jax import config as configs
from gan_jax.data import source as sources
from gan_jax.errors import InputError
from gan_jax.state import GanState, shapes
from gan_jax.step import Method


class Trained(NamedTuple):
    """A run at one of its checkpoints. state has numpy leaves."""

    config: configs.Config
    method: Method
    step: int
    state: GanState


def load(workdir, which="newest"):
    """Trained, at the newest checkpoint, the best, or that of a step.

    Raises:
      InputError: no run, no such checkpoint, or a damaged one.
    """
    if not workdir:
        raise InputError("--workdir is missing; name a run folder, such as --workdir=runs/morpho_quick.")
    workdir = os.path.expanduser(workdir)
    config = configs.load(workdir)
    method = config.build()
    best = config.run.keep_best if config.run.keep_best != "none" else None
    return Trained(config, method, *checkpoint.load_state(workdir, shapes(method), which, best))


def data(config, moved=""):
    """(training Source, held-out Source or None) of a run.

    Args:
      moved: --data of the same content at another place; "" for where it was.

    Raises:
      InputError: the data is gone, or is not what the run was trained on.
    """
    run = config.run
    try:
        source = sources.load(moved or run.data, run.size, run.crop)
    except InputError as error:
        raise InputError(
            f"{error} (If the data of this run has moved, say where with --data; its content is checked.)"
        ) from error
    if source.digest != config.source["digest"]:
        raise InputError(
            f"--data={source.name} is not what this run was trained on ({config.source['n']} images then, "
            f"{len(source.images)} now); restore the data or train again."
        )
    return source, sources.load_heldout(source, run.size, run.crop)
