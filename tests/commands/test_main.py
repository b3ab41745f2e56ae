"""python -m gan_jax NAME: the commands, without the folder experiments."""

import subprocess
import sys
import tomllib

import pytest

from gan_jax.commands import doctor, entry, presets
from tests import paths


def run(*words, **options):
    """Run the module in a process of its own, outside of the project."""
    return subprocess.run(
        [sys.executable, "-m", "gan_jax", *words],
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


@pytest.mark.long
def test_help_lists_the_commands(child_env, tmp_path):
    env = {**child_env, "PYTHONPATH": str(paths.ROOT)}
    done = run("--help", env=env, cwd=tmp_path)
    assert done.returncode == 0
    names = [
        *(f"train {name}" for name in presets.TABLE),
        *(name for name in entry.MODULES if name not in entry.ALIASES.values()),
        "sweep, ablate",
    ]
    assert all(f"\n  {name} " in done.stdout for name in names)
    assert run(env=env, cwd=tmp_path).stdout == done.stdout


@pytest.mark.long
def test_a_reader_may_leave(child_env, tmp_path):
    """gan-jax flagfiles | head -1: no traceback."""
    words = f"{sys.executable} -m gan_jax flagfiles | head -1"
    env = {**child_env, "PYTHONPATH": str(paths.ROOT)}
    done = subprocess.run(
        ["bash", "-c", words], cwd=tmp_path, env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.count("\n") == 1 and not done.stderr


@pytest.mark.long
def test_the_first_word_is_the_command(child_env, tmp_path):
    env = {**child_env, "PYTHONPATH": str(paths.ROOT)}
    done = run("inspect", "--help", env=env, cwd=tmp_path)
    assert done.returncode == 0 and "--workdir" in done.stdout
    refused = run("inspect", f"--workdir={tmp_path}", env=env, cwd=tmp_path)
    assert refused.returncode == 2 and "is not a run folder" in refused.stderr
    unknown = run("no_such", env=env, cwd=tmp_path)
    assert unknown.returncode == 2 and "no_such is not a command" in unknown.stderr


@pytest.mark.long
def test_training_does_not_wait_for_what_only_scores_need(child_env, tmp_path):
    """They import for a second."""
    code = (
        "import sys; from gan_jax.commands import entry, train; "
        "from gan_jax.training import training_loop; "
        "print(sorted({'scipy.stats', 'scipy.optimize', 'scipy.spatial'} & set(sys.modules)))"
    )
    env = {**child_env, "PYTHONPATH": str(paths.ROOT)}
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, env=env, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_doctor_names_what_every_extra_installs():
    project = tomllib.loads((paths.ROOT / "pyproject.toml").read_text())["project"]
    of_developers = {"bench", "validate", "docs", "test"}
    extras = project["optional-dependencies"]
    assert set(doctor.EXTRAS) == set(extras) - of_developers
    for extra, distributions in doctor.EXTRAS.items():
        installed = " ".join(extras[extra]).replace("_", "-") + " jax-cuda12-plugin jax2onnx"
        assert all(name in installed for name in distributions), extra
