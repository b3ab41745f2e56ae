"""The systems of the study of mode collapse: which method each is, and with which settings."""

import dataclasses
from typing import Any, NamedTuple

from gan_jax import methods
from gan_jax.commands import presets
from gan_jax.config import Config
from gan_jax.settings import RunSettings
from gan_jax.studies.collapse.flags import SharedSettings


class System(NamedTuple):
    """One system."""

    title: str  # its name in tables
    experiment: str  # the training command that has such runs
    method: str  # key of methods.TABLE
    # Settings of its own, besides those that all share; None for data that it is not made for.
    images: dict[str, Any] | None
    points: dict[str, Any] | None


_DCGAN = presets.TABLE["dcgan"].defaults
_DISTGAN = presets.TABLE["distgan"].defaults
_MORPHO = presets.TABLE["morpho"].defaults
_TOYS = {name: toy.settings for name, toy in presets.TOYS.items()}

_DISTGAN_NETS = {"net": "dcgan", "init": "xavier", "pixels": "sigmoid"}
_MORPHO_NETS = {
    "net": _MORPHO["net"],
    "input_noise": _MORPHO["input_noise"],
    "init": "xavier",
    "pixels": "sigmoid",
}
_NO_CLASSIFIER = {"beta": 0.0, "lambda_c": 0.0}  # generators that no classifier tells apart
_ONE_GENERATOR = {"n_gens": 1, "gen_batch": _TOYS["mgan"]["n_gens"] * _TOYS["mgan"]["gen_batch"]}
# Dist-GAN's, with DRAGAN's penalty of the same weight. S3's noise at D's input, 0.05, would be
# eight times as wide as a mode.
_MORPHO_POINTS = _TOYS["distgan"] | {"penalty": "dragan", "penalty_norm": "l2"}


def _gan(title, **own):
    """A system of method gan with Dist-GAN's nets on images and the toys' nets on points."""
    return System(title, "gan", "gan", _DISTGAN_NETS | own, _TOYS["gan"] | own)


SYSTEMS = {
    "gan": _gan("GAN"),
    "gan_d5": _gan("GAN with 5 D updates", n_disc=5),
    "gan_balance": _gan("GAN with S1's rule", balance=True),
    "dragan": System(
        "DRAGAN", "dragan", "gan", _DISTGAN_NETS | {"penalty": "dragan"}, _TOYS["dragan"]
    ),
    "distgan": System("Dist-GAN", "distgan", "distgan", _DISTGAN, _TOYS["distgan"]),
    "morpho": System("Morpho-GAN", "morpho", "distgan", _MORPHO, _MORPHO_POINTS),
    "mgan": System("MGAN", "mgan", "mgan", _DISTGAN_NETS, _TOYS["mgan"]),
    "multi_gen": System(
        "several generators",
        "mgan",
        "mgan",
        _DISTGAN_NETS | _NO_CLASSIFIER,
        _TOYS["mgan"] | _NO_CLASSIFIER,
    ),
    "one_gen": System(
        "MGAN's settings with one generator",
        "mgan",
        "mgan",
        None,
        _TOYS["mgan"] | _NO_CLASSIFIER | _ONE_GENERATOR,
    ),
    "dcgan": System("DCGAN", "dcgan", "gan", _DCGAN, None),
    "dcgan_hdcgan": System(
        "DCGAN's loss, Morpho-GAN's nets", "dcgan", "gan", _DCGAN | _MORPHO_NETS, None
    ),
}


def of_points(run: RunSettings) -> bool:
    """Say whether the data of a run are points, before they are open."""
    return run.data.startswith("toys:")


def hyperparameters(name: str, shared: SharedSettings, points: bool = False) -> Any:
    """Return the Settings of a system's method: what all systems share, and its own.

    Args:
      name: key of SYSTEMS.
      shared: SharedSettings, used on images alone.
      points: whether the data are points.
    """
    system = SYSTEMS[name]
    settings = methods.TABLE[system.method].Settings
    if points:
        return settings(**{"ema": 0.0, **system.points})
    names = {f.name for f in dataclasses.fields(settings)}
    common = {k: v for k, v in dataclasses.asdict(shared).items() if k in names}
    return settings(**common | system.images)


def build_config(name: str, run: RunSettings, shared: SharedSettings) -> Config:
    """Build the configuration of a system's run."""
    system = SYSTEMS[name]
    hp = hyperparameters(name, shared, of_points(run))
    return Config(system.experiment, system.method, run, hp)
