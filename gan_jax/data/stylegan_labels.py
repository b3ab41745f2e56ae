"""The labels of StyleGAN's data sets: dataset.json beside the folders of images."""

import json
import pathlib
from typing import NamedTuple

from gan_jax.errors import InputError, printable

NAME = "dataset.json"
_FORM = '{"labels": [["00000/img00000000.png", 6], ...]}'


class Labels(NamedTuple):
    """The content of a dataset.json."""

    label_of: dict[str, int] | None  # {path relative to the folder: label}; None without labels
    note: str  # what to say of it; "" for nothing


def read(top: pathlib.Path) -> Labels | None:
    """Read the dataset.json of a folder.

    Returns:
      None if there is none, or if it has no "labels", so that it is of another program.

    Raises:
      InputError: its labels cannot be read.
    """
    path = top / NAME
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{printable(path)} cannot be read ({error}); repair it, or remove it if it says "
            "nothing of these images."
        ) from error
    if not isinstance(content, dict) or "labels" not in content:
        return None
    labels = content["labels"]
    if labels is None:
        return Labels(None, f"{NAME} has no labels, so the images have no classes.")
    try:
        pairs = [(str(name), label) for name, label in labels]
    except (TypeError, ValueError) as error:
        raise InputError(
            f"The labels of {printable(path)} are not of StyleGAN's form, {_FORM}; repair it, or "
            "use --labels=none."
        ) from error
    if any(isinstance(label, list) for _, label in pairs):
        return Labels(
            None, f"The labels in {NAME} are vectors, which are not read: images have no classes."
        )
    for name, label in pairs:
        if type(label) is not int or label < 0:
            raise InputError(
                f"{printable(path)} gives {printable(name)} the label {label}; labels must be "
                "whole numbers from 0 on. --labels=none reads the images without classes."
            )
    return Labels(dict(pairs), "")
