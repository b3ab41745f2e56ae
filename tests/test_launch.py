"""launch.sh: what it suggests can be typed where the user stands."""

import os
import subprocess

import pytest

from tests import paths

SCRIPT = paths.ROOT / "launch.sh"
PYTHON = '#!/bin/sh\necho "$GAN_JAX_PROGRAM: $*"\n'


@pytest.fixture
def launch(tmp_path):
    """launch(folder, path, *words): the output, where a script that shows its words is Python."""
    python = tmp_path / "python"
    python.write_text(PYTHON)
    python.chmod(0o755)
    env = {**os.environ, "GAN_JAX_PYTHON": str(python)}

    def call(folder, *command):
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return call


def test_commands_are_suggested_by_the_path_that_was_typed(launch, tmp_path):
    link = tmp_path / "my tools" / "launch.sh"
    link.parent.mkdir()
    link.symlink_to(SCRIPT)
    run = ["run", "sample", "runs/a"]
    said = "-m gan_jax sample runs/a\n"
    assert launch(paths.ROOT, "./launch.sh", *run) == f"./launch.sh run: {said}"
    assert launch(paths.ROOT, "bash", "launch.sh", *run) == f"./launch.sh run: {said}"
    assert launch(tmp_path, str(SCRIPT), *run) == f"{SCRIPT} run: {said}"
    assert launch(tmp_path, "my tools/launch.sh", *run) == f"my\\ tools/launch.sh run: {said}"


def test_the_demo_names_a_run_that_its_commands_find(launch, tmp_path):
    inside, outside = launch(paths.ROOT, "./launch.sh", "demo"), launch(tmp_path, SCRIPT, "demo")
    assert "--workdir=runs/demo" in inside and "  ./launch.sh run train rare" in inside
    assert f"--workdir={paths.ROOT}/runs/demo" in outside
    assert f"  {SCRIPT} run train rare" in outside
