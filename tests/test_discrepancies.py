"""The register of discrepancies is complete, and agrees with the code that cites it."""

import dataclasses
import importlib
import pathlib
import pkgutil
import re

from gan_jax import methods, settings

ROOT = pathlib.Path(__file__).parent.parent
REGISTER = (ROOT / "docs" / "discrepancies.md").read_text()
SECTIONS = dict(re.findall(r"^## (D\d+) .+\n((?:(?!## ).*\n?)*)", REGISTER, re.MULTILINE))


def flags():
    """List the fields of RunSettings and of every method's Settings."""
    names = [m.name for m in pkgutil.iter_modules(methods.__path__, "gan_jax.methods.")]
    modules = [importlib.import_module(name) for name in names]
    holders = [module.Settings for module in modules if hasattr(module, "Settings")]
    return [f for holder in (settings.RunSettings, *holders) for f in dataclasses.fields(holder)]


def test_every_number_is_there_once_and_in_order():
    assert re.findall(r"^## (\S+)", REGISTER, re.MULTILINE) == [f"D{i:02d}" for i in range(1, 25)]


def test_every_entry_says_all_four_things():
    for number, text in SECTIONS.items():
        parts = re.findall(r"^- (\w+):", text, re.MULTILINE)
        assert parts == ["Source", "Run", "Right", "gan_jax"], number


def test_numbers_in_code_exist():
    cited = {
        (number, path.relative_to(ROOT).as_posix())
        for folder in ("gan_jax", "experiments")
        for path in (ROOT / folder).rglob("*.py")
        for number in re.findall(r"\bD\d\d\b", path.read_text())
    }
    assert cited
    assert {(number, path) for number, path in cited if number not in SECTIONS} == set()


def test_numbers_in_the_register_exist():
    assert set(re.findall(r"\bD\d\d\b", REGISTER)) == set(SECTIONS)


def test_flags_exist():
    named = set(re.findall(r"`--(\w+)[^`]*`", REGISTER))
    assert named
    assert named - {field.name for field in flags()} == set()


def test_help_that_cites_a_number_is_listed_there():
    """A setting whose help cites D05 is named in that entry's line of flags."""
    for field in flags():
        for number in re.findall(r"\bD\d\d\b", field.metadata.get("text", "")):
            assert f"`--{field.name}`" in SECTIONS[number], (field.name, number)
