"""What SLURM is asked, and what it answers."""

import re
import shutil
import subprocess
from collections.abc import Sequence

from gan_jax.errors import InputError
from gan_jax.rundir.slurm_record import GONE, OVER

SUBMITTED_BY = "sbatch"
# Why a job waits that no time will start.
IMPOSSIBLE = ("PartitionConfig", "PartitionNodeLimit", "PartitionTimeLimit", "BadConstraints")


def need() -> None:
    """Refuse a machine without SLURM."""
    if not shutil.which(SUBMITTED_BY):
        raise InputError(
            f"There is no {SUBMITTED_BY} on this machine: log in where the cluster takes jobs, or "
            "print the script by --dry_run and take it there. Without SLURM start the processes by "
            "hand, with --coordinator."
        )


def ask(words: Sequence[str]) -> subprocess.CompletedProcess:
    """Run a command of SLURM; return what it did."""
    try:
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(f"{words[0]} does not work here: {error}") from error


def job_number(output):
    """Return the job in what `sbatch --parsable` printed, "JOB" or "JOB;CLUSTER".

    The sbatch of a site may print lines of its own around it.

    Raises:
      InputError: no line is one.
    """
    lines = re.findall(r"^(\d+)(?:;.*)?$", output, re.MULTILINE)
    if not lines:
        raise InputError(
            f"The job was submitted, and {SUBMITTED_BY} does not say its number, so that it "
            f"cannot be followed here; it printed {output.strip()[-500:]!r}. See squeue, and end "
            "it by scancel."
        )
    return int(lines[-1])


def error_line(done: subprocess.CompletedProcess) -> str:
    """Return what a command of SLURM said last, as a sentence."""
    lines = [line.partition("error: ")[2] or line for line in done.stderr.splitlines() if line]
    return f"{lines[-1].strip().rstrip('.')}." if lines else f"code {done.returncode}."


def queue_state(job: int) -> str:
    """Return how SLURM says a job is, such as "RUNNING n1"; GONE if it has forgotten it.

    Without SLURM, or while it does not answer, return "".
    """
    if not shutil.which("squeue"):
        return ""
    done = ask(["squeue", "--noheader", "--states=all", f"--jobs={job}", "--format=%T %R"])
    state, _, reason = done.stdout.strip().partition(" ")
    if done.returncode:
        return GONE if "Invalid job id" in done.stderr else ""
    return f"{state} {reason}".strip() or GONE


def is_over(queue_state: str) -> bool:
    """Say whether a job will not run again, by what `queue_state` returned."""
    return queue_state.partition(" ")[0] in OVER


def is_impossible(queue_state: str) -> bool:
    """Say whether a job waits for what its partition cannot give, see `queue_state`."""
    state, _, reason = queue_state.partition(" ")
    return state == "PENDING" and reason.strip("()") in IMPOSSIBLE
