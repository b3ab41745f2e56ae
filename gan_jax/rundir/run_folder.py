"""The run folder: opened for reading, where config.json says all that is needed; claimed, judged and cleared for training."""

import json
import os
import shutil
from typing import NamedTuple

from gan_jax import cache, metrics
from gan_jax import config as configs
from gan_jax.core.state import GanState, shapes
from gan_jax.core.step import Method
from gan_jax.data import datasets
from gan_jax.errors import InputError
from gan_jax.rundir import checkpoint
from gan_jax.rundir.run_lock import claim, is_claimed  # noqa: F401 - a part of what can be done with a run folder


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
        raise InputError(
            "--workdir is missing; name a run folder, such as --workdir=runs/morpho_quick."
        )
    workdir = os.path.expanduser(workdir)
    config = configs.load(workdir)
    method = config.build()
    best = metrics.ranking(config.run.keep_best)
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
        source = datasets.load(moved or run.data, datasets.view(run))
    except InputError as error:
        raise InputError(
            f"{error} (If the data of this run has moved, say where with --data; its content is checked.)"
        ) from error
    if source.digest != config.source["digest"]:
        raise InputError(
            f"--data={source.name} is not what this run was trained on ({config.source['n']} images then, "
            f"{len(source.images)} now); restore the data or train again."
        )
    return source, datasets.load_heldout(source, datasets.view(run))


# In the order that --restart deletes them: what remains after a kill is refused or restarted, never taken for a finished run.
RUN_FILES = ("DONE", "checkpoints", "damaged", "metrics.jsonl", "samples", "eval.json", "neighbours.png",
             "neighbours_real.png", "density.webp", "report.html", "tensorboard", "flags.txt", "config.json")  # fmt: skip
FINISHED = "is finished"


def stand(workdir, config, restart):
    """Where a run folder stands for a configuration, in words; refuses a folder that is not its own.

    config: its source may be None, then the data is not compared.
    """
    if workdir.exists() and not workdir.is_dir():
        raise InputError(f"--workdir={workdir} is a file; choose another place for the run folder.")
    if not (workdir / "config.json").exists():
        found = [name for name in RUN_FILES if (workdir / name).exists()]
        if found:
            raise InputError(
                f"--workdir={workdir} holds {found[0]} but no config.json, so it is not a run; use another folder."
            )
        return "would be new"
    old = configs.load(workdir)
    if restart:
        return "would be discarded and begun again"
    if changed := configs.differences(old, config):
        raise InputError(
            f"The run in {workdir} was made with {'; '.join(changed)}. Use another --workdir, --restart to discard it, or "
            f"--flagfile={workdir / 'flags.txt'} --workdir={workdir} to continue it as it was."
        )
    return FINISHED if (workdir / "DONE").exists() else "would be resumed"


def begin(workdir, config, restart=False):
    """Makes a claimed folder that of a configuration and writes config.json; with `restart` what it held is discarded.

    Returns:
      where the folder stood, see `stand`.
    """
    stands = stand(workdir, config, restart)
    if restart:
        discard(workdir)
    cache.write_atomic(workdir / "config.json", json.dumps(config.to_dict(), indent=1) + "\n")
    return stands


def discard(workdir):
    """Removes what a run put into its folder, and nothing else."""
    for path in (workdir / name for name in RUN_FILES):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
