"""Records of measurements, a small JSON file each in docs/results, and the version of the code."""

import hashlib
import json
import pathlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from experiments.leaderboard.table import TABLE, Measurement, Number
from gan_jax import cache
from gan_jax.commands import command_line, entry
from gan_jax.errors import counted
from gan_jax.metrics import significance
from gan_jax.report import score_text

ROOT = pathlib.Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "results"
UNKNOWN = ""  # commit or code of a number that was measured before records were kept
PACKAGE = ROOT / "gan_jax"
# What all numbers depend on. Pages, commands and the studio may change without another measurement.
PARTS = ("core", "data", "methods", "metrics", "nets", "ops", "training")
MODULES = ("settings.py", "images.py", "config.py")


def code_version() -> str:
    """Return a digest, 12 hex digits, of the code that all numbers depend on."""
    paths = [path for part in PARTS for path in (PACKAGE / part).rglob("*.py")]
    return _digest([*paths, *(PACKAGE / name for name in MODULES)], [])


def recipe_version(commands: Sequence[str]) -> str:
    """Return a digest, 12 hex digits, of the flagfiles and studies that commands name.

    Comments of flagfiles do not count. Of a study all modules count, and those that studies share.
    """
    texts, paths = [], []
    for name in re.findall(r"--flagfile=(\w+)", " ".join(commands)):
        lines = (command_line.FLAGFILES / f"{name}.flags").read_text().splitlines()
        texts.append("\n".join([name, *(line for line in lines if line.startswith("--"))]))
    for words in commands:
        module = entry.MODULES.get(words.split()[0], "")
        if module.startswith("gan_jax.studies."):
            study = PACKAGE.joinpath(*module.split(".")[1:-1])
            paths += [*study.rglob("*.py"), *(PACKAGE / "studies").glob("*.py")]
    return _digest(paths, texts)


def _digest(paths, texts):
    """Return 12 hex digits for the names and contents of files of the package, and for texts."""
    digest = hashlib.sha256()
    for path in sorted(set(paths)):
        digest.update(str(path.relative_to(PACKAGE)).encode() + b"\0" + path.read_bytes())
    for text in texts:
        digest.update(text.encode() + b"\0")
    return digest.hexdigest()[:12]


def is_current(record: dict[str, Any], commands: Sequence[str], code: str) -> bool:
    """Return whether a measurement was made with this code and the recipe of today.

    Args:
      record: with "code" and "recipe", as measure.measure writes them.
      commands: of the measurement.
      code: see code_version.
    """
    return record.get("code") == code and record.get("recipe") == recipe_version(commands)


def read_number(result: dict[str, Any], number: Number) -> dict[str, Any]:
    """Read a number out of a result.

    Args:
      result: of a run, eval.json; or of a study, results.json.
      number: Number; a list where it points, or one level above, is of seeds.

    Returns:
      {"value", "spread": standard deviation over repeats or seeds, or None, "interval": [low, high]
      of 95 % that stays within what the score can be, or None}, scaled.

    Raises:
      LookupError: the result has no such number.
    """
    *places, key = number.path.split("/")
    at: Any = result
    for place in places:
        at = at[place]
    if isinstance(at, list):
        at = {key: [one[key] for one in at]}
    value, spread, interval = at[key], at.get(f"{key}_std"), None
    if isinstance(value, list):
        spread = float(np.std(value, ddof=1)) if len(value) > 1 else None
        value, interval = significance.confidence_interval(value, *number.limits)
    elif places[0] == "rows" and places[-1] == score_text.subject_row(result):
        interval = score_text.confidence_interval(result, key)
    scaled = lambda x: None if x is None else float(f"{number.scale * x:.6g}")
    return {
        "value": scaled(value),
        "spread": scaled(spread),
        "interval": None if interval is None else [scaled(x) for x in interval],
    }


def build_record(
    name: str, measurement: Measurement, result: dict[str, Any], where: dict[str, str]
) -> dict[str, Any]:
    """Build the record of a measurement.

    Args:
      name: key of TABLE.
      measurement: its entry.
      result: what its last command wrote.
      where: "commit", "code", "recipe", "hardware" and "date" of the measurement.
    """
    protocol = result.get("protocol", "")
    if isinstance(protocol, dict):  # of a run
        repeats = counted(protocol["repeats"], "repeat")
        protocol = (
            f"{protocol['n_fake']:,} images at {protocol['size']} px against "
            f"{protocol['n_real']:,} real ones, {repeats} of sampling"
        )
    protocol = protocol.replace(f"{pathlib.Path.cwd()}/", "")  # of paths of the data
    return {
        "name": name,
        "commands": [f"gan-jax {words}" for words in measurement.commands],
        "seeds": measurement.seeds,
        **where,
        "protocol": protocol,
        "numbers": {n.key: read_number(result, n) for n in measurement.numbers},
    }


def write(record: dict[str, Any], folder: pathlib.Path = RESULTS) -> None:
    """Write a record as FOLDER/NAME.json."""
    text = json.dumps(record, indent=1, allow_nan=False, ensure_ascii=False)
    cache.write_atomic(folder / f"{record['name']}.json", text + "\n")


def read_all(folder: pathlib.Path = RESULTS) -> dict[str, dict[str, Any]]:
    """Read the records that there are, in the order of TABLE."""
    paths = {name: folder / f"{name}.json" for name in TABLE}
    return {name: json.loads(path.read_text()) for name, path in paths.items() if path.exists()}


def quoted_text(number: Number, measured: dict[str, Any]) -> str:
    """Return the words by which pages quote a number."""
    return number.form.format(value=measured["value"], spread=measured["spread"])


def wrong_quotes(records: dict[str, dict[str, Any]], root: pathlib.Path = ROOT) -> list[str]:
    """List what pages quote in other words than the records have it, a sentence each."""
    wrong = []
    for name, record in records.items():
        for number in TABLE[name].numbers:
            text = quoted_text(number, record["numbers"][number.key])
            for page, beside in number.quotes:
                lines = [x for x in (root / page).read_text().splitlines() if beside in x]
                if not any(text in line for line in lines):
                    wrong.append(f"{page}: no line with {beside!r} says {text!r} ({name})")
    return wrong
