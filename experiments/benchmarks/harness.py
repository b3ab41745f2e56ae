"""What the benchmarks share: flags, programs that are timed in turn, and tables of results."""

import dataclasses
import json
import pathlib
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

import numpy as np

from experiments.benchmarks.intervals import coverage, rank
from gan_jax import cache
from gan_jax.commands import command_line
from gan_jax.errors import InputError
from gan_jax.settings import setting

Result = TypeVar("Result")


@dataclasses.dataclass(frozen=True)
class Output(command_line.CommonFlags):
    """Flags of every benchmark."""

    json: str = setting("", "also write the results to this file, as soon as they are there")


@dataclasses.dataclass(frozen=True)
class Rounds(Output):
    """Flags of the benchmarks that time several programs."""

    rounds: int = setting(7, "measurements of each program; intervals at 95 % need 6", low=6)


def parse(name: str, doc: str | None, settings: Output, argv: list[str]) -> Any:
    """Return the flags of `python -m name` from their defaults and the command line."""
    (flags,), _ = command_line.parse(doc, name, [settings], argv)
    check_writable("json", flags.json)
    return flags


def check_writable(flag: str, path: str) -> None:
    """Refuse an output file that cannot be written; "" is none. Raises InputError."""
    out = pathlib.Path(path).expanduser()
    if path and (out.is_dir() or not out.parent.is_dir()):
        raise InputError(f"--{flag}={path} cannot be written; name a file in a folder that exists.")


def write_json(path: str, results: Any) -> None:
    """Write what JSON can hold to a file; nothing where the path is ""."""
    if path:
        cache.write_atomic(pathlib.Path(path).expanduser(), json.dumps(results, indent=1) + "\n")


def choose(flag: str, names: str, known: Iterable[str]) -> list[str]:
    """Split the value of a flag at its commas. Raises InputError if a name is not known."""
    for name in names.split(","):
        if name not in known:
            raise InputError(f"--{flag}={name} is not known; use some of: {', '.join(known)}.")
    return names.split(",")


class Program:
    """A program that is timed in units of work, such as training steps."""

    compile_s: float  # seconds from the beginning of its construction to the end of the first unit
    units_per_call: int = 1

    def call(self) -> Any:
        """Start the work of `units_per_call` units."""
        raise NotImplementedError

    def wait(self) -> None:
        """Return when all started work is done."""

    def memory_mib(self) -> float | None:
        """Return the peak memory of a unit in MiB; None where it is not known."""

    def warm_up(self, began: float) -> None:
        """Run the first unit; began: time.perf_counter() before the construction."""
        self.run(1)
        self.compile_s = time.perf_counter() - began

    def run(self, n: int) -> float:
        """Run n units, or as many more as fill the last call; return seconds per unit."""
        began, calls = time.perf_counter(), -(-n // self.units_per_call)
        for _ in range(calls):
            self.call()
        self.wait()
        return (time.perf_counter() - began) / (calls * self.units_per_call)


def interleave(runs: Mapping[Any, Callable[[], Result]], n_rounds: int) -> dict[Any, list[Result]]:
    """Call every function once per round, in a new random order each, and collect the results.

    Ratios of times from the same round hold on a machine whose speed changes.
    """
    results: dict[Any, list[Result]] = {name: [] for name in runs}
    names, order = list(runs), np.random.default_rng(0)
    for _ in range(n_rounds):
        for i in order.permutation(len(names)):
            results[names[i]].append(runs[names[i]]())
    return results


def time_programs(programs: Mapping[Any, Program], n_rounds: int, n: int) -> dict[Any, list[float]]:
    """Measure seconds per unit of every program in every round, over n units each."""
    runs = {name: lambda program=program: program.run(n) for name, program in programs.items()}
    return interleave(runs, n_rounds)


def confidence(rounds: int) -> str:
    """Say how sure the intervals are."""
    sure = coverage(rounds, rank(rounds))
    return f"[interval]: holds the median with probability {sure:.3f}"


def format_value(value: Any, form: str) -> str:
    """Format text, a number, [low, high], {"median", "low", "high"} or None."""
    if value is None or isinstance(value, str):
        return value or "-"
    if isinstance(value, list):
        return f"[{value[0]:{form}}, {value[1]:{form}}]"
    if isinstance(value, dict):
        interval = format_value([value["low"], value["high"]], form)
        return f"{value['median']:{form}} {interval}"
    return f"{value:{form}}"


class Column(NamedTuple):
    """A column of a printed table."""

    key: str  # of a row's value; see format_value
    width: int = 10  # in characters; negative: text is on the left
    form: str = ".1f"  # of numbers
    title: str = ""  # "": the key


class Table:
    """Rows that are printed as they come; all of them are written to a JSON file."""

    def __init__(self, *columns: Column, path: str = ""):
        """Print the header; path: of the JSON file, or ""."""
        self.rows: list[dict] = []
        self._columns, self._path = columns, path
        self._print({c.key: c.title or c.key for c in columns})

    def add(self, row: dict) -> None:
        """Print and write a row; what has no column is written only."""
        self.rows.append(row)
        self._print(row)
        write_json(self._path, self.rows)

    def _print(self, row):
        texts = [format_value(row.get(c.key), c.form) for c in self._columns]
        pairs = zip(texts, self._columns, strict=True)
        cells = [t.ljust(-c.width) if c.width < 0 else t.rjust(c.width) for t, c in pairs]
        print(" ".join(cells).rstrip(), flush=True)
