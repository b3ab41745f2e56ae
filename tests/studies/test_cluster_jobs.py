"""Jobs of several nodes: of a sweep on a real SLURM, and where they are refused."""

import json
import subprocess
import sys

import pytest

from gan_jax.errors import InputError
from gan_jax.studies import jobs
from tests import paths
from tests.commands.test_cluster_slurm import n_nodes

pytest.importorskip("submitit")


@pytest.mark.parametrize(
    ("options", "together", "why"),
    [
        ("timeout_min=5,nodes=2", False, "nodes=2, but its jobs train in one process each"),
        ("timeout_min=5,tasks_per_node=4", False, "tasks_per_node=4"),
        ("cluster=local,timeout_min=5,tasks_per_node=2", True, "local has no nodes"),
    ],
)
def test_several_tasks_are_refused_where_they_cannot_work_together(
    tmp_path, options, together, why
):
    with pytest.raises(InputError, match=why):
        jobs.cluster(options, tmp_path, together)


@pytest.mark.slow
def test_a_sweep_whose_runs_have_two_nodes_each(tmp_path, child_env):
    if n_nodes() < 2:
        pytest.skip("needs two nodes of SLURM")
    words = ["--experiment=morpho", "--flagfile=morpho_smoke", "--steps=60", "--seeds=1"]
    words += ["--slurm=timeout_min=10,nodes=2,tasks_per_node=1", f"--workdir={tmp_path}/sweep"]
    done = subprocess.run(
        [sys.executable, "-m", "gan_jax", "sweep", *words, "--n_images=100"],
        env={**child_env, "PYTHONPATH": f"{paths.ROOT}:{child_env.get('PYTHONPATH', '')}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    runs = [path.parent for path in (tmp_path / "sweep").glob("*/DONE")]
    assert len(runs) == 1
    assert json.loads((runs[0] / "processes.json").read_text())["processes"] == 2
    assert (runs[0] / "eval.json").exists(), "it was scored, by one process"
