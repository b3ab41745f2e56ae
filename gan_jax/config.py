"""A run's configuration: everything that its numbers depend on, checked, compared and prepared.

`Config` holds what the user chose. `prepare` opens the data that it names and builds the method:
`Prepared` is all that training needs.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gan_jax import images, methods, metrics, plugins
from gan_jax.core import parallel, quantities
from gan_jax.core.method import Method
from gan_jax.core.state import Vars
from gan_jax.data import datasets, toys
from gan_jax.data.datasets import DataOptions, Dataset
from gan_jax.errors import InputError
from gan_jax.methods import freeze
from gan_jax.methods.base import DataSpec, check_minibatch
from gan_jax.metrics import features, photometry, scoring
from gan_jax.nets import classifier
from gan_jax.settings import RunSettings, Size, check, values_before


@dataclasses.dataclass(frozen=True)
class Config:
    """What a user chose for one run."""

    experiment: str  # name of the command
    method: str  # key of methods.TABLE, or a plug-in
    run: RunSettings
    hp: Any  # the method's Settings

    @property
    def data_options(self) -> DataOptions:
        """How the data set is read."""
        run = self.run
        return DataOptions(run.size, *(getattr(run, name) for name in DataOptions._fields[1:]))

    def build(self, spec: DataSpec) -> Method:
        """Build the method for data of this kind.

        Raises:
          InputError: settings of the method contradict each other or the data.
        """
        module = methods.TABLE[self.method]
        module.check(self.hp, spec)
        method = module.build(self.hp, spec, self.run.steps)
        n = self.run.freeze_disc
        return freeze.freeze_disc(method, n) if n else method

    def to_dict(self) -> dict:
        """Return a nested dict of JSON values."""
        return dataclasses.asdict(self)


class Start(NamedTuple):
    """What a run with --init_from begins with."""

    record: dict[str, Any]  # what config.json says of it, see start_weights.describe
    vs: Vars | None = None  # weights of the source; None where the run has checkpoints of its own


class Prepared(NamedTuple):
    """A configuration whose data are open and whose method is built."""

    config: Config
    dataset_info: dict[str, Any]  # see `describe`
    method: Method
    train: Dataset
    test: Dataset | None  # None where there is no test split, or where training needs none
    start: Start | None = None  # None without --init_from, and where another process has it

    @property
    def pool(self):
        """Images that conditions are taken from, uint8 [N, H, W, C]; None where none are needed."""
        return condition_pool(self.method, self.train, self.test)

    def to_dict(self) -> dict:
        """Return what config.json holds; "plugins" and "init_from" only where there are any."""
        own = {name: plugins.describe(name) for name in plugin_names(self.config)}
        return (
            self.config.to_dict()
            | {"dataset": self.dataset_info}
            | ({"plugins": own} if own else {})
            | ({"init_from": self.start.record} if self.start else {})
        )

    def as_begun(self, raw: dict) -> "Prepared":
        """Prepare for going on with a run that may be from before some settings, see `as_begun`."""
        config = as_begun(self.config, raw)
        if config == self.config:
            return self
        return self._replace(config=config, method=config.build(data_spec(self.dataset_info)))

    def with_run(self, **changes) -> "Prepared":
        """Change settings that neither data nor method depend on, such as the seed."""
        run = dataclasses.replace(self.config.run, **changes)
        return self._replace(config=dataclasses.replace(self.config, run=run))


def plugin_names(config: Config) -> list[str]:
    """List the plug-ins that a configuration names, each once."""
    names = [config.method] if plugins.is_plugin("methods", config.method) else []
    for group in (config.run, config.hp):
        for field in dataclasses.fields(group):
            kind: str = field.metadata["plugins"]
            value = getattr(group, field.name)
            if kind == "data":
                values = filter(None, [datasets.plugin_of(value)])
            elif kind == "metrics":
                values = [word.strip() for word in value.split(",") if word.strip()]
            else:
                values = [value] if kind else []
            built_in = field.metadata["choices"] or ()
            names += [v for v in values if v not in built_in and plugins.is_plugin(kind, v)]
    return list(dict.fromkeys(names))


def condition_pool(method: Method, train: Dataset, test: Dataset | None) -> np.ndarray | None:
    """Return the images that conditions are taken from, uint8 [N, H, W, C]; None without need."""
    return (test or train).images if method.conditioning.needs_images else None


def prepare(
    config: Config,
    train: Dataset | None = None,
    test: Dataset | None = None,
    open_split: Callable[[str], Dataset | None] | None = None,
) -> Prepared:
    """Open the data of a configuration and build its method.

    Args:
      config: Config whose settings were checked, see `validate_settings`.
      train, test: data that are open already. With `train` given, nothing is opened.
      open_split: opens the split "train" or "test" of the data; None for datasets.load.

    Raises:
      InputError: the data cannot be used, or settings contradict them.
    """
    opened = train is None
    if open_split is None:
        open_split = functools.partial(datasets.load, config.run.data, config.data_options)
    if train is None:
        train = open_split("train")
    assert train is not None  # such data are refused when they are opened
    validate_data(config.run, train)
    info = describe(train)
    method = config.build(data_spec(info))
    # Grids of a method that starts from images show images that it was not trained on.
    if opened and (config.run.eval_every or method.conditioning.needs_images):
        test = datasets.open_heldout(train, open_split)
    return Prepared(config, info, method, train, test)


def describe(dataset: Dataset) -> dict[str, Any]:
    """Describe a data set for config.json.

    Returns:
      {"name", "digest", "n": images, "size": Size.value, "colors": channels, "classes": names,
      "counts": images of each class}; and, where there are any, "pixels": PixelFormat.to_dict(),
      and "quantities": Quantities.to_dict().
    """
    n, *hw, channels = dataset.images.shape
    counts = [int((dataset.labels == i).sum()) for i in range(len(dataset.classes))]
    return {
        "name": dataset.name,
        "digest": dataset.digest,
        "n": n,
        "size": Size.of(hw).value,
        "colors": channels,
        "classes": list(dataset.classes),
        "counts": counts,
        **({"pixels": dataset.format.to_dict()} if dataset.format else {}),
        **({} if dataset.values is None else {"quantities": _measured(dataset).to_dict()}),
    }


def _measured(dataset):
    assert dataset.values is not None
    return quantities.measure(dataset.quantities, dataset.values)


def data_spec(info: dict[str, Any]) -> DataSpec:
    """Return what nets need to know of the data that `describe` described."""
    counts = tuple(info.get("counts", ()))
    of_images = quantities.from_dict(info.get("quantities"))
    return DataSpec(info["size"], info["colors"], tuple(info["classes"]), counts, of_images)


def validate_settings(run: RunSettings, hp, n_devices: int, n_processes: int = 1) -> None:
    """Refuse settings that contradict each other or the machine, before any data are opened.

    Args:
      run: RunSettings.
      hp: the method's Settings.
      n_devices: devices of all processes.
      n_processes: processes that train together, on all of their devices.

    Raises:
      InputError
    """
    check(run)
    check(hp)
    sizes = {"batch": run.batch, "gen_batch": getattr(hp, "gen_batch", 0)}
    used = parallel.check_shares(run.devices, sizes, n_devices, n_processes)
    check_minibatch(hp, run.batch, used)
    if run.freeze_disc and not run.init_from:
        raise InputError(
            f"--freeze_disc={run.freeze_disc} keeps the weights of another run; add "
            "--init_from=RUN, or leave --freeze_disc out."
        )
    if run.stop_on_collapse and not run.watch:
        raise InputError("--stop_on_collapse needs the watch that finds it; leave out --nowatch.")
    _validate_keep_best(run)


def _validate_keep_best(run):
    scored = metrics.parse_names(run.eval_scores, "eval_scores")
    if run.keep_best == "none":
        return
    own = metrics.plugin_scores(scored)
    rankable = [*metrics.RANKABLE_SCORES, *(k for k, s in own.items() if s.better != "real")]
    if run.keep_best not in rankable:
        raise InputError(
            f"--keep_best={run.keep_best} is no score to go by; use none or one of: "
            f"{', '.join(rankable)}."
        )
    if run.keep_best not in own and metrics.metric_of(run.keep_best) not in scored:
        raise InputError(
            f"--keep_best={run.keep_best} is not among what is scored in training; add "
            f"{metrics.metric_of(run.keep_best)} to --eval_scores={run.eval_scores}."
        )
    if not run.eval_every:
        raise InputError(
            f"--keep_best={run.keep_best} needs scores during training; "
            f"add --eval_every={min(run.save_every or 500, run.steps)}."
        )


def validate_data(run: RunSettings, dataset: Dataset) -> None:
    """Refuse settings that the data cannot serve.

    Raises:
      InputError
    """
    if not dataset.points:
        images.parse_bands(run.show, dataset.images.shape[3])
    if run.keep_best != "none" and dataset.points:
        raise InputError(
            f"--keep_best={run.keep_best} is a score of images, and {run.data} are points; "
            "leave it out."
        )
    needs_classes = run.keep_best != "none" and (
        "probs" in metrics.TABLE[metrics.metric_of(run.keep_best, run.eval_scores)].needs
    )
    if needs_classes and not dataset.classes:
        raise InputError(
            f"--keep_best={run.keep_best} needs class labels, and {run.data} has none; "
            "use --keep_best=kernel."
        )
    if run.eval_every and dataset.points and not toys.is_toy(dataset.name):
        raise InputError(
            f"--eval_every={run.eval_every}: points are scored by the distribution that they are "
            f"of, and that of {run.data} is not known; use --eval_every=0."
        )
    if run.eval_every and run.keep_best != "none":
        _require_enough(run, dataset)
    if run.eval_every and not dataset.points:
        scoring.check_values(run.eval_scores, photometry.has_units(dataset), "eval_scores")
        scoring.check_counts(
            dataset, run.eval_images, "eval_images", run.eval_scores, scores_flag="eval_scores"
        )


def _require_enough(run, dataset):
    """Refuse a --keep_best that needs more images than there are."""
    n_features = (
        classifier.WIDTHS[-1] if dataset.points else features.count_features("auto", dataset)
    )
    least = {
        key: metrics.TABLE[metrics.metric_of(key)].min_images(n_features)
        for key in metrics.RANKABLE_SCORES
    }
    few = min(run.eval_images, len(dataset.images) // 2)
    if least.get(run.keep_best, 0) > few:
        possible = [key for key in ("kernel", "coverage") if least[key] <= few]
        instead = " or ".join(["none", *possible])
        raise InputError(
            f"--keep_best={run.keep_best} needs {2 * least[run.keep_best]:,} images, and "
            f"{run.data} has {len(dataset.images):,}; use {instead}."
        )


def from_dict(raw: dict) -> Config:
    """Invert Config.to_dict. Raises KeyError or TypeError for what another version wrote.

    Raises:
      InputError: the method is a plug-in that is not trusted, or cannot be imported.
    """
    settings = {"run": RunSettings, "hp": methods.TABLE[raw["method"]].Settings}
    run, hp = (kind(**values_before(kind) | raw[name]) for name, kind in settings.items())
    return Config(raw["experiment"], raw["method"], run, hp)


def as_begun(config: Config, raw: dict) -> Config:
    """Give settings that a stored configuration does not know the values that it was made with.

    Args:
      config: Config.
      raw: as config.json holds it, perhaps written before there were all of the settings.
    """
    groups = {name: getattr(config, name) for name in ("run", "hp")}
    later = {name: _unknown_settings(group, raw.get(name)) for name, group in groups.items()}
    return dataclasses.replace(
        config, **{name: dataclasses.replace(groups[name], **later[name]) for name in groups}
    )


def as_stored(config: dict, raw: dict) -> dict:
    """Leave the settings out of a configuration that a stored one does not know, see `as_begun`.

    What is written then says again that it is from before them.

    Args:
      config: what config.json is to hold.
      raw: what it holds.
    """
    kinds = {"run": RunSettings, "hp": methods.TABLE[config["method"]].Settings}
    out = dict(config)
    for name, kind in kinds.items():
        unknown = _unknown_settings(kind, raw.get(name))
        out[name] = {k: v for k, v in config[name].items() if k not in unknown}
    return out


def _unknown_settings(kind, stored):
    """{name: value before there was the setting} of the settings that a stored group lacks."""
    before = values_before(kind)
    return {k: v for k, v in before.items() if isinstance(stored, dict) and k not in stored}


# Settings that say which data are read. What they lead to decides whether a run may go on with
# others: data that have moved are the same data.
DATA_SETTINGS = ("data", *(name for name in DataOptions._fields if name != "hw"))


def differences(
    old: Config, new: Config, old_info: dict | None = None, new_info: dict | None = None
) -> list[str]:
    """List what differs of all that matters to the numbers: "--flag=old, now new", then the data.

    Args:
      old, new: Config.
      old_info, new_info: the data of each, see `describe`; None leaves the data out.
    """
    out = [
        f"{name} {getattr(old, name)}, now {getattr(new, name)}"
        for name in ("experiment", "method")
        if getattr(old, name) != getattr(new, name)
    ]
    if old.method != new.method:
        return out
    for a, b in ((old.run, new.run), (old.hp, new.hp)):
        out += [
            f"--{f.name}={getattr(a, f.name)}, now {getattr(b, f.name)}"
            for f in dataclasses.fields(a)
            if not f.metadata["free"]
            and f.name not in DATA_SETTINGS
            and getattr(a, f.name) != getattr(b, f.name)
        ]
    # Another size is other data: one difference, not two.
    if old_info and new_info and not any(d.startswith("--size=") for d in out):
        out += data_differences(old, new, old_info, new_info)
    return out


def data_differences(old: Config, new: Config, old_info: dict, new_info: dict) -> list[str]:
    """List how the data differ, by content: nothing where both have one digest.

    Args:
      old, new: Config.
      old_info, new_info: the data of each, see `describe`.

    Returns:
      the settings of the data that differ; if none does, that the content has changed.
    """
    if old_info["digest"] == new_info["digest"]:
        return []
    changed = [
        f"--{name}={getattr(old.run, name)}, now {getattr(new.run, name)}"
        for name in DATA_SETTINGS
        if getattr(old.run, name) != getattr(new.run, name)
    ]
    n_old, n_new = old_info["n"], new_info["n"]
    content = f"the content of {new_info['name']} ({n_old} images, now {n_new})"
    return changed or [content]
