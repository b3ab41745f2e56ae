"""The steps that all studies share: flags, data, the study's folder, one run, results.

A study's command reads its flags with `parse`, opens its data and refuses what it cannot use, works
inside `study_folder`, and ends with `write_results`.
"""

import contextlib
import dataclasses
import json
import pathlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from gan_jax import cache, config
from gan_jax.commands import command_line
from gan_jax.config import Prepared
from gan_jax.data import datasets, table_labels
from gan_jax.data.types import DataOptions, Dataset
from gan_jax.errors import InputError, Stopped
from gan_jax.rundir import run_folder, run_lock
from gan_jax.settings import setting
from gan_jax.studies import table_format
from gan_jax.studies.table_format import Table
from gan_jax.training import training_loop
from gan_jax.training.signals import Signals


@dataclasses.dataclass(frozen=True)
class StudyFlags(command_line.CommonFlags):
    """Flags of every study."""

    workdir: str = setting(
        "", "the study folder; default: runs/ and the name of the flagfile or of the study"
    )


def parse(
    name: str, doc: str | None, groups: Sequence, argv: Sequence[str]
) -> tuple[list[Any], pathlib.Path]:
    """Parse the command line of a study.

    Args:
      name: name of the command.
      doc: its docstring.
      groups: dataclass instances, the first a StudyFlags; see command_line.parse.
      argv: words after the command's name.

    Returns:
      (new instances of the groups, with absolute paths in --data; the study's folder).

    Raises:
      InputError: see command_line.parse.
    """
    parsed, values = command_line.parse(doc, name, groups, argv)
    for i, group in enumerate(parsed):
        if getattr(group, "init_from", ""):
            raise InputError(
                f"--init_from={group.init_from}: the runs of this study all begin anew; leave it "
                "out."
            )
        if hasattr(group, "data"):
            paths = {"data": datasets.absolute_spec(group.data)}
            if hasattr(group, "labels"):
                paths["labels"] = table_labels.absolute(group.labels)
            parsed[i] = dataclasses.replace(group, **paths)
    return parsed, command_line.workdir_of(parsed[0].workdir, values, name, has_runs=True)


def split_names(text: str, known: Iterable[str], flag: str) -> list[str]:
    """Split a flag's names at commas.

    Raises:
      InputError: a name is not known, or there is none.
    """
    names = [word.strip() for word in text.split(",") if word.strip()]
    for name in names:
        if name not in known:
            raise InputError(f"--{flag}={text}: {name!r} is not known; use {', '.join(known)}.")
    if not names:
        raise InputError(f"--{flag} is empty; use some of {', '.join(known)}.")
    return names


def open_splits(spec: str, options: DataOptions) -> tuple[Dataset, Dataset | None]:
    """Open the training split of a --data, and its test split or None.

    Raises:
      InputError: see datasets.load.
    """
    train = datasets.load(spec, options)
    return train, datasets.load_heldout(train, options)


def count_classes(dataset: Dataset) -> int:
    """Count the classes that have images; 0 without labels."""
    labels = dataset.labels
    return 0 if labels is None else len(np.unique(labels[labels >= 0]))


def labelled_images(test: Dataset | None) -> Dataset | None:
    """Return a test split without the images that have no class; None if no image is left."""
    if test is None or test.labels is None or (test.labels < 0).all():
        return None
    rows = test.labels >= 0
    return test._replace(images=test.images[rows], labels=test.labels[rows])


@contextlib.contextmanager
def study_folder(
    root: pathlib.Path, runs: dict[str, Prepared], flags: dict[str, Any], lock: bool = True
) -> Iterator[None]:
    """Lock a study's folder, and refuse one that was begun with other settings.

    Args:
      root: the study's folder, which need not exist.
      runs: a run of each kind, without what differs between runs of the kind.
      flags: further settings that numbers depend on.
      lock: False where several processes work on parts of the study.

    Raises:
      InputError: the folder is in use, or holds a study with other settings.
    """
    with run_lock.lock_run(root) if lock else contextlib.nullcontext():
        check_settings(root, runs, flags)
        yield


def check_settings(root: pathlib.Path, runs: dict[str, Prepared], flags: dict[str, Any]) -> None:
    """Write study.json into a new study's folder; compare it with the study.json of an old one.

    Args:
      root, runs, flags: see `study_folder`.

    Raises:
      InputError: the folder holds a study with other settings, or its study.json is damaged.
    """
    path = root / "study.json"
    if not path.exists():
        root.mkdir(parents=True, exist_ok=True)
        configs = {
            kind: {**run.config.to_dict(), "source": run.dataset_info} for kind, run in runs.items()
        }
        text = json.dumps({"configs": configs, "flags": flags}, indent=1)
        cache.write_atomic(path, text + "\n")
        return
    try:
        changed = _differences(json.loads(path.read_text()), runs, flags)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} cannot be read ({error}); it was written by another version or damaged."
        ) from error
    if changed:
        raise InputError(
            f"The study in {root} was made with {changed[0]}; "
            "use another --workdir, or delete that folder."
        )


def _differences(stored, runs, flags):
    """List what differs from a stored study.json, flags first."""
    before = stored["flags"]
    changed = [f"--{k}={before[k]}, now {v}" for k, v in flags.items() if before[k] != v]
    if changed:  # other flags may mean other kinds of runs
        return changed
    for kind, run in runs.items():
        old = stored["configs"][kind]
        now = config.as_begun(run.config, old)
        changed += config.differences(config.from_dict(old), now, old["source"], run.dataset_info)
    return changed


def train_run(prepared: Prepared, folder: pathlib.Path, name: str = "") -> None:
    """Train a run in a locked folder, unless it is finished.

    Args:
      prepared: Prepared.
      folder: its run folder.
      name: prefix of its lines on the terminal.

    Raises:
      Stopped, NonFiniteError: see training_loop.train.
    """
    prepared = run_folder.as_begun(folder, prepared)
    if run_folder.prepare_folder(folder, prepared) == run_folder.RunStatus.FINISHED:
        return
    with Signals() as signals:
        with training_loop.Loop(prepared, folder, signals, name) as loop:
            loop.advance(loop.run.steps)
            loop.finish()
        raise_if_signalled(signals, name)


def raise_if_signalled(signals: Signals, name: str = "") -> None:
    """Raise Stopped if a signal came at the very end of a run, which then ended as usual.

    signals: see training.signals.
    name: prefix of the message.
    """
    if signals.name:
        raise Stopped(f"{name}stopped by {signals.name}; all is saved. The same command goes on.")


def write_json(path: pathlib.Path, value: Any, indent: int | None = 1) -> None:
    """Write JSON, whole or not at all; NaN and infinities are refused."""
    cache.write_atomic(path, json.dumps(value, indent=indent, allow_nan=False) + "\n")


def write_results(
    root: pathlib.Path,
    results: dict[str, Any],
    tables: Sequence[Table],
    verdicts: Sequence[str],
    figures: dict[str, Callable[[pathlib.Path], Any]],
    page: Callable[[dict[str, Any], pathlib.Path], str],
    note: str = "",
) -> None:
    """Write results.json, tables.md, figures and report.html of a study; print the tables.

    Args:
      root: the study's folder.
      results: JSON values; results["protocol"] is the last paragraph of tables.md.
      tables: the tables.
      verdicts: sentences that follow the tables.
      figures: {file name: function that draws the figure into a path}.
      page: function of results and root that returns report.html; it may read the figures.
      note: a paragraph that explains the tables.
    """
    write_json(root / "results.json", results)
    sentences = "\n".join(f"- {line}" for line in verdicts)
    notes = [note] if note else []
    markdown = map(table_format.markdown, tables)
    text = "\n\n".join([*markdown, *notes, sentences, results["protocol"]])
    cache.write_atomic(root / "tables.md", text + "\n")
    for name, draw in figures.items():
        draw(root / name)
    cache.write_atomic(root / "report.html", page(results, root))
    print(text)
    print(f"Written: tables.md, results.json, {', '.join(figures)}, report.html in {root}")
