"""config.json of a run folder, as plain data; imports no JAX.

Keys that earlier versions wrote under other names are renamed when the file is read.
"""

import json
import pathlib
from typing import Any

from gan_jax import cache, plugins
from gan_jax.errors import InputError, counted

NAME = "config.json"
RENAMED_KEYS = {"source": "dataset"}  # {key that an earlier version wrote: key now}


def read(workdir: str | pathlib.Path) -> dict[str, Any]:
    """Read the config.json of a run folder.

    Returns:
      {"experiment", "method", "run", "hp", "dataset", perhaps "plugins"}, see
      config.Prepared.to_dict.

    Raises:
      InputError: there is none, or it is damaged.
    """
    path = pathlib.Path(workdir) / NAME
    if not path.is_file():
        if runs := sorted(below.parent for below in path.parent.glob(f"*/{NAME}")):
            raise InputError(
                f"--workdir={workdir} holds {counted(len(runs), 'run')} and is none itself; use "
                f"--workdir={runs[0]}{', or another of them' if len(runs) > 1 else ''}."
            )
        raise InputError(
            f"--workdir={workdir} is not a run folder (no {NAME}); name the folder of a run, or "
            "train into this one first."
        )
    try:
        return parse(path.read_text())
    except ValueError as error:
        raise InputError(
            f"{path} cannot be read ({error}); it was written by another version or damaged."
        ) from error


def parse(text: str) -> dict[str, Any]:
    """Parse the text of a config.json.

    Raises:
      ValueError: it is not a JSON object.
    """
    raw = json.loads(text)
    if not isinstance(raw, dict):
        raise ValueError("it is not an object")
    return {RENAMED_KEYS.get(str(key), str(key)): value for key, value in raw.items()}


def plugins_of(raw: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Return the plug-ins that a config.json names: {name: see plugins.describe}.

    None is imported. Names of Python code are found wherever they stand in the settings.
    """
    recorded = raw.get("plugins")
    recorded = recorded if isinstance(recorded, dict) else {}
    settings = [raw.get(key) for key in ("experiment", "method", "run", "hp")]
    names = dict.fromkeys([*recorded, *plugins.names_in(settings)])
    out = {}
    for name in names:
        code = recorded.get(name)
        pairs = code.items() if isinstance(code, dict) else ()
        out[name] = {str(key): value for key, value in pairs if isinstance(value, str)}
    return out


def trust_words(raw: dict[str, Any]) -> list[str]:
    """Return the words that a command needs to open the run of a config.json."""
    return ["--trust"] if plugins_of(raw) else []


def resume_words(workdir: pathlib.Path, raw: dict[str, Any]) -> list[str] | None:
    """Return the words after `train` that continue a run.

    Args:
      workdir: the run folder.
      raw: its config.json.

    Returns:
      The words; None for a run of a study or of Python code, which no such command continues.
    """
    flags = workdir / "flags.txt"
    if not flags.exists():
        return None
    return [
        str(raw["experiment"]),
        f"--flagfile={flags}",
        f"--workdir={workdir}",
        *trust_words(raw),
    ]


def write(workdir: pathlib.Path, config: dict[str, Any]) -> None:
    """Write the config.json of a run folder, whole or not at all."""
    cache.write_atomic(workdir / NAME, json.dumps(config, indent=1) + "\n")
