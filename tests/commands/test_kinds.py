"""Kinds of images that Python asks of a generator."""

import numpy as np
import pytest

from gan_jax.commands import kinds
from gan_jax.core.conditioning import ByIndex
from gan_jax.errors import InputError

BY_CLASS = ByIndex("class", ("round", "disk", "bar"))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("round,disk", [0, 1] * 4),
        ("bar,round,disk", [2, 0, 1, 2, 0, 1, 2, 0]),
        ("disk", [1] * 8),
        (2, [2] * 8),
        (np.arange(8) % 3, np.arange(8) % 3),
    ],
)
def test_kinds_are_taken_in_turn(kind, expected):
    np.testing.assert_array_equal(kinds.to_condition(BY_CLASS, kind, 8), expected)


def test_quantities_are_taken_in_turn():
    values = kinds._to_values(("z", "m"), "0.5/1,0.25/2", 3)
    np.testing.assert_array_equal(values, [[0.5, 1], [0.25, 2], [0.5, 1]])


def test_another_number_of_kinds_is_refused_in_one_line():
    with pytest.raises(InputError, match=r"kind has the shape \[3\]; give \[8\], of indices"):
        kinds.to_condition(BY_CLASS, np.array([0, 1, 2]), 8)
