"""What a data set is, once opened: an array of images or points, labels if there are any, and a fingerprint."""

import concurrent.futures
import hashlib
import importlib
import json
import os
from typing import NamedTuple

import numpy as np

from gan_jax import errors
from gan_jax.data import image_files

# --data=NAME or --data=NAME:ARG -> the form shown to the user, and the module whose load(arg, view, split) opens it: a
# image_files.ImageFileList of files, or (images, labels, classes), or None. Modules are imported when asked for, so that nobody pays
# for a source that is not used.
LOADERS = {
    "galaxies": ("galaxies", "gan_jax.data.galaxies"),
    "folder": ("folder:DIR", "gan_jax.data.folder"),
    "idx": ("idx:DIR", "gan_jax.data.idx"),
    "npz": ("npz:FILE", "gan_jax.data.npz"),
    "tfds": ("tfds:NAME", "gan_jax.data.tfds"),
    "galaxyzoo": ("galaxyzoo:DIR", "gan_jax.data.galaxyzoo"),
    "celeba": ("celeba:DIR", "gan_jax.data.celeba"),
    "toys": ("toys:NAME", "gan_jax.data.toys"),
    "shard": ("shard:I/V/SEED:DATA", "gan_jax.data.shards"),
}
_OF_POINTS = ("toys",)  # sources that have no image size
_WITH_LABELS = ("galaxyzoo", "celeba", "tfds", "shard")  # sources that have a choice of labels
_ON_DISK = ("DIR", "FILE")  # what a form's argument is called where it is a path
_OF_OTHER_DATA = "DATA"  # the same, where it is another spec with words in front
MIN_SIZE, MAX_SIZE = 8, 1024
MAX_CLASSES = 65536
_CHUNK_BYTES = 2**24


class Dataset(NamedTuple):
    """One split of a data set.

    images: uint8 [N, H, W, C], an array or a read-only memmap; or points, float32 [N, 1, 1, D] in [-1, 1].
    labels: int32 [N], -1 where unknown; None if the source has no classes.
    classes: names of the classes, in label order; () if none.
    name: the --data spec it came from.
    digest: hex fingerprint of the content (pixels and labels); two sources with equal digests are the same data.
    """

    images: np.ndarray
    labels: np.ndarray | None
    classes: tuple
    name: str
    digest: str

    @property
    def points(self):
        """Whether these are points, not images."""
        return self.images.dtype == np.float32


class DataOptions(NamedTuple):
    """How a data set is looked at.

    size: side of the images in pixels, 8 to 1024; points have none and ignore it. crop: side in source pixels of a centre
    crop made before resizing; 0 for the source's own, mostly the largest centre square. labels: what makes the
    classes, in the words of the source; "" for its own choice. skip_bad: leave out image files that cannot be used.
    """

    size: int
    crop: int = 0
    labels: str = ""
    skip_bad: bool = False


def view(run):
    """The View that a settings.RunSettings asks for."""
    return DataOptions(run.size, run.crop, run.labels, run.skip_bad_images)


def load(spec, view, split="train"):
    """Opens one split of the data set that `--data` names.

    Args:
      spec: "NAME" or "NAME:ARG", see `LOADERS`.
      view: View.
      split: "train" or "test".

    Returns:
      Source with images [N, size, size, C], or points [N, 1, 1, D]; None if the data set has no such split.

    Raises:
      InputError: the spec, the size or the crop makes no sense, or the data are not what a source must be.
    """
    found = find(spec, view, split)
    if isinstance(found, image_files.ImageFileList):
        for note in found.notes:
            print(note, flush=True)
        found = image_files.load(found, view, split)
    if found is None:
        return None
    images, labels, classes = found
    _check_images(images, view.size, spec)
    if labels is not None:
        labels = _checked_labels(labels, len(images), tuple(classes), spec)
    return Dataset(images, labels, tuple(classes), spec, fingerprint(images, labels, classes))


def find(spec, view, split="train"):
    """What the loader of a spec gives, see `LOADERS`; arguments and errors as in `load`."""
    name, _, arg = spec.partition(":")
    arg = os.path.expanduser(arg)  # shells leave the ~ in --data=folder:~/pictures alone
    forms = ", ".join(form for form, _ in LOADERS.values())
    if name not in LOADERS:
        raise errors.InputError(f"--data={spec} names no known source; use one of {forms}.")
    form, module = LOADERS[name]
    if ":" in form and not arg:
        raise errors.InputError(
            f"--data={spec} says nothing after the name; write it as --data={form}."
        )
    if view.labels and name not in _WITH_LABELS:
        raise errors.InputError(
            f"--labels={view.labels} means nothing to {name}; leave it empty (it is for {', '.join(_WITH_LABELS)})."
        )
    if name not in _OF_POINTS and not MIN_SIZE <= view.size <= MAX_SIZE:
        raise errors.InputError(f"--size={view.size} is outside {MIN_SIZE} to {MAX_SIZE} pixels.")
    if view.crop < 0:
        raise errors.InputError(
            f"--crop={view.crop} is negative; give a side in pixels, or 0 for the source's own."
        )
    if split not in ("train", "test"):
        raise errors.InputError(f"split {split!r} is unknown; use train or test.")
    return importlib.import_module(module).load(arg, view, split)


def absolute(spec):
    """The spec with its path, if it has one, made absolute: what a run records, so that it can be opened from anywhere."""
    name, _, arg = spec.partition(":")
    form = LOADERS.get(name, ("",))[0]
    if form.endswith(_OF_OTHER_DATA):
        words, colon, inner = arg.partition(":")
        return f"{name}:{words}{colon}{absolute(inner)}"
    has_path = form.endswith(_ON_DISK)
    return f"{name}:{os.path.abspath(os.path.expanduser(arg))}" if has_path and arg else spec


def load_heldout(source, view):
    """The test split that belongs to a training Source, or None if there is none.

    Raises:
      InputError: as `load`, or the two splits differ in channels or classes.
    """
    test = load(source.name, view, split="test")
    if test is None:
        return None
    check_heldout(source, test)
    return test


def check_heldout(train, test):
    """Refuses two splits that differ in channels or classes."""
    for what, a, b in (
        ("channels", train.images.shape[3], test.images.shape[3]),
        ("classes", ", ".join(train.classes), ", ".join(test.classes)),
    ):
        if a != b and not (what == "classes" and test.labels is None):
            raise errors.InputError(
                f"--data={train.name}: training images have {what} {a}, test images {b}; make them equal."
            )


def numbered_classes(labels, name):
    """Class names "0", "1", ... up to the largest label, for data that bring labels but no names.

    Raises:
      InputError: the largest label is too large for a class number.
    """
    largest = int(labels.max()) if labels.size else -1
    if largest >= MAX_CLASSES:
        raise errors.InputError(
            f"{name} has the label {largest}; labels are class numbers 0 to K-1 (at most {MAX_CLASSES} classes), "
            "or -1 where unknown."
        )
    return tuple(str(i) for i in range(largest + 1))


def fingerprint(images, labels, classes):
    """SHA-256 of shape, pixels, labels and class names, its first 32 hex digits.

    Pixels are hashed in pieces of fixed size on all cores, and the pieces' hashes are hashed, so that a large memmap
    is neither copied nor waited for longer than needed.
    """
    head = json.dumps([list(images.shape), labels is not None, list(classes)])
    total = hashlib.sha256(head.encode())
    rows = max(1, _CHUNK_BYTES // max(1, images[:1].size))

    def piece(start):
        return hashlib.sha256(np.ascontiguousarray(images[start : start + rows]).ravel()).digest()

    with concurrent.futures.ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        for digest in pool.map(piece, range(0, len(images), rows)):
            total.update(digest)
    if labels is not None:
        total.update(np.ascontiguousarray(labels, "<i4"))
    return total.hexdigest()[:32]


def _check_images(images, size, spec):
    points = spec.partition(":")[0] in _OF_POINTS
    kind, side = (np.float32, 1) if points else (np.uint8, size)
    if (
        images.ndim != 4
        or images.dtype != kind
        or images.shape[1:3] != (side, side)
        or images.shape[3] < 1
    ):
        raise errors.InputError(
            f"--data={spec} gives {images.dtype} {list(images.shape)}; "
            f"{'points' if points else 'images'} must be {kind.__name__} [N, {side}, {side}, C]."
        )
    if not len(images):
        raise errors.InputError(f"--data={spec} has no images; a data set needs at least one.")


def _checked_labels(labels, n_images, classes, spec):
    """Labels as int32, refused if they do not fit the images or the classes."""
    labels = np.asarray(labels)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise errors.InputError(
            f"--data={spec} has labels {labels.dtype} {list(labels.shape)}; they must be integers [{n_images}]."
        )
    if len(labels) != n_images:
        raise errors.InputError(
            f"--data={spec} has {n_images} images but {len(labels)} labels; give one label per image, -1 where unknown."
        )
    smallest, largest = int(labels.min()), int(labels.max())
    if smallest < -1 or largest >= len(classes):
        raise errors.InputError(
            f"--data={spec} has labels from {smallest} to {largest}; with {len(classes)} classes they must lie in "
            f"0 to {len(classes) - 1}, or be -1 where unknown."
        )
    return labels.astype(np.int32, copy=False)
