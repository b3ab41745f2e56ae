"""Jobs of several nodes: of a sweep on a real SLURM, and where they are refused."""

import json
import os
import subprocess
import sys

import pytest

from gan_jax.errors import InputError
from gan_jax.studies import jobs
from gan_jax.studies.ensemble import command
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


def test_an_ensemble_refuses_them_before_it_trains_a_classifier(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "train_nodes", None)
    words = ["--flagfile=ensemble_smoke", f"--workdir={tmp_path}/e"]
    with pytest.raises(InputError, match="its jobs train in one process each"):
        command.run([*words, "--slurm=timeout_min=5,nodes=2"])
    assert not (tmp_path / "e").exists()


SQUEUE = """\
#!/bin/sh
echo "$@" >> {place}/asked
echo 1 CONFIGURING
echo 2 FAILED
"""


def test_squeue_is_asked_where_sacct_has_no_accounts(tmp_path, monkeypatch, capfd):
    """How jobs are is known, and nothing is printed."""
    from submitit.slurm.slurm import SlurmJob

    sacct = "#!/bin/sh\necho Slurm accounting storage is disabled >&2\nexit 1\n"
    for name, text in {
        "sacct": sacct,
        "squeue": SQUEUE.format(place=tmp_path),
        "srun": "#!/bin/sh\n",
    }.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(SlurmJob, "watcher", SlurmJob.watcher)
    jobs.cluster("timeout_min=5", tmp_path / "slurm")
    waits, failed, forgotten = [SlurmJob(tmp_path, job) for job in ("1", "2", "3")]
    assert [job.done() for job in (waits, failed, forgotten)] == [False, True, True]
    assert jobs.SubmittedJob(failed).poll() == 1
    assert "--states=all" in (tmp_path / "asked").read_text()
    assert capfd.readouterr() == ("", "")


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
