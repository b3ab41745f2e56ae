"""What `cluster` makes of the answers of SLURM, with programs that stand for it."""

import os
import re
import subprocess

import pytest

from gan_jax.commands import cluster_script, entry, process
from gan_jax.rundir import slurm_record


def cluster(*words):
    """Run a command in this process; return its exit code."""
    return process.guarded(lambda argv: entry.run("cluster", argv), list(words), needs_jax=False)


@pytest.mark.parametrize("output", ["7", "7;main", "Welcome to 2 clusters!\n\n7;main\nGood luck"])
def test_the_number_of_a_job_is_found_in_what_a_site_prints(tmp_path, slurm, output):
    slurm(sbatch=f"echo '{output}'")
    assert cluster("submit", "morpho", "--flagfile=morpho_smoke", "--workdir=run") == 0
    assert slurm_record.read(tmp_path / "run").job == 7


def test_a_job_whose_number_is_not_said_is_shown(tmp_path, slurm, capsys):
    slurm(sbatch="echo 'Submitted. Thanks'")
    assert cluster("submit", "morpho", "--flagfile=morpho_smoke", "--workdir=run") == 2
    error = capsys.readouterr().err
    assert "The job was submitted" in error and "'Submitted. Thanks'" in error


def is_cancelling(folder):
    """Say what the batch script of job 7 would, from its own function."""
    function = re.search(r"cancelling\(\) \{\{.*?^\}\}.*?$", cluster_script.SCRIPT, re.M | re.S)
    text = function[0].format(not_cancelled=slurm_record.NOT_CANCELLED)
    events = folder / slurm_record.NAME
    env = {"SLURM_JOB_ID": "7", "events": str(events), "PATH": os.defpath}
    return not subprocess.run(["/bin/bash", "-c", f"{text}\ncancelling"], env=env).returncode


def test_a_request_that_slurm_refuses_is_taken_back(tmp_path, slurm, capsys):
    run, log = tmp_path / "run", tmp_path / "seen"
    run.mkdir()
    for event in ("submitted", "running"):
        slurm_record.append(run, 7, event)
    before = f"echo $(< {run}/{slurm_record.NAME}) > {log}"
    refused = f"{before}; echo 'scancel: error: no such thing' >&2; exit 1"
    slurm(sbatch="true", squeue="echo 'RUNNING n1'", scancel=refused)
    assert not is_cancelling(run)
    assert cluster("cancel", "run") == 2 and "no such thing" in capsys.readouterr().err
    assert '"cancelling"' in log.read_text(), "the script knows it when the signal arrives"
    assert slurm_record.read(run).state == "running" and not is_cancelling(run)
    slurm(scancel="true")
    assert cluster("cancel", "run") == 0
    assert slurm_record.read(run).state == "cancelling" and is_cancelling(run)
    slurm(scancel=refused)
    assert cluster("cancel", "run") == 2
    assert slurm_record.read(run).state == "cancelling", "the request before it holds"
    assert is_cancelling(run)
