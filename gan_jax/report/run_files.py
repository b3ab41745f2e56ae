"""Reads what a run folder holds for its pages: settings, log, sample grids and scores."""

import json
import pathlib
from typing import Any, NamedTuple

from gan_jax.rundir import config_file, log


class RunFiles(NamedTuple):
    """The files of a run folder that pages show."""

    folder: pathlib.Path
    config: dict[str, Any]  # config.json, see rundir.config_file.read
    log: list[dict]  # records of metrics.jsonl in the order of their steps, each step once
    samples: list[tuple[int, pathlib.Path]]  # (step, PNG file), in the order of the steps
    evaluation: dict | None  # eval.json, see metrics.evaluate.evaluate; None before it is there
    finished: bool

    @property
    def seed(self) -> int:
        """The seed of the run."""
        return self.config["run"]["seed"]


def read(folder: pathlib.Path) -> RunFiles:
    """Read a run folder.

    A torn last line of the log is left out; of records with the same step the last counts.

    Raises:
      InputError: there is no config.json, or it is damaged.
      ValueError: eval.json is damaged.
    """
    config = config_file.read(folder)
    records = {record["step"]: record for record in log.read(folder / "metrics.jsonl")}
    return RunFiles(
        folder,
        config,
        [records[step] for step in sorted(records)],
        sample_grids(folder),
        read_evaluation(folder),
        (folder / "DONE").exists(),
    )


def sample_grids(folder: pathlib.Path) -> list[tuple[int, pathlib.Path]]:
    """List (step, PNG file) of the sample grids in a run folder, in the order of their steps."""
    files = [path for path in (folder / "samples").glob("*.png") if path.stem.isdigit()]
    return sorted((int(path.stem), path) for path in files)


def read_evaluation(folder: pathlib.Path) -> dict | None:
    """Read eval.json of a folder; None where there is none."""
    path = folder / "eval.json"
    return json.loads(path.read_text()) if path.exists() else None
