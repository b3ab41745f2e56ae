"""What the folders below --data=folder:DIR are by their names: splits, classes or chunks."""

import pathlib
import re
from typing import NamedTuple

from gan_jax.data.image_files import (
    count_others,
    describe_others,
    find_images,
    is_image,
    list_folder,
    search,
)
from gan_jax.errors import InputError, counted, printable

# What people call the splits. The validation split stands in for a test split where there is none.
_WORDS = {
    "train": ("train", "training", "trn"),
    "test": ("test", "testing", "tst"),
    "validation": ("val", "valid", "validation", "dev", "eval", "evaluation", "holdout", "heldout"),
}
_ENDINGS = ("set", "data", "images", "imgs", "split")  # of "test_set", "Training Images"
_N_NAMED = 6


class Layout(NamedTuple):
    """Where the splits of a folder lie."""

    train: pathlib.Path
    test: pathlib.Path | None  # None without a test split
    notes: tuple[str, ...]  # what was made of the folders, where that may surprise
    has_splits: bool  # whether `train` is a folder of its own


def split_of(name: str) -> str:
    """Return which split a folder's name stands for, key of _WORDS; "" if it is no such name."""
    word = re.sub(r"[\W_]+", "", name.casefold())
    for ending in _ENDINGS * 2:
        word = word.removesuffix(ending)
    return next((split for split, words in _WORDS.items() if word in words), "")


def find_layout(root: pathlib.Path) -> Layout:
    """Find the splits of a folder.

    A folder "train" is the train split. One of another such name, as "Training", is it if all
    folders with images have names of splits; otherwise the folders are classes.

    Raises:
      InputError: there are folders with images beside the splits.
    """
    folders, _ = list_folder(root)
    if not any(map(_is_like_a_split, folders)):
        return Layout(root, None, (), False)
    exact, filled = root / "train", [folder for folder in folders if find_images(folder)]
    strangers = [folder.name for folder in filled if not split_of(folder.name)]
    of_train = [folder for folder in filled if split_of(folder.name) == "train"]
    if exact.is_dir():
        strangers += [folder.name for folder in of_train if folder != exact]
        if strangers:
            raise InputError(
                f"{printable(root)} holds train/, which would be the train split, and "
                f"{printable(strangers[0])}/ with images too; move all class folders into train/, "
                "or rename train/ if it is a class."
            )
        train = exact
    elif len(of_train) == 1 and not strangers:
        train = of_train[0]
    else:
        return Layout(root, None, _named_like_splits(filled), False)
    test = _test_folder(root, filled)
    notes = []
    if (train.name, test and test.name) not in (("train", None), ("train", "test")):
        used = f"{printable(test.name)}/" if test else "none"
        notes.append(f"The train split is {printable(train.name)}/, the test split {used}.")
    unused = [folder.name for folder in filled if folder not in (train, test)]
    if unused:
        notes.append(f"Not read, as they are other splits: {_enumerate(unused, '/')}.")
    notes += _beside_splits(root, train)
    return Layout(train, test, tuple(notes), True)


def _beside_splits(root, train):
    """Return notes on files that lie beside the splits, in `root` or in folders without images."""
    folders, names = list_folder(root)
    contents = [search(folder) for folder in folders if not split_of(folder.name)]
    others = sum((content.others for content in contents), count_others(names))
    where, notes = f"beside {printable(train.name)}/", []
    if loose := list(filter(is_image, names)):
        n = counted(len(loose), "image")
        notes.append(f"Not read {where}: {n}, the first {printable(loose[0])}.")
    if others:
        notes.append(f"Not read {where}: {describe_others(others)}.")
    return notes


def class_notes(top: pathlib.Path, classes: list[pathlib.Path]) -> tuple[str, ...]:
    """Say what was made of class folders that may not be meant as such, or of a lone folder.

    Args:
      top: the folder of a split.
      classes: folders in it with images.
    """
    notes = []
    if len(classes) == 1:
        notes += _too_deep(top, classes[0])
    elif all(re.fullmatch(r"\d{3,}", folder.name) for folder in classes):
        names = [folder.name for folder in classes]
        notes.append(
            f"The folders {_enumerate(names)} are taken as classes. If they are chunks of one set, "
            "--labels=none reads the images without classes."
        )
    mixed = [
        f"{folder.name}/{inner.name}"
        for folder in classes
        for inner in list_folder(folder)[0]
        if split_of(inner.name)
    ]
    if mixed and len(classes) > 1:
        notes.append(
            f"Splits within class folders are read together: {_enumerate(mixed)}. For splits, "
            "make the folders train and test with the classes in them."
        )
    return tuple(notes)


def _is_like_a_split(folder):
    return bool(re.match("train|test|val", folder.name.casefold()) or split_of(folder.name))


def _named_like_splits(filled):
    """Return a note if folders that are taken as classes are named like splits."""
    if len(filled) < 2 or not any(map(_is_like_a_split, filled)):
        return ()
    return (
        f"The folders {_enumerate([folder.name for folder in filled])} are taken as classes. For "
        "splits, call them train and test, with no other folder of images beside them.",
    )


def _test_folder(root, filled):
    """Return the folder of the test split, or None."""
    if (root / "test").is_dir():
        return root / "test"
    for split in ("test", "validation"):
        for folder in filled:
            if split_of(folder.name) == split:
                return folder
    return None


def _too_deep(top, folder):
    """Return a note if class folders or splits lie one or more folders too deep."""
    inner = [folder]
    while len(inner) == 1:
        folder = inner[0]
        folders, names = list_folder(folder)
        if any(map(is_image, names)):
            return []
        inner = [path for path in folders if find_images(path)]
    if not inner:  # links in a circle
        return []
    names = [path.name for path in inner]
    return [
        f"The images have no classes, as {printable(top.name)} holds one folder alone. To have "
        f"{_enumerate(names)} of {printable(folder.relative_to(top))} as classes or splits, name "
        f"that folder: {printable(folder)}."
    ]


def _enumerate(names, end=""):
    """List names, the first ones of many."""
    listed = ", ".join(f"{printable(name)}{end}" for name in names[:_N_NAMED])
    n_more = len(names) - _N_NAMED
    return f"{listed} and {n_more:,} more" if n_more > 0 else listed
