"""What a new method may cost: its own files and one table entry."""

import pathlib
import re

import pytest

from gan_jax import methods, presets

PACKAGE = pathlib.Path(methods.__file__).parent.parent
CORE = [
    p
    for p in [*PACKAGE.glob("*.py"), *PACKAGE.glob("core/*.py"), *PACKAGE.glob("training/*.py")]
    if p.stem != "presets"
] + [PACKAGE / "methods" / "base.py"]


@pytest.mark.parametrize(
    "method", [name for name in methods.TABLE if name != "gan"]
)  # also a part of the package's name
def test_the_core_knows_no_method(method):
    """No file of the core, and no other method's, imports a method or branches on its name; prose may speak of it."""
    others = [p for p in (PACKAGE / "methods").glob("*.py") if p.stem not in (method, "__init__")]
    for path in {*CORE, *others}:
        code = re.sub(r'"""(?s:.*?)"""|#.*', "", path.read_text())
        code = re.sub(r"setting\((?s:.*?)\n", "", code)
        assert not re.search(rf"\b{method}\b(?!\.py)", code), path.name


@pytest.mark.parametrize("name", presets.TABLE)
def test_every_training_command_says_what_it_is(name):
    """--help names a source with its year, and every flagfile of the command."""
    doc = presets.TABLE[name].doc
    assert re.search(r"\b(19|20)\d\d\b|S\d", doc)
    assert f"{name}_smoke" in doc
