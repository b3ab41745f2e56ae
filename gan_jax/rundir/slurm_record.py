"""What a run folder tells of the SLURM jobs that train it: written by them, read by all others.

`gan-jax cluster submit` appends the first line of a job to NAME, and the job's batch script those
that follow. While it runs it touches ALIVE. Imports nothing large.
"""

import json
import time
from pathlib import Path
from typing import Any, NamedTuple

from gan_jax.errors import counted

NAME, ALIVE, SCRIPT = "slurm.jsonl", "slurm.alive", "slurm.sh"
BEAT_S = 30  # seconds between two touches of ALIVE
SILENT_S = 180.0  # seconds without one after which a job counts as lost
WAITING, ACTIVE = ("pending", "requeued"), ("pending", "requeued", "running", "cancelling")
NOT_CANCELLED = "not cancelled"  # SLURM did not do what the "cancelling" before it says
GONE = "unknown"  # what a job is that SLURM has forgotten
# What SLURM calls a job that will not run again.
OVER = (
    GONE,
    "CANCELLED",
    "COMPLETED",
    "FAILED",
    "TIMEOUT",
    "NODE_FAIL",
    "DEADLINE",
    "BOOT_FAIL",
    "OUT_OF_MEMORY",
)
MAX_WORDS, MAX_HOSTS = 300, 6  # characters of a reason, and hosts, that are shown


class SlurmJob(NamedTuple):
    """The newest job of a run."""

    job: int  # its number
    state: str  # pending, running, requeued, cancelling, lost, ended
    since: float  # when that began, in seconds since the epoch
    hosts: list[str]  # where it runs, or ran last
    nodes: int  # how many it asked for; 0 if not known
    tasks: int  # processes that train together; 0 if not known
    restarts: int  # how often it began again
    code: int | None  # exit code of the run; None until it has ended
    why: str  # why it ended or was requeued; "" if nothing is known
    events: list[dict[str, Any]]  # all that is known of it, in order, as `parse` returns it
    earlier: "list[SlurmJob]"  # other jobs of the run, in order

    @property
    def log(self) -> str:
        """Name of the file in the run folder that has what it printed."""
        return log_name(self.job)

    def text(self) -> str:
        """Say in a sentence how it is."""
        hosts = ", ".join(self.hosts[:MAX_HOSTS]) or "unknown nodes"
        if len(self.hosts) > MAX_HOSTS:
            hosts += f" and {len(self.hosts) - MAX_HOSTS} more"
        tasks = f" ({counted(self.tasks, 'process')})" if self.tasks else ""
        nodes = counted(self.nodes, "node") if self.nodes else "nodes"
        why = f": {self.why.rstrip('. ')}" if self.why else ""
        again = f", begun again {counted(self.restarts, 'time')}" if self.restarts else ""
        words = {
            "pending": f"is pending: it waits for {nodes}",
            "requeued": "was requeued and goes on by itself, in about two minutes or when it gets "
            f"{nodes}{why}",
            "running": f"runs on {hosts}{tasks}{again}",
            "cancelling": f"was asked to save and end; it ran on {hosts}",
            "lost": f"is lost: it ran on {hosts}, which have been silent since then",
            "ended": f"ended with code {self.code}{again}{why}",
        }
        return f"SLURM job {self.job} {words[self.state]}"


def log_name(job: int | str) -> str:
    """Return the name of the file in the run folder that has what a job printed."""
    return f"slurm-{job}.out"


def append(folder: Path, job: int, state: str, **more: Any) -> None:
    """Append a line, in the form in which batch scripts do; see cluster_script."""
    line = {"time": int(time.time()), "job": job, "state": state, **more}
    with open(folder / NAME, "a") as file:
        file.write(json.dumps(line) + "\n")


def parse(text: str) -> list[dict[str, Any]]:
    """Return the lines of a record that can be read, in order."""
    out = []
    for line in text.splitlines():
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if not isinstance(event, dict) or type(event.get("job")) is not int:
            continue
        if type(event.get("time")) is int and isinstance(event.get("state"), str):
            out.append(event)
    return out


def read_text(folder: Path) -> str:
    """Read the record of a run folder; "" if SLURM never trained it.

    Raises:
      OSError: the record cannot be read.
    """
    try:
        return (folder / NAME).read_text(errors="replace")
    except FileNotFoundError:
        return ""


def newest(text: str, alive: float | None, now: float) -> SlurmJob | None:
    """Return the newest job of a record; None if there is none.

    Args:
      text: content of NAME.
      alive: when ALIVE was last touched, in seconds since the epoch; None if never.
      now: time, as `alive`.
    """
    events = parse(text)
    if not events:
        return None
    jobs = {event["job"]: [e for e in events if e["job"] == event["job"]] for event in events}
    last = events[-1]["job"]
    earlier = [_job(of_one, alive, now) for job, of_one in jobs.items() if job != last]
    return _job(jobs[last], alive, now)._replace(earlier=earlier)


def _job(events, alive, now):
    """Return what the events of one job say of it."""
    # A job may begin before the command that submitted it has written its line.
    history = []
    for event in events:
        if event["state"] == NOT_CANCELLED:
            history = [e for e in history if e["state"] != "cancelling"]
        elif event["state"] in ("running", "requeued", "cancelling", "ended"):
            history.append(event)
    asked = next((e for e in events if e["state"] == "submitted"), {})
    last = history[-1] if history else events[-1]
    state = last["state"] if history else "pending"
    if state == "running" and now - max(alive or 0.0, last["time"]) > SILENT_S:
        state = "lost"
    hosts = next((e["hosts"] for e in reversed(history) if isinstance(e.get("hosts"), str)), "")
    restarts = sum(e["state"] == "running" for e in history) - 1
    code = last.get("code") if state == "ended" else None
    return SlurmJob(
        job=last["job"],
        state=state,
        since=float(last["time"]),
        hosts=hosts.split(),
        nodes=_count(asked.get("nodes")),
        tasks=_count(asked.get("tasks")),
        restarts=max(restarts, 0),
        code=code if type(code) is int else None,
        why=str(last.get("why", ""))[:MAX_WORDS],
        events=events,
        earlier=[],
    )


def _count(value: Any) -> int:
    return value if type(value) is int and 0 < value < 2**31 else 0


def read(folder: Path) -> SlurmJob | None:
    """Return the newest job of a run folder; None if SLURM never trained it.

    Raises:
      OSError: the record cannot be read.
    """
    text = read_text(folder)
    try:
        alive = (folder / ALIVE).stat().st_mtime
    except OSError:
        alive = None
    return newest(text, alive, time.time())
