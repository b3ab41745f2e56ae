"""Refusals in words of Python's arguments."""

import pytest

from gan_jax.commands import arguments
from gan_jax.errors import InputError

COMMAND = "`gan-jax train dcgan --flagfile=runs/a/flags.txt --restart`"


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("use --size=32 or --restart.", "use size=32 or restart=True."),
        (f"use --restart, or {COMMAND}; or --seed=3", f"use restart=True, or {COMMAND}; or seed=3"),
        (f"add `--seed=3`, {COMMAND} or `--nowatch`", f"add `seed=3`, {COMMAND} or `watch=False`"),
        ("run: pip install --no-deps jax2onnx.", "run: pip install --no-deps jax2onnx."),
        ("pip install x; or --seed=3", "pip install x; or seed=3"),
    ],
)
def test_what_is_typed_into_a_shell_stays_and_flags_become_arguments(flags, words):
    with pytest.raises(InputError) as error, arguments.refusals():
        raise InputError(flags)
    assert str(error.value) == words
