"""Measurement: trains and scores what TABLE lists, goes on where it was stopped, writes records."""

import datetime
import json
import os
import pathlib
import platform
import subprocess
import sys
from typing import Any

from experiments.leaderboard import records
from experiments.leaderboard.table import RUN, Measurement
from gan_jax import cache
from gan_jax.errors import counted

BEGUN = "begun.json"  # in a folder: with which code a measurement began
MEASURED = "measured.json"  # where and when it was measured


def hardware() -> str:
    """Name the machine: its processor and how many cores this process may use."""
    name = platform.machine()
    info = pathlib.Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text().splitlines()
        name = next((x.partition(":")[2].strip() for x in lines if "model name" in x), name)
    return f"{counted(len(os.sched_getaffinity(0)), 'core')} of {name}"


def commit() -> str:
    """Return the commit of the checkout, with + where files that are no results differ from it.

    UNKNOWN without git.
    """

    def git(*words):
        return subprocess.run(
            ["git", "-C", str(records.ROOT), *words], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        differ = git("status", "--porcelain", "--", ".", ":!docs/results")
        return git("rev-parse", "--short", "HEAD") + "+" * bool(differ)
    except (OSError, subprocess.CalledProcessError):
        return records.UNKNOWN


def read_where(folder: pathlib.Path, name: str = MEASURED) -> dict[str, str]:
    """Read where and when a folder was measured; {} if it was not, or not to its end.

    name: MEASURED, or BEGUN.
    """
    try:
        return json.loads((folder / name).read_text())
    except (OSError, ValueError):
        return {}


def measure(
    name: str, measurement: Measurement, folder: pathlib.Path, again: bool
) -> dict[str, Any] | None:
    """Measure one row of the table, unless its folder has it.

    Args:
      name: key of TABLE.
      measurement: its entry.
      folder: of its run or study.
      again: whether what another version of the code has measured is measured once more, in a new
        folder; the old one is kept beside it, as NAME.VERSION.

    Returns:
      Its record; None where a command failed.
    """
    where, code = read_where(folder), records.code_version()
    if where and again and not records.is_current(where, measurement.commands, code):
        older = len(list(folder.parent.glob(f"{folder.name}.{where['code']}*")))
        folder.rename(folder.with_name(f"{folder.name}.{where['code']}" + "-" * older))
        where = {}
    if not where:
        begun = read_where(folder, BEGUN)  # what was stopped goes on, and is of the code before
        if not begun:
            recipe = records.recipe_version(measurement.commands)
            begun = {"commit": commit(), "code": code, "recipe": recipe}
            folder.mkdir(parents=True, exist_ok=True)
            cache.write_atomic(folder / BEGUN, json.dumps(begun, indent=1) + "\n")
        for words in measurement.commands:
            argv = [word.replace(RUN, str(folder)) for word in words.split()]
            print(f"{name}: gan-jax {' '.join(argv)}", flush=True)
            if subprocess.run([sys.executable, "-m", "gan_jax", *argv], check=False).returncode:
                return None
        date = datetime.datetime.now(datetime.UTC).date().isoformat()
        where = {**begun, "hardware": hardware(), "date": date}
        cache.write_atomic(folder / MEASURED, json.dumps(where, indent=1) + "\n")
    result = json.loads((folder / measurement.result).read_text())
    return records.build_record(name, measurement, result, where)
