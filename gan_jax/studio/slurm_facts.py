"""What the files of a run folder say of the cluster and of the processes that train in it."""

import time
from pathlib import Path
from typing import Any

from gan_jax.errors import InputError, counted
from gan_jax.rundir import slurm_record
from gan_jax.rundir.slurm_record import SlurmJob
from gan_jax.studio import files
from gan_jax.studio.launch_files import TRAINING
from gan_jax.studio.run_state import CLOCK_TOLERANCE, RunState, classify_exit

PROCESSES = "processes.json"  # written by the first of several processes that train together
MAX_EVENTS, MAX_NAME, MAX_HOSTS = 30, 100, 1000
RECORD_BYTES = 2**18  # of the record of jobs; a line has about 150


def newest_job(folder: Path) -> SlurmJob | None:
    """Return the newest SLURM job of a run; None if there is none."""
    text, size = files.read_tail(folder / slurm_record.NAME, RECORD_BYTES)
    if not size:
        return None
    try:
        alive = (folder / slurm_record.ALIVE).lstat().st_mtime
    except OSError:
        alive = None
    return slurm_record.newest(text, alive, time.time())


def is_newer(job: SlurmJob | None, launch: dict[str, Any]) -> bool:
    """Say whether a job tells more of a run than what studio.json holds."""
    times = [files.finite_float(launch.get(key)) for key in ("asked", "began", "ended")]
    return job is not None and job.since >= max(times, default=0.0)


def classify(
    job: SlurmJob, is_done: bool, changed: float, last_line: str
) -> tuple[RunState, str] | None:
    """Determine the state of a run that SLURM trains, or trained last.

    Args:
      job: its newest job.
      is_done: DONE exists.
      changed: when metrics.jsonl was last written, in seconds since the epoch.
      last_line: last line that the job printed.

    Returns:
      (state, reason); None if the run went on elsewhere after the job.
    """
    if job.state in slurm_record.WAITING:
        return RunState.QUEUED, job.text()
    if job.state == "cancelling":
        return RunState.STOPPING, job.text()
    if job.state == "running":
        if is_done:
            return RunState.ENDING, ""
        return (RunState.RUNNING if changed >= job.since else RunState.STARTING), ""
    if is_done:
        return RunState.FINISHED, ""
    if changed > job.since + CLOCK_TOLERANCE and job.state == "ended":
        return None
    if job.state == "lost":
        return RunState.CRASHED, job.text()
    if job.why.startswith("cancelled"):
        return RunState.STOPPED, job.text()
    state, _ = classify_exit(job.code, last_line)
    return state, job.text()


def describe(job: SlurmJob | None, decides: bool) -> dict[str, Any] | None:
    """Describe a job for pages.

    Args:
      job: the newest job of a run; None if there is none.
      decides: whether the state of the run is that of the job.

    Returns:
      {"text", "job", "state": "" unless it decides, "events": [{"time", "text"}]}; or None.
    """
    if job is None:
        return None
    events = sorted(job.events, key=lambda event: event["time"])[-MAX_EVENTS:]
    return {
        "text": job.text(),
        "job": job.job,
        "state": job.state if decides else "",
        "events": [{"time": e["time"], "text": _event_text(e)} for e in events],
    }


def _event_text(event):
    parts = [
        event["state"],
        f"on {event['hosts']}" if isinstance(event.get("hosts"), str) else "",
        f"at step {event['step']:,}" if type(event.get("step")) is int and event["step"] else "",
        f"with code {event['code']}" if type(event.get("code")) is int else "",
    ]
    why = str(event.get("why", ""))
    text = " ".join(part for part in parts if part)
    return (f"{text}: {why}" if why else text)[: slurm_record.MAX_WORDS]


def processes(folder: Path) -> dict[str, Any] | None:
    """Read which processes train a run together.

    Returns:
      {"n", "text", "lost": who was lost, or ""}; None where there is one, or the file is damaged.
    """
    try:
        table = files.read_json(folder / PROCESSES)
    except InputError:
        return None
    n, hosts = (table or {}).get("processes"), (table or {}).get("hosts")
    if table is None or type(n) is not int or not isinstance(hosts, list):
        return None
    names = dict.fromkeys(str(host)[:MAX_NAME] for host in hosts[:MAX_HOSTS])
    devices = table.get("devices_per_process")
    each = f", {counted(devices, 'device')} each" if type(devices) is int and devices > 1 else ""
    shown = ", ".join([*names][: slurm_record.MAX_HOSTS])
    more = f" and {left} more" if (left := len(names) - slurm_record.MAX_HOSTS) > 0 else ""
    lost = table.get("lost")
    return {
        "n": n,
        "text": f"{counted(n, 'process')} on {shown}{more}{each}",
        "lost": str(lost)[: slurm_record.MAX_WORDS] if lost else "",
    }


def console(folder: Path) -> Path:
    """Return the path of what the newest command of a run printed: by SLURM, or by the studio."""
    own = folder / TRAINING.console
    job = newest_job(folder)
    if job is None:
        return own
    try:
        if own.lstat().st_mtime > job.since and job.state == "ended":
            return own
    except OSError:
        pass
    return folder / job.log
