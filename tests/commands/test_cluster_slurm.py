"""Jobs on a real SLURM: submitted, killed, requeued, cancelled, finished.

They need a machine where `sbatch` submits to two nodes that see the same files.
"""

import pathlib
import signal
import subprocess
import sys
import time

import pytest

from gan_jax.rundir import slurm_record
from gan_jax.studio.run_index import RunIndex
from tests import paths


def ask(*words):
    """Run a command of SLURM; return what it prints, "" where it does not work."""
    try:
        return subprocess.run(words, capture_output=True, text=True, timeout=30).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def n_nodes():
    """Return how many nodes SLURM has that take jobs; 0 without SLURM."""
    nodes = ask("sinfo", "--noheader", "--responding", "--Node", "--format=%N")
    return len(set(nodes.split()))


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("not __import__('shutil').which('sbatch')", reason="needs SLURM"),
]
STEPS = 400


@pytest.fixture
def cluster(tmp_path, child_env):
    """cluster(*words): run `gan-jax cluster`; what it submitted is ended after the test."""
    if n_nodes() < 2:
        pytest.skip("needs two nodes of SLURM")
    env = {**child_env, "PYTHONPATH": str(paths.ROOT)}

    def act(*words):
        command = [sys.executable, "-m", "gan_jax", "cluster", *map(str, words)]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    yield act
    for record in tmp_path.rglob(slurm_record.NAME):
        for job in {event["job"] for event in slurm_record.parse(record.read_text())}:
            ask("scancel", str(job))


def wait_for(folder: pathlib.Path, condition, seconds=900):
    """Wait for the newest job of a run; a requeued one begins soon, not after two minutes."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        job = slurm_record.read(folder)
        if job and condition(job):
            return job
        if job and job.state == "requeued" and time.time() - job.since > 15:
            ask("scontrol", "update", f"jobid={job.job}", "StartTime=now")
        time.sleep(0.3)
    log = folder / (job.log if job else "")
    raise AssertionError(f"{job}\n{log.read_text()[-3000:] if log.is_file() else ''}")


def pids_of(job):
    """Return the ids of the processes that train, by the number of their task."""
    found = {}
    for place in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (place / "cmdline").read_bytes()
            env = dict(
                w.partition(b"=")[::2] for w in (place / "environ").read_bytes().split(b"\0")
            )
        except OSError:
            continue
        mine = env.get(b"SLURM_JOB_ID") == str(job.job).encode() and b"SLURM_PROCID" in env
        if mine and b"gan_jax" in words and not words.startswith((b"srun", b"/bin/bash")):
            found[int(env[b"SLURM_PROCID"])] = int(place.name)
    return found


def newest_step(folder):
    names = [path.name for path in (folder / "checkpoints").glob("[0-9]*")]
    return max((int(name) for name in names if name.isdigit()), default=0)


def submit(cluster, folder, *words, method="morpho"):
    smoke = (f"--flagfile={method}_smoke", f"--steps={STEPS}", "--save_every=50")
    cluster("submit", method, *smoke, "--time=20", f"--workdir={folder}", *words)


@pytest.mark.parametrize(("method", "victim"), [("morpho", 0), ("morpho", 1), ("mgan", 1)])
def test_a_run_on_two_nodes_survives_the_loss_of_a_process(tmp_path, cluster, method, victim):
    """Its weights are those of a run that nothing happened to."""
    folder, calm = tmp_path / "runs" / "killed", tmp_path / "runs" / "calm"
    submit(cluster, folder, "--nodes=2", method=method)
    index = RunIndex(tmp_path / "runs")
    assert index.summary("killed")["state"] in ("queued", "starting")
    job = wait_for(folder, lambda _: newest_step(folder) >= 100)
    summary = index.summary("killed")
    assert summary["state"] == "running" and summary["processes"]["n"] == 2
    assert "2 processes" in summary["cluster"]["text"]
    signalled = pids_of(job)[victim]
    subprocess.run(["kill", f"-{signal.SIGKILL.value}", str(signalled)], check=True)
    job = wait_for(folder, lambda job: job.state == "requeued", 90)
    assert f"process {victim} of 2" in job.why and "was lost" in job.why
    job = wait_for(folder, lambda job: job.state == "ended")
    assert job.code == 0 and job.restarts == 1, job.text()
    log = (folder / job.log).read_text()
    assert "resumed at step " in log
    index.refresh()
    assert index.summary("killed")["state"] == "finished"
    submit(cluster, calm, "--nodes=2", method=method)
    assert wait_for(calm, lambda job: job.state == "ended").code == 0
    assert (folder / "DONE").read_text() == (calm / "DONE").read_text()


def test_a_run_saves_before_the_limit_and_goes_on(tmp_path, cluster):
    """SLURM warns the tasks; the limit is so short that the warning comes during training."""
    folder = tmp_path / "runs" / "limit"
    submit(cluster, folder, "--steps=1000000", "--time=2", "--warning=50")
    job = wait_for(folder, lambda job: job.state == "requeued")
    saved = newest_step(folder)
    assert f"stopped by SIGTERM at step {saved}; saved." in job.why and saved > 0
    job = wait_for(folder, lambda job: job.state == "running" and job.restarts == 1)
    assert f"resumed at step {saved} " in wait_for_log(folder, job, "resumed at step")
    print(cluster("cancel", folder))
    job = wait_for(folder, lambda job: job.state == "ended", 60)
    assert (job.code, job.why) == (4, "cancelled") and newest_step(folder) >= saved
    deadline = time.monotonic() + 30
    while ask("squeue", "--noheader", f"--jobs={job.job}") and time.monotonic() < deadline:
        time.sleep(0.5)
    assert not ask("squeue", "--noheader", f"--jobs={job.job}"), "it was not requeued"


def test_scancel_ends_a_job_for_good(tmp_path, cluster):
    folder = tmp_path / "runs" / "scancel"
    submit(cluster, folder, "--steps=1000000")
    job = wait_for(folder, lambda _: newest_step(folder) >= 100)
    ask("scancel", str(job.job))
    job = wait_for(folder, lambda job: job.state == "ended", 60)
    assert job.code == 4 and job.why.startswith("cancelled")
    said = f"stopped by SIGTERM at step {newest_step(folder)}; saved."
    assert said in (folder / job.log).read_text()


def wait_for_log(folder, job, text):
    wait_for(folder, lambda _: text in (folder / job.log).read_text(), 60)
    return (folder / job.log).read_text()


def test_a_pending_job_is_cancelled(tmp_path, cluster):
    folder = tmp_path / "runs" / "waits"
    submit(cluster, folder, "--sbatch=--begin=now+1hour")
    assert "is pending: it waits for 1 node. SLURM says: PENDING" in cluster("status", folder)
    job = slurm_record.read(folder)
    assert job and "SLURM job" in cluster("status", folder)
    cluster("cancel", folder)
    assert slurm_record.read(folder).state == "ended"
    assert not ask("squeue", "--noheader", f"--jobs={job.job}")


def test_a_job_that_slurm_ended_unseen_is_found_out(tmp_path, cluster):
    folder = tmp_path / "runs" / "gone"
    submit(cluster, folder, "--sbatch=--begin=now+1hour")
    ask("scancel", str(slurm_record.read(folder).job))
    assert slurm_record.read(folder).state == "pending"
    assert "ended with code 4: SLURM says: CANCELLED" in cluster("status", folder)
    assert RunIndex(folder.parent).summary("gone")["state"] == "stopped"
    submit(cluster, folder, "--sbatch=--begin=now+1hour")
    assert RunIndex(folder.parent).summary("gone")["state"] == "queued"


def test_a_job_that_is_refused_says_why(tmp_path, child_env):
    if n_nodes() < 2:
        pytest.skip("needs two nodes of SLURM")
    command = [sys.executable, "-m", "gan_jax", "cluster", "submit", "morpho", "--nodes=1"]
    env = {**child_env, "PYTHONPATH": str(paths.ROOT)}
    done = subprocess.run(
        [*command, "--partition=none"], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("SLURM refuses the job: ")


STAND_IN = """\
#!/bin/bash
n=$(cat {place}/n 2>/dev/null || echo 0)
[ "$SLURM_PROCID" = 0 ] && echo $((n + 1)) > {place}/n
mkdir -p {run}/checkpoints/$((n / 2))
exit 4
"""


def test_requeues_end_where_there_is_no_progress(tmp_path, cluster):
    """A program that is stopped again and again, and saves a step every second time."""
    folder, python = tmp_path / "runs" / "stuck", tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(STAND_IN.format(place=tmp_path, run=folder))
    python.chmod(0o755)
    submit(cluster, folder, f"--environment={tmp_path}/venv", "--requeues=1")
    job = wait_for(folder, lambda job: job.state == "ended", 120)
    states = [event["state"] for event in job.events if event["state"] != "submitted"]
    assert states == [*["running", "requeued"] * (len(states) // 2 - 1), "running", "ended"]
    assert job.code == 4 and "not requeued after 1 times" in job.why
