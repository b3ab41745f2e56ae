"""The wheel holds the package and all of its files, and nothing else."""

import configparser
import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest

from tests import paths

PARTS = ("pyproject.toml", "README.md", "LICENSE", "gan_jax", "experiments")
BUILD = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"
# A file of each kind that is no module.
DATA = (
    "gan_jax/py.typed",
    "gan_jax/commands/flagfiles/morpho_quick.flags",
    "gan_jax/report/page.css",
    "gan_jax/studio/static/icon.svg",
    "gan_jax/studio/static/style.css",
    "gan_jax/studio/templates/base.html",
    "gan_jax/web/index.html",
    "gan_jax/web/live.css",
    "gan_jax/web/live.js",
)


def files(folder: pathlib.Path) -> set[str]:
    """Find the files that a wheel of a project must hold: paths below the project's folder."""
    package = [path for path in (folder / "gan_jax").rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix() for path in package if path.suffix != ".pyc"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    """Build a wheel from a copy of the project, which stays as it is."""
    setuptools = pytest.importorskip("setuptools")
    if int(setuptools.__version__.partition(".")[0]) < 77:
        pytest.skip(f"setuptools {setuptools.__version__} cannot build gan_jax; it needs 77")
    project = tmp_path_factory.mktemp("project")
    for part in PARTS:
        source = paths.ROOT / part
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, project / part, symlinks=True, ignore=ignored)
        else:
            shutil.copy(source, project / part)
    built = subprocess.run(
        [sys.executable, "-c", BUILD, "dist"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return zipfile.ZipFile(project / "dist" / built.stdout.split()[-1])


@pytest.mark.long
def test_the_wheel_holds_all_files_of_the_package(wheel):
    names = set(wheel.namelist())
    packed = {name for name in names if name.startswith("gan_jax/")}
    assert packed == files(paths.ROOT)
    assert set(DATA) <= packed


@pytest.mark.long
def test_the_wheel_holds_nothing_else(wheel):
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    (info,) = tops - {"gan_jax"}
    assert info.endswith(".dist-info")


@pytest.mark.long
def test_the_wheel_installs_the_command(wheel):
    (name,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    points = configparser.ConfigParser()
    points.read_string(wheel.read(name).decode())
    assert points["console_scripts"]["gan-jax"] == "gan_jax.__main__:main"
