"""The state of a run, such as queued, running or crashed, from the files of its folder alone."""

import enum
from typing import Any, NamedTuple

from gan_jax.errors import EXIT_DONE, EXIT_FAILED, EXIT_REFUSED, EXIT_STOPPED

SIGTERM, SIGKILL = 15, 9
CLOCK_TOLERANCE = 2  # seconds by which the clock of a file system may differ from the machine's


class RunState(enum.StrEnum):
    """States of a run."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"  # it was asked to save and end
    ENDING = "ending"  # it has trained, and its process is about to end
    FINISHED = "finished"
    STOPPED = "stopped"
    REFUSED = "refused"
    DIVERGED = "diverged"
    COLLAPSED = "collapsed"
    CRASHED = "crashed"
    UNREADABLE = "unreadable"


# Those of a run that has a process.
BUSY_STATES = (RunState.STARTING, RunState.RUNNING, RunState.STOPPING, RunState.ENDING)
ACTIVE_STATES = (RunState.QUEUED, *BUSY_STATES)


class RunEvidence(NamedTuple):
    """What the files of a run folder tell about its processes."""

    is_locked: bool  # a process trains in the folder
    is_supervised: bool  # the supervisor that the studio started for it is alive
    is_done: bool  # DONE exists
    launch: dict[str, Any]  # what studio.json holds, or {}
    changed: float  # when metrics.jsonl was last written, in seconds since the epoch
    last_line: str  # of the console, where a failed command says why
    has_trained: bool = False  # since the launch a process has locked the folder
    stop_asked: bool = False  # since the launch the studio asked it to stop


def classify(evidence: RunEvidence) -> tuple[RunState, str]:
    """Determine the state of a run.

    Returns:
      (state, reason in a sentence or "").
    """
    launch = evidence.launch
    if evidence.is_locked or evidence.is_supervised:
        return _classify_active(evidence), ""
    if launch.get("state") == "queued":
        return RunState.QUEUED, ""
    if evidence.is_done:
        return RunState.FINISHED, ""
    # If the run went on elsewhere after this launch, the launch does not say how it ended.
    ended = launch.get("ended")
    has_ended = isinstance(ended, (int, float))
    if not launch.get("state") or (has_ended and evidence.changed > ended + CLOCK_TOLERANCE):
        return RunState.STOPPED, ""
    if launch["state"] == "withdrawn":
        return RunState.STOPPED, "before it began: it was taken out of the queue"
    if launch["state"] == "launched":
        reason = "its process ended without a word: it was killed, or the machine went down"
        return RunState.CRASHED, reason
    state, reason = classify_exit(launch.get("code"), evidence.last_line)
    return state, reason.removeprefix(f"{state} ")  # pages show one after the other


def _classify_active(evidence: RunEvidence) -> RunState:
    if evidence.stop_asked:
        return RunState.STOPPING
    if evidence.is_locked:
        return RunState.RUNNING
    return RunState.ENDING if evidence.has_trained else RunState.STARTING


def classify_exit(code: Any, last_line: str) -> tuple[RunState, str]:
    """Determine (state, reason) from the exit code of a command."""
    if code == EXIT_STOPPED:
        return RunState.STOPPED, last_line
    if code == -SIGTERM:
        return RunState.STOPPED, ""
    if code == EXIT_FAILED:
        collapsed = "collapsed at step" in last_line
        return RunState.COLLAPSED if collapsed else RunState.DIVERGED, last_line
    if code == EXIT_REFUSED:
        return RunState.REFUSED, last_line
    if code == EXIT_DONE:
        return RunState.STOPPED, last_line
    if isinstance(code, int) and code < 0:
        why = " (killed, or out of memory)" if code == -SIGKILL else ""
        return RunState.CRASHED, f"ended by signal {-code}{why}; last words: {last_line}"
    return RunState.CRASHED, last_line
