"""Compares several runs: compare DIR DIR ... [--out=DIR]

Runs that differ in their seed alone are one system. Prints one table and writes compare.html and
compare.json: samples side by side, curves over each other with the spread over seeds, every score
with its interval, floor and controls, and for each pair of systems whether the difference is real.
Score the runs with `evaluate` first. Scores that were measured in different ways (other
counts, data, feature net, ...) are refused.
"""

import dataclasses
import pathlib
import sys

from gan_jax.commands import command_line
from gan_jax.commands.process import typed
from gan_jax.errors import InputError
from gan_jax.settings import setting


@dataclasses.dataclass(frozen=True)
class Flags(command_line.CommonFlags):
    """Flags of this command."""

    out: str = setting("runs/compare", "folder for compare.html and compare.json")


def run(argv: list[str]) -> None:
    """Compare the run folders that a command line names."""
    from gan_jax.report import compare, compare_page

    folders = [word for word in argv if not word.startswith("-")]
    words = [word for word in argv if word.startswith("-")]
    (flags,), _ = command_line.parse(__doc__, "compare", [Flags()], words)
    if len(folders) < 2:
        raise InputError(f"Name two or more run folders: {typed('compare')} runs/a runs/b")
    systems = compare.group_runs([compare.read_run(folder) for folder in folders])
    for member in [run for system in systems for run in system.runs if not run.evaluation]:
        hint = f"{typed('evaluate', member.folder)} adds them."
        print(f"{member.folder} has no scores yet; {hint}", file=sys.stderr)
    out = pathlib.Path(flags.out).expanduser()
    if text := compare_page.write(systems, out):
        print(text)
    print(f"Page: {out / 'compare.html'}")
