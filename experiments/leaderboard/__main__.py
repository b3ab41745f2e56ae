"""The numbers that README quotes: measured by one command, on one page.

  python -m experiments.leaderboard                  builds docs/results/leaderboard.md
  python -m experiments.leaderboard --measure        measures what is missing first, then builds it

Every measurement is a few commands of gan-jax in ROOT/NAME: training goes on where it was stopped,
and what is finished is not done again. --again measures what another version of the code has
measured once more, in a new folder; the old one is kept. Each has a record docs/results/NAME.json:
value, interval, seeds, commands, commit, hardware, date, protocol. Says at the end what README and
the documentation quote in other words. MNIST is read from data/mnist, Fashion-MNIST from
data/fashion_mnist and CIFAR-10 from data/cifar10; rows whose data are not there are left out.
"""

import dataclasses
import pathlib
import sys

from experiments.leaderboard import page, records
from experiments.leaderboard.measure import measure
from experiments.leaderboard.table import TABLE
from gan_jax import cache
from gan_jax.commands import command_line, process
from gan_jax.errors import InputError
from gan_jax.settings import setting


@dataclasses.dataclass(frozen=True)
class Flags(command_line.CommonFlags):
    """Flags of this command."""

    root: str = setting("runs/leaderboard", "folder of the runs and studies")
    only: str = setting("", "names of measurements, with commas; empty: all")
    measure: bool = setting(False, "measure what is missing; some six hours for all on 2 cores")
    again: bool = setting(False, "with --measure: also what another version has measured")


def choose(only: str) -> list[str]:
    """Return the names in --only, or all; shortest first.

    Raises:
      InputError: a name is not known.
    """
    names = [name for name in only.split(",") if name] or list(TABLE)
    for name in names:
        if name not in TABLE:
            raise InputError(f"--only={only}: {name} is not known; use {', '.join(TABLE)}.")
    return sorted(names, key=lambda name: TABLE[name].minutes)


def run(argv: list[str]) -> None:
    """Measure, write records and build the page, as a command line asks."""
    (flags,), _ = command_line.parse(__doc__, "experiments.leaderboard", [Flags()], argv)
    names, root = choose(flags.only), pathlib.Path(flags.root).expanduser().absolute()
    failed = []
    for name in names if flags.measure else ():
        one = TABLE[name]
        if one.data and not (pathlib.Path("data") / one.data).is_dir():
            print(f"{name}: left out, there is no data/{one.data}", flush=True)
            continue
        record = measure(name, one, root / name, flags.again)
        if record is None:
            failed.append(name)
        else:
            records.write(record)
    every = records.read_all()
    cache.write_atomic(page.PATH, page.build(every, records.code_version()))
    for sentence in records.wrong_quotes(every):
        print(sentence)
    print(f"Page: {page.PATH}")
    if failed:
        raise InputError(
            f"{', '.join(failed)} failed, see above; the same command goes on with the rest."
        )


if __name__ == "__main__":
    sys.exit(process.guarded(run, sys.argv[1:]))
