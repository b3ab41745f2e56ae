"""A run's configuration: everything its numbers depend on, checked, stored as config.json, compared on resume."""

import dataclasses
import json
import pathlib
from typing import Any

from gan_jax import methods, metrics
from gan_jax.errors import InputError
from gan_jax.methods import base
from gan_jax.metrics import evaluate
from gan_jax.settings import Run, check


@dataclasses.dataclass(frozen=True)
class Config:
    """experiment: the command's name. method: key of methods.TABLE. run: settings.Run. hp: the method's Settings.
    source: {"name", "digest", "n", "size", "colors", "classes", "counts"} of the training data."""

    experiment: str
    method: str
    run: Run
    hp: Any
    source: dict

    def shape(self):
        """The base.Shape of the training data."""
        found = self.source
        return base.Shape(
            found["size"], found["colors"], tuple(found["classes"]), tuple(found.get("counts", ()))
        )

    def build(self):
        """The step.Method of this run."""
        return methods.TABLE[self.method].build(self.hp, self.shape(), self.run.steps)

    def to_dict(self):
        """Nested dict of JSON values."""
        return dataclasses.asdict(self)


def describe(source):
    """The part of a data.datasets.Source that config.json records."""
    n, size, _, colors = source.images.shape
    return {
        "name": source.name,
        "digest": source.digest,
        "n": n,
        "size": size,
        "colors": colors,
        "classes": list(source.classes),
        "counts": [int((source.labels == i).sum()) for i in range(len(source.classes))]
        if source.classes
        else [],
    }


def validate_settings(run, hp, n_devices):
    """Refuses settings that contradict each other or the machine, before any data is opened.

    Raises:
      InputError
    """
    check(run)
    check(hp)
    if run.devices > n_devices:
        raise InputError(
            f"--devices={run.devices}, but this machine has {n_devices}; use --devices={n_devices} or fewer."
        )
    used = run.devices or n_devices
    if run.batch % used:
        low = run.batch - run.batch % used
        allowed = f"{low} or {low + used}" if low else f"{used}"
        raise InputError(
            f"--batch={run.batch} is not a multiple of {used} devices; use {allowed}, or --devices=1."
        )
    if getattr(hp, "gen_batch", used) % used:
        raise InputError(
            f"--gen_batch={hp.gen_batch} is not a multiple of {used} devices, which share each generator's images; "
            "use --devices=1 or another --gen_batch."
        )
    asked = metrics.named(run.eval_scores)
    if run.keep_best not in ("none", *metrics.RANKED):
        raise InputError(
            f"--keep_best={run.keep_best} is no score to go by; use none or one of: {', '.join(metrics.RANKED)}."
        )
    if run.keep_best != "none" and metrics.owner(run.keep_best) not in asked:
        raise InputError(
            f"--keep_best={run.keep_best} is not among what is scored in training; add {metrics.owner(run.keep_best)} to "
            f"--eval_scores={run.eval_scores}."
        )
    if run.stop_on_collapse and not run.watch:
        raise InputError("--stop_on_collapse needs the watch that finds it; leave out --nowatch.")
    if run.keep_best != "none" and not run.eval_every:
        raise InputError(
            f"--keep_best={run.keep_best} needs scores during training; add --eval_every={run.save_every or 500}."
        )


def validate_data(run, source):
    """Refuses settings that the data cannot serve. source: data.datasets.Source.

    Raises:
      InputError
    """
    if run.keep_best != "none" and source.points:
        raise InputError(
            f"--keep_best={run.keep_best} is a score of images, and {run.data} are points; leave it out."
        )
    if (
        run.keep_best != "none"
        and not source.classes
        and "probs" in metrics.TABLE[metrics.owner(run.keep_best)].needs
    ):
        raise InputError(
            f"--keep_best={run.keep_best} needs class labels, and {run.data} has none; use --keep_best=frechet."
        )
    if run.eval_every and not source.points:
        evaluate.check(source, run.eval_images, "eval_images", run.eval_scores)


def validate_method(config):
    """Refuses settings of the method that contradict each other or the data.

    Raises:
      InputError
    """
    methods.TABLE[config.method].check(config.hp, config.shape())


def from_dict(raw):
    """The inverse of Config.to_dict. Raises KeyError or TypeError for what another version wrote."""
    hp = methods.TABLE[raw["method"]].Settings(**raw["hp"])
    return Config(raw["experiment"], raw["method"], Run(**raw["run"]), hp, raw["source"])


def load(workdir):
    """The Config of a run folder.

    Raises:
      InputError: no config.json there, or one that this version cannot read.
    """
    path = pathlib.Path(workdir) / "config.json"
    if not path.is_file():
        raise InputError(
            f"--workdir={workdir} is not a run folder (no config.json); train into it first."
        )
    try:
        return from_dict(json.loads(path.read_text()))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} cannot be read ({error}); it was written by another version or damaged."
        ) from error


def differences(old, new):
    """["--flag=old, now new", ...] for every setting that matters to the numbers."""
    out = [
        f"{name} {getattr(old, name)}, now {getattr(new, name)}"
        for name in ("experiment", "method")
        if getattr(old, name) != getattr(new, name)
    ]
    if old.method == new.method:
        for a, b in ((old.run, new.run), (old.hp, new.hp)):
            out += [
                f"--{f.name}={getattr(a, f.name)}, now {getattr(b, f.name)}"
                for f in dataclasses.fields(a)
                if not f.metadata["free"] and getattr(a, f.name) != getattr(b, f.name)
            ]
    if (
        new.source
        and old.source["digest"] != new.source["digest"]
        and not any(d.startswith(("--data", "--size", "--crop", "--labels")) for d in out)
    ):
        out.append(
            f"the content of {new.source['name']} ({old.source['n']} images, now {new.source['n']})"
        )
    return out
