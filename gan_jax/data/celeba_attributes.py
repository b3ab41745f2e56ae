"""CelebA's default crop, and classes that combine yes/no attributes. Reads no files."""

import difflib
from collections.abc import Mapping, Sequence

import numpy as np

from gan_jax.errors import InputError

CROP = 108  # source pixels of 178x218: the usual one, the face without most of the background
DEFAULT = ("Male", "Smiling")
MAX_ATTRIBUTES = 6  # 64 classes


def combine_attributes(
    names: Sequence[str], table: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Make a class of every combination of yes/no attributes.

    Args:
      names: see `check_attributes`.
      table: {attribute: bool [N]}, at least those of `names`.

    Returns:
      (labels int32 [N], whose binary digits are the attributes, the first one the highest; names of
      the 2**n classes, such as "not-Male Smiling").

    Raises:
      InputError: as in `check_attributes`.
    """
    names = check_attributes(names, list(table))
    last = len(names) - 1
    labels = sum(table[name].astype(np.int32) << (last - i) for i, name in enumerate(names))
    classes = [""]
    for name in names:
        classes = [f"{before} {sign}{name}".strip() for before in classes for sign in ("not-", "")]
    return labels, tuple(classes)


def check_attributes(names: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """Return the attributes that make the classes.

    Args:
      names: attributes, at most 6; blank ones are left out, and none at all means Male and Smiling.
      known: all attributes.

    Raises:
      InputError: an attribute is unknown or named twice, or there are more than 6.
    """
    names = tuple(name.strip() for name in names if name.strip()) or DEFAULT
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name.lower(), [k.lower() for k in known], 3)
            suggested = [k for k in known if k.lower() in close] or known
            raise InputError(
                f"--labels: CelebA has no attribute {name}; use one of {', '.join(suggested)}."
            )
    if len(names) > MAX_ATTRIBUTES or len(set(names)) < len(names):
        raise InputError(
            f"--labels={','.join(names)}: name different attributes, {MAX_ATTRIBUTES} at most "
            f"({2**MAX_ATTRIBUTES} classes)."
        )
    return names
