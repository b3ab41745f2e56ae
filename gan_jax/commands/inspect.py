"""Prints the step of a run folder, its configuration and a digest of its training state."""

import dataclasses
import json

from gan_jax.commands import command_line
from gan_jax.settings import setting


@dataclasses.dataclass(frozen=True)
class Flags(command_line.RunFlags):
    """Flags of this command."""

    leaves: bool = setting(False, "print the digest of every array, too")


def run(argv: list[str]) -> None:
    """Inspect the run folder that a command line names."""
    from gan_jax.rundir import host_state, run_folder

    (flags,), _ = command_line.parse(__doc__, "inspect", [Flags()], argv)
    loaded = run_folder.load(flags.workdir, flags.checkpoint, flags.download)
    host = host_state.to_host(loaded.state)
    config = loaded.config.to_dict() | {"dataset": loaded.dataset_info}
    if loaded.init_from:
        config |= {"init_from": loaded.init_from}
    print(json.dumps(config, indent=1))
    if flags.leaves:
        for name, digest in host_state.digests(host).items():
            print(f"{digest}  {name}")
    print(f"step {loaded.step} of {loaded.config.run.steps}")
    print(f"state sha256: {host_state.digest(host)}")
