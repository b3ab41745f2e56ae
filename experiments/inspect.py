"""What a run folder holds: its step, its configuration and a digest of the whole training state."""

import dataclasses
import json
import sys

from experiments import common
from gan_jax.settings import setting


@dataclasses.dataclass(frozen=True)
class Settings(common.Command):
    """Flags of this command."""

    workdir: str = setting("", "the run folder")
    checkpoint: str = setting("newest", "newest, best (of a run with --keep_best), or a step")
    leaves: bool = setting(False, "print the digest of every array, too")


def run(argv):
    """Command line to text."""
    from gan_jax import checkpoint, runs

    (flags,), _ = common.parse(__doc__, "experiments.inspect", [Settings()], argv)
    trained = runs.load(flags.workdir, flags.checkpoint)
    host = checkpoint.to_host(trained.state)
    print(json.dumps(trained.config.to_dict(), indent=1))
    if flags.leaves:
        for name, digest in checkpoint.digests(host).items():
            print(f"{digest}  {name}")
    print(f"step {trained.step} of {trained.config.run.steps}")
    print(f"state sha256: {checkpoint.digest(host)}")


if __name__ == "__main__":
    sys.exit(common.guarded(run, sys.argv[1:]))
