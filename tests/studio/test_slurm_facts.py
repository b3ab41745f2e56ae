"""Runs on a cluster are shown by the files of their folders, and only the cluster ends them."""

import json
import os
import time

import pytest

from gan_jax.errors import InputError
from gan_jax.rundir import slurm_record
from gan_jax.studio import launcher, slurm_facts
from gan_jax.studio.run_index import RunIndex
from gan_jax.studio.run_state import RunState

PROCESSES = {
    "processes": 4,
    "hosts": ["n1", "n1", "n2", "n2"],
    "devices_per_process": 2,
    "started": "2026-01-01T00:00:00+00:00",
    "lost": None,
}


@pytest.fixture
def job(tmp_path, make_run):
    """job(state, age=0, **more): append a line of job 7, AGE seconds ago, to a run with records."""
    folder = make_run(tmp_path / "root" / "a")
    os.utime(folder / "metrics.jsonl", (0, 0))

    def act(state, age=0, **more):
        line = {"time": int(time.time()) - age, "job": 7, "state": state, **more}
        with open(folder / slurm_record.NAME, "a") as file:
            file.write(json.dumps(line) + "\n")
        return folder

    return act


def summary(folder):
    return RunIndex(folder.parent).summary(folder.name)


def test_a_submitted_run_is_shown_before_it_has_begun(tmp_path):
    folder = tmp_path / "root" / "new"
    folder.mkdir(parents=True)
    slurm_record.append(folder, 7, "submitted", nodes=2, tasks=2)
    found = summary(folder)
    assert found["state"] == RunState.QUEUED
    assert found["reason"] == "SLURM job 7 is pending: it waits for 2 nodes"


def test_a_run_shows_where_it_is(job):
    job("submitted", nodes=2, tasks=4)
    folder = job("running", hosts="n1 n2", restarts=0)
    (folder / "slurm-7.out").write_text("compiling ...\n")
    found = summary(folder)
    assert (found["state"], found["phase"]) == (RunState.STARTING, "compiling ...")
    assert found["cluster"]["text"] == "SLURM job 7 runs on n1, n2 (4 processes)"
    os.utime(folder / "metrics.jsonl")
    (folder / "processes.json").write_text(json.dumps(PROCESSES))
    found = summary(folder)
    assert found["state"] == RunState.RUNNING
    assert found["processes"] == {
        "n": 4,
        "text": "4 processes on n1, n2, 2 devices each",
        "lost": "",
    }
    lost = {"lost": "process 1 (host n2)"}
    (folder / "processes.json").write_text(json.dumps(PROCESSES | lost))
    assert summary(folder)["processes"]["lost"] == "process 1 (host n2)"
    job("requeued", code=4, step=30, why="process 1 of 4 (host n2) was lost.")
    found = summary(folder)
    assert found["state"] == RunState.QUEUED
    assert "in about two minutes or when it gets 2 nodes: process 1 of 4" in found["reason"]
    texts = [event["text"] for event in found["cluster"]["events"]]
    assert texts[0] == "submitted" and texts[1] == "running on n1 n2"
    assert texts[2].startswith("requeued at step 30 with code 4: process 1")


@pytest.mark.parametrize(
    ("code", "why", "state"),
    [
        (0, "", RunState.FINISHED),
        (2, "no", RunState.REFUSED),
        (3, "NaN", RunState.DIVERGED),
        (4, "cancelled", RunState.STOPPED),
        (4, "not requeued after 3 times at step 0", RunState.STOPPED),
        (137, "it could not be requeued", RunState.CRASHED),
    ],
)
def test_a_job_that_ended_says_how(job, code, why, state):
    job("running", 100, hosts="n1", restarts=0)
    folder = job("ended", code=code, why=why)
    if not code:
        (folder / "DONE").write_text("")
    found = summary(folder)
    assert found["state"] == state and why in found["reason"]


def test_a_job_that_is_silent_is_lost(job):
    folder = job("running", 1000, hosts="n1 n2", restarts=0)
    found = summary(folder)
    assert found["state"] == RunState.CRASHED and "is lost: it ran on n1, n2" in found["reason"]
    (folder / slurm_record.ALIVE).touch()
    assert summary(folder)["state"] == RunState.STARTING


def test_what_the_studio_did_later_counts(job):
    folder = job("ended", 1000, code=4, why="cancelled")
    began = time.time() - 10
    launch = {"state": "ended", "experiment": "gan", "code": 2, "began": began, "ended": began}
    (folder / "studio.json").write_text(json.dumps(launch))
    (folder / "console.log").write_text("no good\n")
    found = summary(folder)
    assert (found["state"], found["reason"]) == (RunState.REFUSED, "no good")
    assert slurm_facts.console(folder).name == "console.log"
    assert found["cluster"]["state"] == "", "so it can be resumed here"
    job("running", hosts="n1", restarts=0)
    assert summary(folder)["state"] == RunState.STARTING
    assert slurm_facts.console(folder).name == "slurm-7.out"


@pytest.mark.parametrize("state", ["submitted", "running", "requeued"])
def test_only_the_cluster_ends_and_resumes_it(job, tmp_path, state):
    """And it takes no place of this machine's queue."""
    folder = job(state, hosts="n1", nodes=1, tasks=1)
    queue = launcher.Launcher(RunIndex(folder.parent), jobs=1)
    with pytest.raises(InputError, match="cluster cancel"):
        queue.stop("a")
    with pytest.raises(InputError):
        queue.resume("a", {})
    assert queue.start_queued({}) == 0
    queue.close()


@pytest.mark.parametrize("content", ["{", "[]", '{"processes": "x", "hosts": 3}', "{}", "null"])
def test_a_damaged_table_of_processes_harms_nothing(job, content):
    folder = job("running", hosts="n1", restarts=0)
    (folder / "processes.json").write_text(content)
    (folder / slurm_record.NAME).write_text("{\n" + (folder / slurm_record.NAME).read_text())
    assert summary(folder)["processes"] is None
