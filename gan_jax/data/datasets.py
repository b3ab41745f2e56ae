"""Data sets by name: the table of data sources, and `load`, which opens one split."""

import contextlib
import functools
import importlib
import io
import os
import pathlib
import shlex
from collections.abc import Callable
from typing import Literal, NamedTuple, overload

import numpy as np

from gan_jax import cache, plugins
from gan_jax.data import colors, image_cache, plugin_source, stretched, stretches, table_labels
from gan_jax.data.digests import content_digest, with_values
from gan_jax.data.image_files import ImageFileList
from gan_jax.data.labels import NO_LABELS, check_labels
from gan_jax.data.pixel_format import PixelFormat
from gan_jax.data.scientific_cache import POSITION
from gan_jax.data.types import DataOptions, Dataset, OpenedArrays
from gan_jax.errors import InputError
from gan_jax.settings import MAX_SIDE, MIN_SIDE

_WITHOUT_TEST = "Repair the test split, or move it away: scores then use the training images alone."


class DataSource(NamedTuple):
    """One kind of data set that --data can name."""

    # How --data is written. An argument DIR or FILE is a path; DATA is the spec of other data.
    form: str
    module: str  # imported on first use
    points: bool = False  # gives points, which have no image size
    label_choice: bool = False  # has several kinds of labels, which --labels chooses from
    reads_no_labels: bool = False  # reads other files, or reads differently, for labels.NO_LABELS
    load: Callable | None = None  # in place of the module's; of a plug-in


def _adapt(name, part):
    if not callable(part):
        raise InputError(f"{name} is no function; make it load(arg, options, split).")
    opener = functools.partial(plugin_source.load, name, part)
    return DataSource("", "", label_choice=True, load=opener)


# To add a data source, write one module with a function
#
#   load(arg: str, options: DataOptions, split: str = "train") -> ImageFileList | Arrays | None
#
# and add one entry here. `arg` is what follows the name and the colon in --data. `load` returns a
# list of image files, which are then decoded and cached, or finished arrays, or None if there is no
# such split.
_BUILT_IN = {
    "galaxies": DataSource("galaxies", "gan_jax.data.galaxies"),
    "galaxies5": DataSource("galaxies5", "gan_jax.data.galaxies5", label_choice=True),
    "folder": DataSource("folder:DIR", "gan_jax.data.folder", reads_no_labels=True),
    "idx": DataSource("idx:DIR", "gan_jax.data.idx"),
    "npz": DataSource("npz:FILE", "gan_jax.data.npz", reads_no_labels=True),
    "tfds": DataSource("tfds:NAME", "gan_jax.data.tfds", label_choice=True),
    "galaxyzoo": DataSource("galaxyzoo:DIR", "gan_jax.data.galaxyzoo", label_choice=True),
    "celeba": DataSource("celeba:DIR", "gan_jax.data.celeba", label_choice=True),
    "toys": DataSource("toys:NAME", "gan_jax.data.toys", points=True),
    "shard": DataSource(
        "shard:I/V/SEED:DATA", "gan_jax.data.shards", label_choice=True, reads_no_labels=True
    ),
    "thin": DataSource("thin:CLASS/N/SEED:DATA", "gan_jax.data.thinned", label_choice=True),
    "stacked": DataSource("stacked:DATA", "gan_jax.data.stacked", label_choice=True),
}
# Of a plug-in, --data is python:MODULE:NAME or python:MODULE:NAME:ARG.
SOURCES: plugins.Table[DataSource] = plugins.Table("data", _BUILT_IN, _adapt)


def split_spec(spec: str) -> tuple[str, str]:
    """Split a --data into the name of its source and the argument, "" without one."""
    words = spec.split(":", 3)
    if words[0] + ":" == plugins.PREFIX:
        return ":".join(words[:3]), ":".join(words[3:])
    name, _, arg = spec.partition(":")
    return name, arg


def plugin_of(spec: str) -> str | None:
    """Return the name of the plug-in that a --data reads, also within a shard; None without one."""
    name, _ = split_spec(spec)
    if SOURCES.is_plugin(name):
        return name
    inner = inner_spec(spec)
    return plugin_of(inner) if inner else None


def inner_spec(spec: str) -> str:
    """Return the --data that another one is made of, as a shard is; "" where it is its own."""
    name, arg = split_spec(spec)
    form = SOURCES[name].form if name in SOURCES else ""
    return _split_inner(form, arg)[1] if form.endswith("DATA") else ""


def kind_of_images(spec: str) -> str:
    """Return the name of the source that a --data has its images from.

    Of a part of other data, such as a shard, that is the source of those; stacks are a kind of
    their own.
    """
    name, _ = split_spec(spec)
    inner = inner_spec(spec)
    return kind_of_images(inner) if inner and name != "stacked" else name


def _split_inner(form, arg):
    """Split the argument of a source of form "NAME:...:DATA" into ("...:", DATA)."""
    n_before = form.count(":") - 1
    inner = "".join(arg.split(":", n_before)[n_before:])
    return arg[: len(arg) - len(inner)], inner


@overload
def load(spec: str, options: DataOptions, split: Literal["train"] = "train") -> Dataset: ...
@overload
def load(spec: str, options: DataOptions, split: str) -> Dataset | None: ...
def load(spec, options, split="train"):
    """Open one split of the data set that --data names.

    Args:
      spec: "NAME" or "NAME:ARG", see `SOURCES` and `split_spec`.
      options: DataOptions.
      split: "train" or "test".

    Returns:
      Dataset with images [N, H, W, C] or points [N, 1, 1, D]; None if the data set has no
      test split.

    Raises:
      InputError: the spec or an option makes no sense, the data cannot be used, or there is no
        training split.
    """
    opened = open_source(spec, options, split)
    refuse_patches_of_arrays(opened, spec, options)
    say_notes(opened)
    if isinstance(opened, ImageFileList):
        opened = image_cache.load_files(opened, options, split)
        say_notes(opened)
    return as_dataset(opened, spec, options, split)


def refuse_patches_of_arrays(
    opened: ImageFileList | OpenedArrays | None, spec: str, options: DataOptions
) -> None:
    """Refuse --patches where there are no image files to be cut.

    Raises:
      InputError
    """
    # Data within other data, as in a shard, were opened by themselves.
    if options.patches and isinstance(opened, OpenedArrays) and not inner_spec(spec):
        raise InputError(
            f"--patches={options.patches} cuts image files, and --data={spec} has none; leave it "
            "out, or save the images as .npy files and use --data=folder:DIR."
        )


def say_notes(opened: ImageFileList | OpenedArrays | None) -> None:
    """Print what a source says of its data."""
    for note in opened.notes if opened is not None else ():
        print(note, flush=True)


def _format_of_train(spec: str, options: DataOptions) -> PixelFormat | None:
    """Open the train split in silence, for the format that its test split shares."""
    with contextlib.redirect_stdout(io.StringIO()):
        return load(spec, options).format


def as_dataset(
    opened: OpenedArrays | None, spec: str, options: DataOptions, split: str
) -> Dataset | None:
    """Check what a source has opened, and return it as a Dataset; see `load`."""
    if opened is None:
        if split == "train":
            raise InputError(f"--data={spec} has no training images; use data with a train split.")
        return None
    images, labels, classes, _, form, values, quantities = opened
    _check_images(images, options.hw, spec, form)
    images = colors.convert(images, options.colors, spec)
    if form and len(form.bands) != images.shape[3]:  # --colors has made other channels
        form = form._replace(bands=())
    if labels is not None:
        labels = check_labels(labels, len(images), len(classes), spec)
    digest, classes = content_digest(images, labels, classes), tuple(classes)
    digest = with_values(digest, values, quantities)
    is_points = form is None and images.dtype == np.float32
    if options.stretch and is_points:
        raise InputError(
            f"--stretch={options.stretch} is for images, and --data={spec} are points; leave it "
            "out."
        )
    if form is None and (is_points or not options.stretch):
        return Dataset(images, labels, classes, spec, digest, values=values, quantities=quantities)
    form = form or PixelFormat("uint8")
    if not form.low:
        shared = _format_of_train(spec, options) if split == "test" else None
        images, form = stretched.with_format(images, form, shared, options.stretch, spec)
    shown = stretched.open_view(images, form, digest)
    digest = cache.digest(digest, form.of_numbers())
    return Dataset(
        shown, labels, classes, spec, digest, images, form, values=values, quantities=quantities
    )


def open_source(
    spec: str, options: DataOptions, split: str = "train"
) -> ImageFileList | OpenedArrays | None:
    """Check a request and call the `load` of its data source; arguments as in `load`."""
    name, arg = split_spec(spec)
    arg = os.path.expanduser(arg)  # shells leave the ~ in --data=folder:~/pictures alone
    if name not in SOURCES:
        forms = ", ".join(source.form for source in SOURCES.values())
        suggestion = suggest_source(spec)
        raise InputError(
            f"--data={spec} names no known source; {suggestion}{'; otherwise ' * bool(suggestion)}"
            f"use one of {forms}, {plugins.FORM}."
        )
    try:
        source = SOURCES[name]
    except InputError as error:
        raise InputError(f"--data={error}") from error
    if ":" in source.form and not arg:
        raise InputError(
            f"--data={spec} says nothing after the name; write it as --data={source.form}."
        )
    table = None if inner_spec(spec) else table_labels.parse(options.labels)
    positions = options.labels == POSITION and options.patches > 0 and not inner_spec(spec)
    if options.labels not in ("", NO_LABELS) and not (source.label_choice or table or positions):
        with_choice = ", ".join(name for name, source in SOURCES.items() if source.label_choice)
        raise InputError(
            f"--labels={options.labels} means nothing to {name}; leave it empty, or "
            f"use {NO_LABELS} for no classes, FILE:COLUMN of a table, or {POSITION} of patches "
            f"(others are for {with_choice})."
        )
    if not source.points and not MIN_SIDE <= min(options.hw) <= max(options.hw) <= MAX_SIDE:
        raise InputError(f"--size={options.hw} is outside {MIN_SIDE} to {MAX_SIDE} pixels.")
    if options.crop < 0:
        raise InputError(
            f"--crop={options.crop} is negative; give a side in pixels, or 0 for the source's own."
        )
    stretches.parse(options.stretch)
    if split not in ("train", "test"):
        raise InputError(f"split {split!r} is unknown; use train or test.")
    opener = source.load or importlib.import_module(source.module).load
    unlabelled = table is not None or positions or options.labels == NO_LABELS
    if not unlabelled:
        return _with_notes(opener(arg, options, split))
    own = options._replace(labels=NO_LABELS if source.reads_no_labels else "")
    opened = _with_notes(opener(arg, own, split))
    if opened is None:
        return None
    if not source.reads_no_labels or table or positions:
        opened = opened._replace(labels=None, classes=(), values=None, quantities=())
    return table_labels.attach(opened, table, split, options.skip_bad_images) if table else opened


def _with_notes(opened):
    """Return what a source opens with the notes that a plain tuple lacks."""
    return OpenedArrays(*opened) if type(opened) is tuple else opened


def suggest_source(spec: str) -> str:
    """Suggest the --data of a path that stands without its source; "" if there is none."""
    path = pathlib.Path(spec).expanduser()
    if path.is_dir():
        is_idx = any(path.glob("train-images-idx3-ubyte*"))
        flag = shlex.quote(f"--data={'idx' if is_idx else 'folder'}:{spec}")
        return f"for that folder use {flag}"
    if path.is_file() and path.suffix == ".npz":
        return f"for that file use {shlex.quote(f'--data=npz:{spec}')}"
    return ""


def absolute_spec(spec: str) -> str:
    """Return a spec whose path, if it has one, is absolute.

    A run records this spec, so that its data can be opened from any working directory.
    """
    return _with_path(spec, lambda path: os.path.abspath(os.path.expanduser(path)))


def portable_spec(spec: str) -> str:
    """Return a spec whose path, if it has one, is cut to its last part, for other machines."""
    return _with_path(spec, lambda path: os.path.basename(os.path.normpath(path)))


def _with_path(spec, change):
    """Return a spec whose path, if it has one, is changed by a function."""
    name, arg = split_spec(spec)
    if SOURCES.is_plugin(name):
        return spec
    form = SOURCES[name].form if name in SOURCES else ""
    if form.endswith("DATA"):
        before, inner = _split_inner(form, arg)
        return f"{name}:{before}{_with_path(inner, change)}"
    if form.endswith(("DIR", "FILE")) and arg:
        return f"{name}:{change(arg)}"
    return spec


def load_heldout(train: Dataset, options: DataOptions) -> Dataset | None:
    """Open the test split that belongs to a training split; None if there is none.

    Raises:
      InputError: as in `load`; or the two splits do not fit together, see `check_heldout`.
    """
    return open_heldout(train, functools.partial(load, train.name, options))


def open_heldout(train: Dataset, open_split: Callable[[str], Dataset | None]) -> Dataset | None:
    """Open the test split that belongs to a training split by a function of "test".

    Raises:
      InputError: see `load_heldout`.
    """
    try:
        test = open_split("test")
        if test is not None:
            check_heldout(train, test)
    except InputError as error:
        raise InputError(f"{error} {_WITHOUT_TEST}") from error
    return test


def check_heldout(train: Dataset, test: Dataset) -> None:
    """Refuse two splits that differ in channels, in classes, or in having values of their own.

    Classes are compared if both have labels.

    Raises:
      InputError
    """
    kinds = [one.format.dtype if one.format else "pictures of 8 bits" for one in (train, test)]
    if (train.format is None) != (test.format is None):
        raise InputError(
            f"--data={train.name}: training images are {kinds[0]}, test images {kinds[1]}; save "
            "both alike."
        )
    compared = {"channels": (train.images.shape[3], test.images.shape[3])}
    if test.labels is not None:
        compared["classes"] = (", ".join(train.classes), ", ".join(test.classes))
    for what, (a, b) in compared.items():
        if a != b:
            raise InputError(
                f"--data={train.name}: training images have {what} {a}, test images {b}; "
                "make them equal."
            )


def _check_images(images, hw, spec, form):
    """Refuse an array of the wrong type or shape, or an empty one."""
    source = SOURCES[split_spec(spec)[0]]
    points = source.points or (source.load is not None and images.dtype == np.float32)
    points = points and form is None
    kind, (height, width) = (np.float32, (1, 1)) if points else (np.uint8, hw)
    kind = np.dtype(form.dtype).type if form else kind
    fits = images.ndim == 4 and images.shape[1:3] == (height, width) and images.shape[3] > 0
    if images.dtype != kind or not fits:
        raise InputError(
            f"--data={spec} gives {images.dtype} {list(images.shape)}; "
            f"{'points' if points else 'images'} must be {kind.__name__} [N, {height}, {width}, C]."
        )
    if not len(images):
        raise InputError(f"--data={spec} has no images; a data set needs at least one.")
