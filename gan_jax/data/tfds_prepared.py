"""Sets that tensorflow-datasets has prepared: where they lie, which features and splits they have.

Importing tfds takes seconds, so only `open_prepared` imports it.
"""

import functools
import operator
import pathlib
import re
import sys
from typing import Any, NamedTuple

import numpy as np

from gan_jax.errors import InputError, install_command

FORMAT = "array_record"  # tfds' only format that is read without TensorFlow and completely


class PreparedSet(NamedTuple):
    """A set that tfds has prepared, open for reading."""

    name: str  # what follows tfds: in --data
    folder: pathlib.Path
    tfds: Any  # the package tensorflow_datasets
    builder: Any  # tfds' reader
    # {name: path in a record} of the integer features, and of the boolean ones. A path is one key,
    # or two for a boolean in a dictionary.
    integers: dict[str, tuple[str, ...]]
    booleans: dict[str, tuple[str, ...]]

    def feature(self, path: tuple[str, ...]) -> Any:
        """Return tfds' feature at a path of one or two keys."""
        return functools.reduce(operator.getitem, path, self.builder.info.features)

    def is_encoded(self, key: str) -> bool:
        """Return whether a feature holds image files, not arrays."""
        return isinstance(self.feature((key,)), self.tfds.features.Image)

    def is_class_label(self, name: str) -> bool:
        """Return whether an integer feature is a ClassLabel."""
        return isinstance(self.feature(self.integers[name]), self.tfds.features.ClassLabel)


def open_prepared(name: str, root: pathlib.Path) -> PreparedSet:
    """Open the newest version of a set that is prepared in a folder.

    Args:
      name: "SET", "SET/CONFIG", "SET:VERSION" or "SET/CONFIG:VERSION".
      root: folder of prepared sets.

    Raises:
      InputError: the set is not prepared, has several configs and none is named, tfds is missing,
        or tfds cannot read the set one record at a time.
    """
    folder = _find_folder(name, root)
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise InputError(
            f"--data=tfds:{name} needs tensorflow-datasets, which cannot be imported ({error}); "
            "pip install tensorflow-datasets importlib_resources."
        ) from error
    try:
        builder = tfds.builder_from_directory(folder)
        formats = {file_format.value for file_format in builder.info.available_file_formats()}
    except Exception as error:  # tfds lets through what JSON, protobuf and its features raise
        reason = " ".join(str(error).split())
        raise InputError(
            f"{folder} cannot be opened by tfds ({reason}); prepare the data set again."
        ) from error
    if FORMAT not in formats:
        raise InputError(
            f"{folder} is prepared as {', '.join(sorted(formats))}, not as {FORMAT}, and cannot be "
            "read without TensorFlow; delete that folder and prepare it again: "
            f"{_preparation(name, root)}"
        )
    return PreparedSet(name, folder, tfds, builder, *_number_paths(tfds, builder.info.features))


def _find_folder(name, root):
    """Return the folder of the newest version, by folder names alone."""
    set_name, *words = re.split("[/:]", name)
    prepared = _list_prepared(root)
    matches = [s for s in prepared if s[0] == set_name and all(word in s[1:3] for word in words)]
    if not matches:
        listed = ", ".join(dict.fromkeys(_format_name(*s) for s in prepared)) or "none"
        raise InputError(
            f"--data=tfds:{name} is not prepared in {root} (there: {listed}); set TFDS_DATA_DIR, "
            f"or prepare it: {_preparation(name, root)}"
        )
    configs = sorted({s[1] for s in matches})
    if len(configs) > 1:
        raise InputError(
            f"--data=tfds:{name} is prepared in {root} with the configs {', '.join(configs)}; "
            f"name one, such as --data=tfds:{_format_name(*matches[-1])}."
        )
    return max(matches, key=lambda s: [int(number) for number in s[2].split(".")])[3]


def _list_prepared(root):
    """Return [(set, config or "", version, folder)] of all prepared sets, sorted."""
    prepared = []
    for path in sorted([*root.glob("*/*/features.json"), *root.glob("*/*/*/features.json")]):
        *names, version = path.parent.relative_to(root).parts
        if re.fullmatch(r"\d+\.\d+\.\d+", version):
            prepared.append((names[0], "/".join(names[1:]), version, path.parent))
    return prepared


def _format_name(name, config, version, _folder):
    return f"{name}/{config}:{version}" if config else f"{name}:{version}"


def _preparation(name, root):
    """Return the command that prepares a set.

    tfds' own command, `tfds build`, needs apache-beam too.
    """
    builder = f"tfds.builder('{name}', data_dir='{root}', file_format='{FORMAT}')"
    code = f"import tensorflow_datasets as tfds; {builder}.download_and_prepare()"
    return f'{install_command("tf")} && {sys.executable} -c "{code}"'


def _number_paths(tfds, features):
    """Return PreparedSet's integers and booleans."""
    # Sorted, since features.json keeps no order.
    paths = {(key,): feature for key, feature in sorted(features.items())}
    for key, feature in sorted(features.items()):
        if isinstance(feature, tfds.features.FeaturesDict):
            paths |= {(key, inner): value for inner, value in sorted(feature.items())}
    integers, booleans = {}, {}
    for path, feature in paths.items():
        if isinstance(feature, tfds.features.Tensor) and feature.shape == ():
            dtype = np.dtype(feature.np_dtype)
            if dtype.kind == "b" and path[-1] not in integers:
                booleans.setdefault(path[-1], path)
            elif dtype.kind in "iu" and dtype != np.uint64 and len(path) == 1:
                integers[path[-1]] = path
    return integers, booleans
