"""Galaxy Zoo 2 as Kaggle's "Galaxy Challenge" distributes it: `--data=galaxyzoo:DIR`."""

import os
import zlib

import numpy as np

from gan_jax import errors
from gan_jax.data import galaxies, image_files, label_tables

CLASSES = galaxies.CLASSES
CROP = 207  # source pixels of 424: the galaxy fills the frame
CUMULATIVE = "cumulative"
_PUBLISHED = (8_434, 8_069, 578, 3_903, 7_806)  # galaxies per class, Dai and Tong 2018, table 1
_IMAGES, _UNLABELLED, _SOLUTIONS = (
    "images_training_rev1",
    "images_test_rev1",
    "training_solutions_rev1.csv",
)
# Smooth; features or disk; edge-on yes, no; spiral yes; round, in-between, cigar.
_VOTES = (
    "Class1.1",
    "Class1.2",
    "Class2.1",
    "Class2.2",
    "Class4.1",
    "Class7.1",
    "Class7.2",
    "Class7.3",
)


def load(arg, view, split="train"):
    """Lists the images of images_training_rev1 and images_test_rev1, classes from training_solutions_rev1.csv.

    The files may lie one folder deeper, as unzipping can leave them. A fixed tenth of images_training_rev1, with a class
    or not, is the test split; the rest is train, and so is all of images_test_rev1 (which has no votes) if it is there:
    S3 trains on both folders. Galaxies without a class have the label -1.

    Args:
      arg: the folder.
      view, split: as in `datasets.load`. view.labels: "" for `classify` as it is meant, "cumulative" for the thresholds
        applied to the columns as they stand. With view.skip_bad, galaxies without an image are left out.

    Returns:
      image_files.ImageFileList with a crop of 207; None if no image falls into the test split.

    Raises:
      InputError: a folder or the CSV is missing, the CSV is damaged, it lists galaxies without an image, or two images
        have the same number.
    """
    root = image_files.readable(arg, "galaxyzoo")
    if view.labels not in ("", CUMULATIVE):
        raise errors.InputError(
            f"--labels={view.labels} is unknown to galaxyzoo; leave it empty, or use {CUMULATIVE} (votes not divided)."
        )
    training = _images(root / _IMAGES, {})
    extra = _images(root / _UNLABELLED, training) if (root / _UNLABELLED).is_dir() else {}
    names, votes = _read_votes(_solutions(root))
    found = classify(votes, divide=not view.labels)
    label_of = dict(zip(names, found.tolist(), strict=True))
    lost = label_of.keys() - training.keys()
    if lost and not view.skip_bad:
        raise errors.InputError(
            f"{_SOLUTIONS} lists {len(lost):,} galaxies without an image in {_IMAGES}, the first {_first(lost)}; "
            "unzip all images again, or leave these out with --skip_bad_images."
        )
    paths = {name: path for name, path in training.items() if is_heldout(name) == (split == "test")}
    if split == "train":
        paths |= extra
    if not paths and split == "train":
        raise errors.InputError(
            f"All {len(training)} images of {_IMAGES} fall into the test split; add more."
        )
    labels = np.array([label_of.get(name, -1) for name in paths], np.int32)
    notes = _notes(training, extra, label_of, lost) if split == "train" else ()
    return (
        image_files.ImageFileList(root, list(paths.values()), labels, CLASSES, CROP, notes)
        if paths
        else None
    )


def classify(votes, divide=True):
    """The class of every galaxy by the thresholds of Dai and Tong 2018 (after Willett et al. 2013, table 3).

    Smooth at least 0.469 and one of round, in-between and cigar at least 0.5; or features at least 0.430 and edge-on at
    least 0.602; or features at least 0.430, not edge-on at least 0.715 and spiral at least 0.619. Shares are those of
    the volunteers who were asked the question, but the columns are products along the decision tree, so each is first
    divided by the answer that leads to it. Dai and Tong print no cut on features for spirals; Willett et al. have it
    before every question about disks, and without it a handful of voters could make a smooth galaxy a spiral.

    A galaxy that passes for a smooth class and for a disk class gets that of the answer to the first question with more
    votes, smooth if they are equal; of two shapes with half of the votes each, the rounder.

    Not verified here: that these rules give the published counts. Public code applies the thresholds to the columns
    undivided (divide=False), which finds a part of the same galaxies, never more; 0.469 and 0.430 are then without
    effect. If the counts agree only that way, that is what was done.

    Args:
      votes: float64 [N, 8] in [0, 1]: smooth, features, edge-on yes, edge-on no, spiral yes, round, in-between, cigar.
      divide: divides by the parent answer, 0/0 being 0.

    Returns:
      int32 [N], index into CLASSES or -1.
    """
    smooth, features, edge, face, spiral, *shapes = votes.T
    if divide:
        spiral, edge, face = _share(spiral, face), _share(edge, features), _share(face, features)
        shapes = [_share(shape, smooth) for shape in shapes]
    is_disk = features >= 0.430
    passes = [(smooth >= 0.469) & (shape >= 0.5) for shape in shapes]
    passes += [is_disk & (edge >= 0.602), is_disk & (face >= 0.715) & (spiral >= 0.619)]
    as_smooth, as_disk = np.split(np.stack(passes, 1), [len(shapes)], axis=1)
    as_smooth &= (smooth >= features)[:, None] | ~as_disk.any(1, keepdims=True)
    as_disk &= ~as_smooth.any(1, keepdims=True)
    passes = np.concatenate([as_smooth, as_disk], 1)
    return np.where(passes.any(1), passes.argmax(1), -1).astype(np.int32)


def is_heldout(name):
    """Whether the galaxy of this number (as text) belongs to the test split: a tenth, whatever else is in the folder."""
    return zlib.crc32(os.fsencode(name)) % 10 == 0


def _share(part, whole):
    """part / whole, 0 where whole is 0; to the 6 decimals of the file, so that an exact threshold is met."""
    return np.round(np.divide(part, whole, out=np.zeros_like(part), where=whole > 0), 6)


def _images(folder, others):
    """{galaxy's number as text: path} in natural order; refused if two images, or one of the others, have one number."""
    if not folder.is_dir():
        raise errors.InputError(
            f"{image_files.shown(folder.parent)} has no folder {folder.name}; galaxyzoo:DIR needs {_IMAGES} and {_SOLUTIONS} "
            "there (for images without votes, folder:DIR)."
        )
    return image_files.index(folder, lambda path: path.stem, others)


def _solutions(root):
    candidates = [root / _SOLUTIONS, root / _SOLUTIONS.removesuffix(".csv") / _SOLUTIONS]
    for path in candidates:
        if path.is_file():
            return path
    raise errors.InputError(
        f"{image_files.shown(root)} has no {_SOLUTIONS}, which makes the classes; put it there, or use --data=folder:DIR for "
        "the images alone."
    )


def _read_votes(path):
    """(galaxies' numbers as text [N], votes float64 [N, 8] in the order of _VOTES)."""
    rows = label_tables.lines(path)
    found = label_tables.columns(
        path, label_tables.first_line(path, rows), rows, "GalaxyID", _VOTES
    )
    votes = np.array([_numbers(path, name, line, texts) for name, (line, texts) in found.items()])
    return list(found), votes


def _numbers(path, name, line, texts):
    values = []
    for column, text in zip(_VOTES, texts, strict=True):
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not 0 <= value <= 1:  # nan too
            raise label_tables.bad_field(
                path, line, f"{column} of galaxy {name}", text, "a number from 0 to 1"
            )
        values.append(value)
    return values


def _first(names):
    return image_files.shown(min(names, key=image_files.natural))


def _notes(training, extra, label_of, lost):
    """What was found, both splits together: only so it compares with what was published."""
    known = [label_of[name] for name in training if name in label_of]
    counts = np.bincount(np.array(known, int) + 1, minlength=len(CLASSES) + 1)
    listed = ", ".join(
        f"{c} {n:,} ({p:,})" for c, n, p in zip(CLASSES, counts[1:], _PUBLISHED, strict=True)
    )
    notes = [
        f"Galaxy Zoo 2, train and test, in brackets as published: {listed}; {counts[0]:,} in no class."
    ]
    if extra:
        notes.append(f"{_UNLABELLED}: {len(extra):,} images without votes join the train split.")
    if len(known) < len(training):
        notes.append(
            f"{len(training) - len(known):,} images of {_IMAGES} are not in {_SOLUTIONS} and have no label."
        )
    if lost:
        notes.append(
            f"{len(lost):,} galaxies of {_SOLUTIONS} have no image and are left out, the first {_first(lost)}."
        )
    return tuple(notes)
