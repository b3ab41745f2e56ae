"""Settings: dataclass fields that carry default, help and bounds, and those that every run has.

Flags, checks and config.json follow from the fields.
"""

import dataclasses
import math
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from gan_jax import plugins
from gan_jax.errors import InputError

MAX_STEPS = 2**31 - 1
MIN_SIDE, MAX_SIDE = 8, 1024  # sides of images, in pixels


class Size(NamedTuple):
    """Height and width of images in pixels; of points, 1 and 1."""

    height: int
    width: int

    @classmethod
    def of(cls, value: "int | str | Sequence[int]") -> "Size":
        """Read a size.

        Args:
          value: side of a square, such as 32 or "32"; or height and width, such as "24x40" or
            (24, 40).

        Raises:
          ValueError: it is none of these.
        """
        if isinstance(value, str):
            match = re.fullmatch(r"\s*(\d+)\s*(?:[xX]\s*(\d+)\s*)?", value)
            sides = [int(side) for side in match.groups() if side] if match else []
        elif isinstance(value, Sequence):
            sides = list(value)
        else:
            sides = [value]
        if not 1 <= len(sides) <= 2 or any(isinstance(s, bool) or s != int(s) for s in sides):
            raise ValueError(f"{value!r} is no size, such as 32, or 24x40 (height x width)")
        return cls(int(sides[0]), int(sides[-1]))

    @property
    def is_square(self) -> bool:
        """Whether both sides are equal."""
        return self.height == self.width

    @property
    def value(self) -> int | str:
        """The size as settings and JSON files hold it: 32, or "24x40"."""
        return self.height if self.is_square else f"{self.height}x{self.width}"

    @property
    def side(self) -> int:
        """The side of a square.

        Raises:
          InputError: it is none, and the caller knows one side alone.
        """
        if not self.is_square:
            raise InputError(
                f"--size={self} has two sides, and what reads it here (a net or data source of "
                f"your own) knows one; use --size={min(self)}, or let it read `hw`."
            )
        return self.height

    def __str__(self):
        return str(self.value)


class Sized:
    """Makes the first field of a named tuple, `hw`, a Size of anything that Size.of takes."""

    __slots__ = ()
    hw: Size

    def __new__(cls, size: int | str | Sequence[int], *args, **options):
        """Make one of a size; further arguments: the fields that follow `hw`."""
        make: Any = super().__new__  # the named tuple's
        return make(cls, Size.of(size), *args, **options)

    @property
    def size(self) -> int:
        """The side of square images; 1 for points. Raises InputError: they are not square."""
        return self.hw.side


def setting(
    default: bool | int | float | str | tuple,
    text: str,
    *,
    choices: Sequence | None = None,
    low: float | None = None,
    above: float | None = None,
    high: float | None = None,
    free: bool = False,
    plugins: str = "",
    before: bool | int | float | str | None = None,
) -> Any:
    """Declare one setting as a dataclass field.

    Args:
      default: default value; its type is the setting's type.
      text: one line of help, with the unit.
      choices: the allowed values, if they are few.
      low: inclusive lower bound.
      above: exclusive lower bound.
      high: inclusive upper bound.
      free: the setting changes how a run is executed, not what it computes; a resumed run may have
        another value.
      plugins: group of plug-ins that the value may name besides the choices, key of plugins.GROUPS.
      before: value of runs that were begun before there was this setting; None: the default.
    """
    return dataclasses.field(
        default=default,
        metadata={
            "text": text,
            "choices": choices,
            "low": low,
            "above": above,
            "high": high,
            "free": free,
            "plugins": plugins,
            "before": before,
        },
    )


def size_setting(default: int, text: str) -> Any:
    """Declare a size of images: a setting of type int, or "HxW" where the sides differ."""
    text += "; or height x width, such as 96x128"
    field = setting(default, text, low=MIN_SIDE, high=MAX_SIDE)
    return dataclasses.field(default=default, metadata={**field.metadata, "is_size": True})


def override(group: type, name: str, default: Any) -> Any:
    """Redeclare a setting of a base class with another default.

    Args:
      group: settings dataclass that declares it.
      name: name of the setting.
      default: the new default.
    """
    fields = {field.name: field for field in dataclasses.fields(group)}
    return dataclasses.field(default=default, metadata=fields[name].metadata)


def values_before(group: type) -> dict[str, Any]:
    """Return {name: value of runs begun before there was the setting} of a settings dataclass."""
    values = {f.name: f.metadata.get("before") for f in dataclasses.fields(group)}
    return {name: value for name, value in values.items() if value is not None}


def changed(groups: Sequence, defaults: Sequence) -> dict[str, Any]:
    """Return {name: value} of the settings that differ from the defaults.

    Args:
      groups: settings dataclasses, with values.
      defaults: the same dataclasses in the same order, with the defaults.
    """
    values = {}
    for group, default in zip(groups, defaults, strict=True):
        for field in dataclasses.fields(group):
            value = getattr(group, field.name)
            if value != getattr(default, field.name):
                values[field.name] = value
    return values


def check(settings: Any) -> None:
    """Refuse values outside their bounds or choices, by the name of the flag.

    Args:
      settings: instance of a dataclass whose fields are `setting`s.

    Raises:
      InputError
    """
    for field in dataclasses.fields(settings):
        value, m = getattr(settings, field.name), field.metadata
        flag = f"--{field.name}={value}"
        if m["choices"] and value not in m["choices"]:
            if _is_plugin(m, field.name, value):
                continue
            choices = ", ".join(map(str, m["choices"]))
            raise InputError(f"{flag} is not known; use one of: {choices}.")
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(
                f"{flag} is not a finite number; use one, such as --{field.name}={field.default}."
            )
        low, high = (f(Size.of(str(value))) if m.get("is_size") else value for f in (min, max))
        if m["low"] is not None and low < m["low"]:
            raise InputError(f"{flag} is too small; use {m['low']} or more.")
        if m["above"] is not None and low <= m["above"]:
            raise InputError(f"{flag} is too small; use a value above {m['above']}.")
        if m["high"] is not None and high > m["high"]:
            raise InputError(f"{flag} is too large; use {m['high']} or less.")


def _is_plugin(metadata, name, value):
    """Say whether a value names a plug-in that the setting may name; refuse one that is not there.

    Raises:
      InputError
    """
    group = metadata.get("plugins")
    if not group or not plugins.is_name(group, value):
        return False
    try:
        plugins.find(group, value)
    except InputError as error:
        raise InputError(f"--{name}={error}") from error
    return True


@dataclasses.dataclass(frozen=True)
class RunSettings:
    """Settings that every run has, whatever its method."""

    # Data.
    data: str = setting(
        "galaxies",
        "data set: galaxies[:N], galaxies5[:N] (five bands, in nJy), folder:DIR, "
        "idx:DIR (MNIST files), npz:FILE, tfds:NAME, "
        "galaxyzoo:DIR, celeba:DIR, toys:NAME, python:MODULE:NAME[:ARG]; "
        "shard:I/V/SEED:DATA for one part of V of any of them, stacked:DATA for three in one",
        plugins="data",
    )
    size: int | str = size_setting(64, "side of the images, in pixels (points have none)")
    crop: int = setting(
        0,
        "side of a centre crop before resizing, in source pixels; "
        "0: the source's own or the largest",
        low=0,
    )
    labels: str = setting(
        "",
        "what the classes are, where a source has several kinds of labels, or FILE:COLUMN of a "
        "table (.csv, .fits, .parquet): classes, or quantities for --condition=quantities; "
        "empty: the source's own choice; none: no classes",
    )
    colors: str = setting(
        "auto",
        "convert all images to rgb or gray; auto: as they are, which must be one of the two",
        choices=("auto", "rgb", "gray"),
    )
    stretch: str = setting(
        "",
        "how values become the range of the nets, NAME:KEY=VALUE,...: linear, asinh, log, sqrt, "
        "zscale or percentile; low=, high= (in the data's units, or as 99.5%), per=image, "
        "bands=joint; "
        "empty: linear from the least to the largest value, and 8-bit images as they are",
    )
    skip_bad_images: bool = setting(
        False,
        "leave out image files that cannot be read or are too small, and class folders without "
        "images, and name them",
        free=True,
    )
    patches: int = setting(
        0,
        "side of the patches that each image file is cut into, in source pixels, of which "
        "neighbours overlap by half; 0: one image of each",
        low=0,
    )
    show: str = setting(
        "",
        "channels that grids and pages show, from 0 on: three for red, green and blue, such as "
        "2,1,0, or one, such as 3; empty: the first three, of two the first",
        free=True,
    )

    # Length and randomness.
    batch: int = setting(64, "images per minibatch, over all devices", low=2)
    steps: int = setting(10000, "total length of the run, in steps", low=1, high=MAX_STEPS)
    seed: int = setting(0, "seed of everything random in the run", low=0, high=2**31 - 1)
    init_from: str = setting(
        "",
        "begin with the weights of another run, wherever its layers fit: a run folder, a published "
        "folder or hf:USER/NAME; of any method, data and classes",
    )
    freeze_disc: int = setting(
        0,
        "the first layers of D, from the image on, that keep the weights of --init_from (FreezeD); "
        "see gan_jax/nets/depth.py",
        low=0,
    )

    # Log, samples, checkpoints and scores.
    log_every: int = setting(100, "steps between lines of metrics.jsonl", low=1, high=MAX_STEPS)
    sample_every: int = setting(
        500, "steps between sample grids; 0: only the last", low=0, high=MAX_STEPS
    )
    save_every: int = setting(
        500, "steps between checkpoints; 0: only the last", low=0, high=MAX_STEPS
    )
    eval_every: int = setting(
        0, "steps between evaluations during training; 0: none", low=0, high=MAX_STEPS
    )
    eval_images: int = setting(2000, "generated images per evaluation during training", low=100)
    eval_scores: str = setting(
        "frechet,classes",
        "what is scored in training: metrics of evaluate --scores, with commas; empty: all",
        plugins="metrics",
    )
    keep_best: str = setting(
        "none",
        "also keep the best checkpoint by this score, such as frechet, kernel or coverage "
        "(needs --eval_every)",
    )
    watch: bool = setting(
        True,
        "judge the run at every log interval, and warn of collapse, saturation, runaway gradients",
    )
    stop_on_collapse: bool = setting(
        False, "end the run, with code 3, when the watch finds that G has collapsed", free=True
    )

    # Execution.
    devices: int = setting(0, "devices that share each minibatch; 0: all", low=0, free=True)
    steps_per_dispatch: int = setting(
        0,
        "steps in one compiled call; 0: 1 on a CPU, 20 elsewhere",
        low=0,
        high=MAX_STEPS,
        free=True,
    )
    resident_gib: float = setting(
        -1.0,
        "data up to this size is kept on the device; -1: 40 % of its memory",
        low=-1.0,
        free=True,
    )
    tensorboard: bool = setting(False, "also write TensorBoard files (extra: log)", free=True)
    wandb: bool = setting(False, "also log to Weights & Biases (extra: wandb)", free=True)
