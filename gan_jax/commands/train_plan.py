"""What a training command would do: the checks of its data, its run folders and its processes."""

import functools
import pathlib
from typing import TYPE_CHECKING, NamedTuple

from gan_jax.commands.training_flags import TrainingFlags
from gan_jax.errors import InputError
from gan_jax.training import peers

if TYPE_CHECKING:  # these import JAX, whose start process.prepare_jax has to precede
    from collections.abc import Callable

    from gan_jax.config import Config, Prepared
    from gan_jax.data.datasets import Dataset
    from gan_jax.rundir.run_folder import RunStatus


class Plan(NamedTuple):
    """What a training command would do."""

    folders: list[pathlib.Path]  # run folder of each seed
    runs: "list[Prepared]"
    statuses: "list[RunStatus]"  # of the folders; of a new one where process 0 keeps them


def make_plan(
    command: TrainingFlags,
    workdir: pathlib.Path,
    config: "Config",
    open_split: "Callable[[str], Dataset | None] | None" = None,
) -> Plan:
    """Make all checks of a training command but those of its flags, see train.configure.

    Training begins with it, and `--check_data` ends with it: so both refuse the same commands in
    the same words. Among several processes, process 0 alone looks at run folders.

    Args:
      command, workdir, config: see train.configure.
      open_split: opens the data, see config.prepare; None for datasets.load. With it, the other
        processes are not asked whether they agree.

    Raises:
      InputError: the data, the settings, the run folders or the other processes do not suit.
    """
    from gan_jax import config as configs
    from gan_jax.data import datasets
    from gan_jax.rundir import config_file, run_folder, start_weights
    from gan_jax.training import peer_start

    leads, alone = peers.current().leads, open_split is not None
    _check_processes(command)
    first = config.run.seed
    seeds = range(first, first + command.members)
    folders = [workdir]
    if command.members > 1:
        folders = [workdir.with_name(f"{workdir.name}_{seed}") for seed in seeds]

    def status(*args):
        return run_folder.status(*args) if leads else run_folder.RunStatus.NEW

    # A folder that is refused is refused before the data are opened, which can take minutes.
    before = status(folders[0], config, command.restart)
    if open_split is None:
        open_split = functools.partial(datasets.load, config.run.data, config.data_options)
    if before in (run_folder.RunStatus.RESUMABLE, run_folder.RunStatus.FINISHED):
        open_split = run_folder.saying_where(open_split)
    prepared, old = configs.prepare(config, open_split=open_split), None
    if leads:
        prepared = run_folder.as_begun(folders[0], prepared, command.restart)
    if before in (run_folder.RunStatus.RESUMABLE, run_folder.RunStatus.FINISHED):
        old = config_file.read(folders[0])
    if not alone:
        prepared = peer_start.agree(prepared, old)
    runs = [prepared.with_run(seed=seed) for seed in seeds]
    statuses = [
        status(folder, one.config, command.restart, one.dataset_info)
        for folder, one in zip(folders, runs, strict=True)
    ]
    if leads:
        runs = start_weights.prepare_all(folders, runs, statuses)
    return Plan(folders, runs, statuses)


def _check_processes(command):
    """Refuse what several processes cannot do together."""
    n = peers.current().n
    if n > 1 and command.members > 1:
        raise InputError(
            f"--members={command.members} trains in one process, and here are {n}; use "
            "`--distributed=off`, or one command with its own --seed for each run."
        )
