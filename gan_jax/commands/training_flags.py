"""The flags of every training command that are not part of a configuration."""

import dataclasses

from absl import flags

from gan_jax.commands.command_line import HELP_WORDS, CommonFlags, define, flagfiles_first
from gan_jax.errors import InputError
from gan_jax.settings import check, setting


@dataclasses.dataclass(frozen=True)
class PeerFlags(CommonFlags):
    """Flags of a command that several processes may run together."""

    distributed: str = setting(
        "auto",
        "whether this process trains together with those it was started with (srun, mpirun, "
        "Kubernetes, --coordinator); off: by itself",
        choices=("auto", "off"),
    )
    coordinator: str = setting(
        "", "HOST:PORT of process 0, a free port; with --processes and --process"
    )
    processes: int = setting(0, "number of processes of the run, with --coordinator", low=0)
    process: int = setting(-1, "which of them this is, from 0 on, with --coordinator", low=-1)
    peer_timeout: float = setting(
        60.0, "seconds within which the loss of another process ends this one", low=2, high=86400
    )


# How runs of several seeds are executed: in one program, or one after another.
MEMBERS_BY = ("auto", "vmapped", "turns")


@dataclasses.dataclass(frozen=True)
class TrainingFlags(PeerFlags):
    """Flags of every training command that are not part of a configuration."""

    workdir: str = setting(
        "", "the run folder; default: runs/ and the name of the flagfile or of the experiment"
    )
    dry_run: bool = setting(False, "check everything, print the configuration and stop")
    check_data: bool = setting(
        False,
        "describe the data, name all that is wrong with it, say whether this command would be "
        "accepted, and stop; looks at every image",
    )
    restart: bool = setting(False, "discard what the run folder holds and start again")
    members: int = setting(
        1, "runs with seeds from --seed on, in folders that end in _SEED", low=1, high=64
    )
    members_by: str = setting(
        "auto",
        "how they are run: vmapped in one program, or in turns; auto: vmapped on one GPU",
        choices=MEMBERS_BY,
    )


def join(name: str, argv: list[str]) -> None:
    """Find the other processes of this run before anything is refused.

    What is refused after that is said once.

    Args:
      name: name of the command.
      argv: its words.

    Raises:
      InputError: the flags cannot be met.
      Stopped: the others did not come.
    """
    from gan_jax.training import peer_start

    if any(word in HELP_WORDS for word in argv):
        return
    given = PeerFlags()
    try:
        values = define([given])
        files, rest = flagfiles_first(argv, name)
        values([name, *files, *rest], known_only=True)
        read = {f.name: values[f.name].value for f in dataclasses.fields(given)}
        given = dataclasses.replace(given, **read)
    except (InputError, flags.Error, UnicodeDecodeError):
        pass  # refused when all flags are read
    else:
        check(given)
    rendezvous = peer_start.find(
        given.distributed, given.coordinator, given.processes, given.process
    )
    peer_start.start(rendezvous, given.peer_timeout)
