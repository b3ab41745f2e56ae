"""The run folder: opened for reading, and claimed, compared and cleared for training."""

import dataclasses
import enum
import functools
import pathlib
import shutil
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gan_jax import config as configs
from gan_jax import metrics, plugins
from gan_jax.config import Config, Prepared
from gan_jax.core.initialize import state_shapes
from gan_jax.core.method import Method
from gan_jax.core.state import GanState, Vars
from gan_jax.data import datasets
from gan_jax.data.datasets import Dataset
from gan_jax.errors import InputError
from gan_jax.rundir import checkpoint, config_file, hub, published, wandb_writer, ways_out
from gan_jax.settings import RunSettings

# What commands write into a run folder unless they are told another place. Of `sample`, by form:
SAMPLED = {
    "grid": "sampled.png",
    "kinds": "sampled_kinds.png",
    "paths": "sampled_paths.png",
    "folder": "sampled",
    "npz": "sampled.npz",
    "fits": "sampled_fits",
    "tiff": "sampled_tiff",
}
EXPORTED, PUBLISHED = "exported", "published"
PROCESSES = "processes.json"  # which processes train the run together, where there are several
# In the order in which --restart deletes them, so that what a kill leaves is never taken for a
# finished run.
RUN_FILES = (
    "DONE",
    "checkpoints",
    "damaged",
    "metrics.jsonl",
    "samples",
    "eval.json",
    "neighbours.png",
    "neighbours_real.png",
    "density.webp",
    "report.html",
    "tensorboard",
    wandb_writer.FOLDER,
    *SAMPLED.values(),
    EXPORTED,
    PUBLISHED,
    PROCESSES,
    "flags.txt",
    config_file.NAME,
)


class RunStatus(enum.StrEnum):
    """What training would do with a run folder, in words that complete "The run folder ..."."""

    NEW = "would be new"
    RESUMABLE = "would be resumed"
    FINISHED = "is finished"
    DISCARDED = "would be discarded and begun again"


class LoadedRun(NamedTuple):
    """A run at one of its checkpoints."""

    config: Config
    dataset_info: dict[str, Any]  # see config.describe
    method: Method
    step: int
    state: GanState  # leaves are numpy arrays
    init_from: dict[str, Any] | None  # what it began with, see start_weights.describe


def load_config(workdir: str | pathlib.Path) -> tuple[Config, dict[str, Any]]:
    """Load the configuration of a run folder, and the description of its data.

    Raises:
      InputError: there is no config.json, this version cannot read it, or it names plug-ins that
        are not trusted or not installed.
    """
    raw, path = config_file.read(workdir), pathlib.Path(workdir) / config_file.NAME
    own = config_file.plugins_of(raw)
    plugins.refuse_foreign(own, path)
    for name in [name for name in own if not plugins.is_installed(name)]:
        version = f" It was version {own[name]['version']}." if "version" in own[name] else ""
        raise InputError(
            f"{path} names {name}, a plug-in that is not installed; install its package.{version}"
        )
    try:
        return configs.from_dict(raw), raw["dataset"]
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{path} cannot be read ({error}); it was written by another version or damaged."
        ) from error


def check_config(workdir: str | pathlib.Path) -> None:
    """Refuse a configuration that this version cannot read; import no plug-in.

    Raises:
      InputError
    """
    raw = config_file.read(workdir)
    if not config_file.plugins_of(raw):
        load_config(workdir)
        return
    try:
        RunSettings(**raw["run"])
        _ = raw["experiment"], raw["method"], dict(raw["hp"]), raw["dataset"]["digest"]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{pathlib.Path(workdir) / config_file.NAME} cannot be read ({error}); "
            "it was written by another version or damaged."
        ) from error


def load(workdir: str | pathlib.Path, which: str = "newest", download: bool = False) -> LoadedRun:
    """Load a run at one of its checkpoints, or a published one.

    Args:
      workdir: the run folder, a published folder, or hf:USER/NAME, see `hub.locate`.
      which: "newest", "best" or a step.
      download: fetch hf:USER/NAME if it is not in the local cache.

    Raises:
      InputError: no run, no such checkpoint, or a damaged one.
    """
    if not workdir:
        raise InputError(
            "--workdir is missing; name a run folder, such as --workdir=runs/morpho_quick."
        )
    if hub.is_name(str(workdir)):
        folder = hub.locate(str(workdir), download)
    else:
        folder = pathlib.Path(workdir).expanduser()
    is_published = published.is_published(folder)
    if is_published:
        published.verify(folder)
    config, info = load_config(folder)
    if changed := plugins.changes(config_file.plugins_of(config_file.read(folder))):
        print(
            f"{folder}: other code than it was made with, {'; '.join(changed)}; "
            "its numbers may differ.",
            file=sys.stderr,
        )
    method = config.build(configs.data_spec(info))
    if is_published:
        step, state = published.load_state(folder, method)
        if which not in ("newest", str(step)):
            raise InputError(
                f"--checkpoint={which} is not in {workdir}, a published folder, which holds step "
                f"{step} alone; leave it out."
            )
    else:
        best = metrics.ranking_key(config.run.keep_best, config.run.eval_scores)
        step, state = checkpoint.load_state(folder, state_shapes(method), which, best)
    began = config_file.read(folder).get("init_from")
    return LoadedRun(config, info, method, step, state, began)


def sampled_vars(run: LoadedRun, ema: bool) -> Vars:
    """Return the variables that a run is sampled with. ema: averaged ones, where there are any.

    Raises:
      InputError: of a published run the last weights are asked for, and it has the averaged ones.
    """
    if not ema and run.method.ema and not run.state.ema:
        raise InputError(
            "--noema asks for the last weights, and a published run has the averaged ones alone; "
            "leave it out."
        )
    return run.state.vars(ema)


def output_folder(workdir: str | pathlib.Path) -> pathlib.Path:
    """Return the folder that commands write into unless they are told another.

    It is the run folder. Beside a published folder, which stays as it is, it is NAME-results; of a
    model on the hub it lies in the current folder.
    """
    if hub.is_name(str(workdir)):
        return pathlib.Path(hub.repo_of(str(workdir))[0].partition("/")[2] + "-results")
    folder = pathlib.Path(workdir).expanduser()
    if not published.is_published(folder):
        return folder
    if folder.name in ("", ".."):  # such as the current folder
        folder = folder.resolve()
    return folder.with_name(f"{folder.name}-results")


def load_data(
    config: Config, info: dict[str, Any], data_override: str = ""
) -> tuple[Dataset, Dataset | None]:
    """Open the data of a run.

    Args:
      config, info: see `load_config`.
      data_override: --data of the same content in another place; "" for where it was.

    Returns:
      (training data, held-out data or None).

    Raises:
      InputError: the data are gone, or are not what the run was trained on.
    """
    options = config.data_options
    spec = data_override or config.run.data
    train = saying_where(functools.partial(datasets.load, spec, options))("train")
    if train.digest != info["digest"]:
        raise InputError(
            f"--data={train.name} has another content than this run was trained on "
            f"({info['n']} images then, {len(train.images)} now); name a place that has the same "
            "content with --data."
        )
    return train, datasets.load_heldout(train, options)


def saying_where(open_split: Callable[[str], Any]) -> Callable[[str], Any]:
    """Let a refusal of the data of a run that exists say what to do where they have moved.

    Args:
      open_split: opens a split of the data, "train" or "test".

    Returns:
      the same, with a refusal of more words.
    """

    def open_or_say(split):
        try:
            return open_split(split)
        except InputError as error:
            raise InputError(
                f"{error} (If the data of this run have moved, name their new place with --data; "
                "the content is checked.)"
            ) from error

    return open_or_say


def skipping_bad_images(run: LoadedRun) -> LoadedRun:
    """Return a run whose data are read without bad files; their content is checked all the same."""
    settings = dataclasses.replace(run.config.run, skip_bad_images=True)
    return run._replace(config=dataclasses.replace(run.config, run=settings))


def load_pool(run: LoadedRun, data_override: str = "") -> np.ndarray | None:
    """Load the images that conditions are taken from: uint8 [N, H, W, C]; None if none are needed.

    Args:
      run: LoadedRun.
      data_override: see `load_data`.

    Raises:
      InputError: see `load_data`.
    """
    if not run.method.conditioning.needs_images:
        return None
    train, heldout = load_data(run.config, run.dataset_info, data_override)
    return configs.condition_pool(run.method, train, heldout)


def status(
    workdir: pathlib.Path,
    config: Config,
    restart: bool,
    info: dict[str, Any] | None = None,
    command: str = "train",
) -> RunStatus:
    """Compare a run folder with a configuration.

    Args:
      workdir: the run folder, which need not exist.
      config: what would be trained.
      restart: whether what the folder holds is to be discarded.
      info: description of the data, see config.describe; None before the data are open.
      command: see `ways_out.advice`.

    Raises:
      InputError: the folder holds something else, or a run with other settings or data.
    """
    if workdir.exists() and not workdir.is_dir():
        raise InputError(f"--workdir={workdir} is a file; choose another place for the run folder.")
    if published.is_published(workdir):
        raise InputError(
            f"--workdir={workdir} is a published folder, which training would change; use another "
            "folder."
        )
    if not (workdir / config_file.NAME).exists():
        leftover = [name for name in RUN_FILES if (workdir / name).exists()]
        if leftover:
            raise InputError(
                f"--workdir={workdir} holds {leftover[0]} but no config.json, so it is not a run; "
                "use another folder."
            )
        return RunStatus.NEW
    own = config_file.plugins_of(config_file.read(workdir))
    if restart and own:  # whose code may be gone
        return RunStatus.DISCARDED
    old, old_info = load_config(workdir)
    if restart:
        return RunStatus.DISCARDED
    config = configs.as_begun(config, config_file.read(workdir))
    changed = configs.differences(old, config, old_info, info)
    if changed:
        raise InputError(
            f"The run in {workdir} was made with {'; '.join(changed)}. "
            f"{ways_out.advice(workdir, old, old_info, config, info, command)}"
        )
    if changed := plugins.changes(own):
        raise InputError(
            f"The run in {workdir} was made with other code: {'; '.join(changed)}. Use that code "
            "again, another --workdir, or --restart to discard the run."
        )
    return RunStatus.FINISHED if (workdir / "DONE").exists() else RunStatus.RESUMABLE


def prepare_folder(workdir: pathlib.Path, prepared: Prepared, restart: bool = False) -> RunStatus:
    """Write config.json into a locked folder; with `restart` discard what it held.

    Returns:
      the status before, see `status`.
    """
    before = status(workdir, prepared.config, restart, prepared.dataset_info)
    if restart:
        discard(workdir)
    config = prepared.to_dict()
    if before in (RunStatus.RESUMABLE, RunStatus.FINISHED):
        config = configs.as_stored(config, config_file.read(workdir))
    config_file.write(workdir, config)
    return before


def as_begun(workdir: pathlib.Path, prepared: Prepared, restart: bool = False) -> Prepared:
    """Prepare for going on with the run of a folder as an earlier version began it; say so.

    Settings that there were not yet have the values that the run was made with, whatever
    `prepared` says. Without such a run, or to discard it, `prepared` stays as it is.

    Args:
      workdir, prepared, restart: see `prepare_folder`.
    """
    if restart or not (workdir / config_file.NAME).exists():
        return prepared
    begun = prepared.as_begun(config_file.read(workdir))
    if begun is prepared:
        return prepared
    for name in ("run", "hp"):
        before, now = (dataclasses.asdict(getattr(p.config, name)) for p in (begun, prepared))
        for flag in [flag for flag in now if before[flag] != now[flag]]:
            print(
                f"{workdir} is from before there was --{flag}: it goes on as it was begun, "
                f"{flag}={before[flag]}.",
                file=sys.stderr,
            )
    return begun


def discard(workdir: pathlib.Path) -> None:
    """Remove what a run put into its folder, and nothing else.

    A link to a folder stays, and is emptied: a user put it there, such as for a larger disk.
    """
    for path in (workdir / name for name in RUN_FILES):
        if path.is_symlink() and path.is_dir():
            for inner in path.iterdir():
                _remove(inner)
        else:
            _remove(path)


def _remove(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
