"""The systems of the study of mode collapse: which method each is, and with which settings."""

import dataclasses
from typing import Any, NamedTuple

from gan_jax import methods
from gan_jax.commands import presets
from gan_jax.config import Config
from gan_jax.data import stacked, toys
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
    packs: int = 1  # images that D judges at once; the minibatch has this many times as many


_DCGAN = presets.TABLE["dcgan"].defaults
_DISTGAN = presets.TABLE["distgan"].defaults
_MORPHO = presets.TABLE["morpho"].defaults
_TOYS = {name: toy.settings for name, toy in presets.TOYS.items()}

_DISTGAN_NETS = {"init": "xavier", "pixels": "sigmoid"}  # and --net
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


# Of WGAN-GP what is not about nets; its critic has no BatchNorm.
_WGAN_GP = {"loss": "wasserstein", "penalty": "wgan_gp", "n_disc": 5, "disc_norm": "none"}
# R3GAN's loss; D has no BatchNorm. The weight is among the best on 25 Gaussians (ablate_pairs).
_PAIR = {"loss": "rp", "penalty": "r1r2", "lambda_p": 1.0, "disc_norm": "none"}


def _gan(title, **own):
    """A system of method gan with Dist-GAN's nets on images and the toys' nets on points."""
    packs = own.get("pack", 1)
    return System(title, "gan", "gan", _DISTGAN_NETS | own, _TOYS["gan"] | own, packs)


SYSTEMS = {
    "gan": _gan("GAN"),
    "gan_d5": _gan("GAN with 5 D updates", n_disc=5),
    "gan_balance": _gan("GAN with S1's rule", balance=True),
    "pac2": _gan("PacGAN of 2 images", pack=2),
    "pac4": _gan("PacGAN of 4 images", pack=4),
    "wgan_gp": System("WGAN-GP", "wgan_gp", "gan", _DISTGAN_NETS | _WGAN_GP, _TOYS["wgan_gp"]),
    "pair": _gan("pair loss with R1 and R2", **_PAIR),
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


def kind_of(spec: str) -> str:
    """Return the kind of the data that a --data names, a key of scorer.KINDS; opens none."""
    if toys.is_toy(spec):
        return "points"
    return "stacks" if stacked.is_stacked(spec) else "images"


def split_name(name: str) -> tuple[str, float | None]:
    """Split "SYSTEM@SIZE" into the key of SYSTEMS and D's size; None without one."""
    system, _, size = name.partition("@")
    return system, float(size) if size else None


def title(name: str) -> str:
    """Return the name of a system in tables, with the size of its D if it has one."""
    system, size = split_name(name)
    return SYSTEMS[system].title + ("" if size is None else f" (D {size:g})")


def hyperparameters(name: str, shared: SharedSettings, points: bool = False) -> Any:
    """Return the Settings of a system's method: what all systems share, and its own.

    Args:
      name: key of SYSTEMS, or "SYSTEM@SIZE" where D has SIZE times the width of G.
      shared: SharedSettings, used on images alone.
      points: whether the data are points.
    """
    key, size = split_name(name)
    system = SYSTEMS[key]
    settings = methods.TABLE[system.method].Settings
    if points:
        hp = settings(**{"ema": 0.0, **system.points})
    else:
        names = {f.name for f in dataclasses.fields(settings)}
        common = {k: v for k, v in dataclasses.asdict(shared).items() if k in names}
        hp = settings(**common | system.images)
    if size is None:
        return hp
    return dataclasses.replace(hp, disc_width=max(1, round(size * hp.width)))


def build_config(name: str, run: RunSettings, shared: SharedSettings) -> Config:
    """Build the configuration of a system's run."""
    system = SYSTEMS[split_name(name)[0]]
    hp = hyperparameters(name, shared, kind_of(run.data) == "points")
    run = dataclasses.replace(run, batch=run.batch * system.packs)
    return Config(system.experiment, system.method, run, hp)
