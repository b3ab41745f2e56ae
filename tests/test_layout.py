"""What a new method may cost: its own files and one table entry."""

import pathlib
import re

import pytest

from experiments import common
from gan_jax import methods

PACKAGE = pathlib.Path(methods.__file__).parent.parent
CORE = [p for p in PACKAGE.glob("*.py")] + [PACKAGE / "methods" / "base.py"]


@pytest.mark.parametrize("method", [name for name in methods.TABLE if name != "gan"])  # also a part of the package's name
def test_the_core_knows_no_method(method):
    """No file of the core, and no other method's, imports a method or branches on its name; prose may speak of it."""
    others = [p for p in (PACKAGE / "methods").glob("*.py") if p.stem not in (method, "__init__")]
    for path in {*CORE, *others}:
        code = re.sub(r'"""(?s:.*?)"""|#.*', "", path.read_text())
        code = re.sub(r"setting\((?s:.*?)\n", "", code)
        assert not re.search(rf"\b{method}\b(?!\.py)", code), path.name


def test_every_training_command_says_what_it_is():
    """--help names a source with its year, and every flagfile of the command."""
    for path in sorted((common.ROOT / "experiments").glob("*.py")):
        text = path.read_text()
        if "common.main(" not in text or path.stem == "common":
            continue
        doc = text.split('"""')[1]
        assert re.search(r"\b(19|20)\d\d\b|S\d", doc), path.stem
        assert f"{path.stem}_smoke" in doc, path.stem
