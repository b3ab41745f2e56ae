"""The layout: few packages, short files, imports that point downwards, methods the core ignores."""

import ast
import pathlib
import re
import subprocess
import sys

import pytest

from gan_jax import methods
from gan_jax.commands import entry, flagfile_list, presets

ROOT = pathlib.Path(__file__).parent.parent
PACKAGE = ROOT / "gan_jax"
MAX_PACKAGES, MAX_MODULES, MAX_LINES = 14, 8, 400

# Modules and packages of gan_jax from the ground up, a layer per line. A module may import from its
# own layer and from those above it in this list. The longest name that fits a module is its layer.
LAYERS = """
errors
cache
plugins
settings
images
ops
core
nets
methods
data
metrics
config
rundir
report
training
onnx_export
web
commands.process  commands.command_line  commands.presets  commands.training_flags
commands.train_plan  commands.train
studies
studio
commands
__main__  api
"""
# A study reads its flags as every command does, so the modules of `commands` for flags, exit codes
# and training lie below the studies. The other commands know studies by name: see entry.MODULES.


def python_files() -> dict[str, pathlib.Path]:
    """Find all modules of gan_jax and experiments: {name: path}."""
    out = {}
    for path in sorted([*PACKAGE.rglob("*.py"), *(ROOT / "experiments").rglob("*.py")]):
        parts = path.relative_to(ROOT).with_suffix("").parts
        out[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return out


FILES = python_files()


def imported_by(name: str) -> set[str]:
    """Find the project's modules that a module imports, also within functions."""
    targets = set()
    for node in ast.walk(ast.parse(FILES[name].read_text())):
        if isinstance(node, ast.Import):
            targets |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} has a relative import"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            targets |= {t if t in FILES else node.module for t in inner}
    return targets & set(FILES)


IMPORTS = {name: imported_by(name) for name in FILES}


def layer(name: str) -> int:
    """Return the number of a module's layer, from the ground up; experiments lie above all."""
    if name.split(".")[0] == "experiments":
        return len(LAYERS.splitlines())
    fits = {
        prefix: number
        for number, line in enumerate(LAYERS.splitlines())
        for prefix in line.split()
        if f"{name}.".startswith(f"gan_jax.{prefix}.")
    }
    assert fits, f"{name} is in no layer"
    return fits[max(fits, key=len)]


def test_the_package_has_few_parts():
    packages = [p.parent for p in PACKAGE.glob("*/__init__.py")]
    modules = [p for p in PACKAGE.glob("*.py") if p.stem != "__init__"]
    assert len(packages) <= MAX_PACKAGES and len(modules) <= MAX_MODULES


def test_no_file_is_long():
    lengths = {name: len(path.read_text().splitlines()) for name, path in FILES.items()}
    assert {name: n for name, n in lengths.items() if n > MAX_LINES} == {}


def test_imports_point_downwards():
    for name, targets in IMPORTS.items():
        if name == "gan_jax":  # the package hands out what is above all layers
            continue
        for target in targets - {"gan_jax"}:
            assert layer(target) <= layer(name), f"{name} imports {target}"


def test_commands_know_studies_by_name_alone():
    studies = {name for name in FILES if name.startswith("gan_jax.studies")}
    commands = [name for name in FILES if name.startswith("gan_jax.commands.")]
    for name in commands:
        assert not IMPORTS[name] & studies, name
    assert set(entry.MODULES.values()) <= set(FILES)


def test_no_modules_import_each_other_in_a_circle():
    """Remove modules that import none of the others until only circles are left."""
    left = dict(IMPORTS)
    while leaves := [name for name, targets in left.items() if not targets & set(left) - {name}]:
        for name in leaves:
            del left[name]
    assert sorted(left) == []


CORE = [PACKAGE / "methods" / "base.py", PACKAGE / "methods" / "settings.py"]
CORE += [p for folder in (".", "core", "training") for p in (PACKAGE / folder).glob("*.py")]


@pytest.mark.parametrize("method", [name for name in methods.TABLE if name != "gan"])
def test_the_core_knows_no_method(method):
    """No file of the core, and no other method's, has a method's name in its code.

    Prose and help texts may speak of it; "gan" is also a part of the package's name.
    """
    others = [p for p in (PACKAGE / "methods").glob("*.py") if p.stem not in (method, "__init__")]
    for path in {*CORE, *others}:
        code = re.sub(r'"""(?s:.*?)"""|#.*', "", path.read_text())
        code = re.sub(r"setting\((?s:.*?)\n", "", code)
        assert not re.search(rf"\b{method}\b(?!\.py)", code), path.name


@pytest.mark.parametrize("name", presets.TABLE)
def test_every_training_command_says_what_it_is(name):
    """--help names a paper with its year or short name."""
    assert re.search(r"\b(19|20)\d\d\b|S\d", presets.TABLE[name].doc)
    assert f"{name}_smoke" in flagfile_list.flagfiles_of(name)


def test_files_of_experiments_are_doors_of_commands():
    doors = {path.stem: path for path in (ROOT / "experiments").glob("*.py")}
    del doors["__init__"], doors["penalty_cost"]
    assert set(presets.TABLE) < set(doors) <= set(entry.names())
    for name, path in doors.items():
        assert f'main("{name}")' in path.read_text()


def test_one_module_compiles():
    """Of the others, each for a reason of its own."""
    others = {
        "gan_jax.ops.cpu",  # an identity inside other programs
        "gan_jax.training.program",  # a step that other programs take in
        "gan_jax.training.peer_start",  # asks whether processes reach each other
        "gan_jax.commands.doctor",  # asks whether JAX works at all
    }
    found = {
        name
        for name, path in FILES.items()
        if name.startswith("gan_jax.") and "jax.jit" in path.read_text().split('"""', 2)[-1]
    }
    assert found == {"gan_jax.ops.compiling", *others}


def test_a_start_imports_nothing_that_only_saves_draws_or_scores():
    late = "orbax.checkpoint", "matplotlib", "scipy.special", "pandas"
    code = f"""
import sys
import gan_jax.commands.train, gan_jax.training.training_loop
print([name for name in {late} if name in sys.modules])
"""
    started = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert started.stdout == "[]\n", started.stdout + started.stderr
