"""Galaxy Zoo 2 as Kaggle's "Galaxy Challenge" distributes it: `--data=galaxyzoo:DIR`."""

import os
import zlib

import numpy as np

from gan_jax.data import galaxies, tables
from gan_jax.data.image_files import ImageFileList, index_images, natural_sort_key, readable_folder
from gan_jax.data.types import DataOptions
from gan_jax.errors import InputError, counted, printable

CLASSES = galaxies.CLASSES
CROP = 207  # source pixels of 424: the galaxy fills the frame
CUMULATIVE = "cumulative"
_PUBLISHED = (8_434, 8_069, 578, 3_903, 7_806)  # galaxies per class, Dai and Tong 2018, table 1
_IMAGES, _UNLABELLED = "images_training_rev1", "images_test_rev1"
_SOLUTIONS = "training_solutions_rev1.csv"
# Columns of votes, in the order of `classify`.
_VOTES = (
    "Class1.1",  # smooth
    "Class1.2",  # features or disk
    "Class2.1",  # edge-on: yes
    "Class2.2",  # edge-on: no
    "Class4.1",  # spiral: yes
    "Class7.1",  # round
    "Class7.2",  # in-between
    "Class7.3",  # cigar
)


def load(arg: str, options: DataOptions, split: str = "train") -> ImageFileList | None:
    """List the images of Galaxy Zoo 2, with classes from training_solutions_rev1.csv.

    A fixed tenth of images_training_rev1, with a class or not, is the test split; the rest is
    train, and so is all of images_test_rev1 (which has no votes) if it is there, since Morpho-GAN
    (S3) trains on both folders. Galaxies without a class have the label -1. The files may lie one
    folder deeper, as unzipping can leave them.

    Args:
      arg: the folder.
      options: see datasets.load. labels: "" for `classify` as it is meant, "cumulative" for its
        thresholds applied to the columns undivided. skip_bad_images: leave out galaxies without an
        image.
      split: see datasets.load.

    Returns:
      ImageFileList with a crop of 207; None if no image falls into the test split.

    Raises:
      InputError: a folder or the CSV is missing, the CSV is damaged, it lists galaxies without an
        image, or two images have the same number.
    """
    root = readable_folder(arg, "galaxyzoo")
    if options.labels not in ("", CUMULATIVE):
        raise InputError(
            f"--labels={options.labels} is unknown to galaxyzoo; leave it empty, "
            f"or use {CUMULATIVE} (votes not divided)."
        )
    path_of, unread = _index(root / _IMAGES, {})
    unlabelled = {}
    if (root / _UNLABELLED).is_dir():
        unlabelled, more_unread = _index(root / _UNLABELLED, path_of)
        unread += more_unread
    names, votes = _read_votes(_solutions_path(root))
    labels = classify(votes, divide=not options.labels)
    label_of = dict(zip(names, labels.tolist(), strict=True))
    missing = label_of.keys() - path_of.keys()
    if missing and not options.skip_bad_images:
        raise InputError(
            f"{_SOLUTIONS} lists {len(missing):,} galaxies without an image in {_IMAGES}, "
            f"the first {_first(missing)}; unzip all images again, "
            "or leave these out with --skip_bad_images."
        )
    in_test = split == "test"
    paths = {name: path for name, path in path_of.items() if is_heldout(name) == in_test}
    if not in_test:
        paths |= unlabelled
    if not paths:
        if in_test:
            return None
        raise InputError(
            f"{_IMAGES} holds {counted(len(path_of), 'image')}, all in the test split; add more."
        )
    return ImageFileList(
        root,
        list(paths.values()),
        np.array([label_of.get(name, -1) for name in paths], np.int32),
        CLASSES,
        CROP,
        () if in_test else (*_notes(path_of, unlabelled, label_of, missing), *unread),
    )


def classify(votes: np.ndarray, divide: bool = True) -> np.ndarray:
    """Classify galaxies by the thresholds of Dai and Tong 2018.

    After Willett et al. 2013, table 3: smooth at least 0.469 and one of round, in-between and cigar
    at least 0.5; or features at least 0.430 and edge-on at least 0.602; or features at least 0.430,
    not edge-on at least 0.715 and spiral at least 0.619. Fractions are those of the volunteers who
    were asked the question, but the columns are products along the decision tree, so each is first
    divided by the answer that leads to it. Dai and Tong print no cut on features for spirals.
    Willett et al. have it before every question about disks, and without it a handful of voters
    could make a smooth galaxy a spiral.

    A galaxy that passes for a smooth class and for a disk class gets that of the answer to the
    first question with more votes, smooth if they are equal; of two shapes with half of the votes
    each, the rounder.

    Not verified here: that these rules give the published counts. Public code applies the
    thresholds to the columns undivided (divide=False), which finds a part of the same galaxies,
    never more; 0.469 and 0.430 are then without effect. If the counts agree only that way, that is
    what was done.

    Args:
      votes: float64 [N, 8] in [0, 1]: smooth, features, edge-on yes, edge-on no, spiral yes, round,
        in-between, cigar.
      divide: whether to divide by the parent answer, 0/0 being 0.

    Returns:
      int32 [N], index into CLASSES or -1.
    """
    smooth, features, edge, face, spiral, *shapes = votes.T
    if divide:
        spiral, edge, face = _ratio(spiral, face), _ratio(edge, features), _ratio(face, features)
        shapes = [_ratio(shape, smooth) for shape in shapes]
    is_disk = features >= 0.430
    passes = [(smooth >= 0.469) & (shape >= 0.5) for shape in shapes]
    passes += [is_disk & (edge >= 0.602), is_disk & (face >= 0.715) & (spiral >= 0.619)]
    as_smooth, as_disk = np.split(np.stack(passes, 1), [len(shapes)], axis=1)
    as_smooth &= (smooth >= features)[:, None] | ~as_disk.any(1, keepdims=True)
    as_disk &= ~as_smooth.any(1, keepdims=True)
    passes = np.concatenate([as_smooth, as_disk], 1)
    return np.where(passes.any(1), passes.argmax(1), -1).astype(np.int32)


def is_heldout(name: str) -> bool:
    """Return whether a galaxy belongs to the test split, a fixed tenth.

    Args:
      name: number of the galaxy, as text.
    """
    return zlib.crc32(os.fsencode(name)) % 10 == 0


def _ratio(part, whole):
    """Return part / whole, 0 where whole is 0.

    It is rounded to the 6 decimals of the file, so that an exact threshold is met.
    """
    return np.round(np.divide(part, whole, out=np.zeros_like(part), where=whole > 0), 6)


def _index(folder, taken):
    """Return ({galaxy's number as text: path} in natural order, notes); see index_images."""
    if not folder.is_dir():
        raise InputError(
            f"{printable(folder.parent)} has no folder {folder.name}; galaxyzoo:DIR needs "
            f"{_IMAGES} and {_SOLUTIONS} there (for images without votes, folder:DIR)."
        )
    return index_images(folder, lambda path: path.stem, taken)


def _solutions_path(root):
    for path in (root / _SOLUTIONS, root / _SOLUTIONS.removesuffix(".csv") / _SOLUTIONS):
        if path.is_file():
            return path
    raise InputError(
        f"{printable(root)} has no {_SOLUTIONS}, which makes the classes; put it there, "
        "or use --data=folder:DIR for the images alone."
    )


def _read_votes(path):
    """Read (galaxies' numbers as text [N], votes float64 [N, 8], see _VOTES)."""
    rows = tables.read_lines(path)
    header = tables.next_fields(path, rows)
    table = tables.read_columns(path, header, rows, "GalaxyID", _VOTES)
    votes = [_parse_votes(path, name, line, texts) for name, (line, texts) in table.items()]
    return list(table), np.array(votes)


def _parse_votes(path, name, line, texts):
    values = []
    for column, text in zip(_VOTES, texts, strict=True):
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not 0 <= value <= 1:  # nan too
            raise tables.field_error(
                path, line, f"{column} of galaxy {name}", text, "a number from 0 to 1"
            )
        values.append(value)
    return values


def _first(names):
    return printable(min(names, key=natural_sort_key))


def _notes(path_of, unlabelled, label_of, missing):
    """Return lines on both splits together, to compare with the published counts."""
    labels = [label_of[name] for name in path_of if name in label_of]
    counts = np.bincount(np.array(labels, int) + 1, minlength=len(CLASSES) + 1)
    listed = ", ".join(
        f"{c} {n:,} ({p:,})" for c, n, p in zip(CLASSES, counts[1:], _PUBLISHED, strict=True)
    )
    notes = [
        f"Galaxy Zoo 2, train and test, in brackets as published: {listed}; "
        f"{counts[0]:,} in no class."
    ]
    if unlabelled:
        notes.append(
            f"{_UNLABELLED}: {len(unlabelled):,} images without votes join the train split."
        )
    if len(labels) < len(path_of):
        notes.append(
            f"{len(path_of) - len(labels):,} images of {_IMAGES} are not in {_SOLUTIONS} "
            "and have no label."
        )
    if missing:
        notes.append(
            f"{len(missing):,} galaxies of {_SOLUTIONS} have no image and are left out, "
            f"the first {_first(missing)}."
        )
    return tuple(notes)
