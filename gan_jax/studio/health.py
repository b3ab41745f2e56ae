"""How a run stands, told by the files of its folder alone."""

from typing import NamedTuple

from gan_jax.errors import EXIT_DONE, EXIT_FAILED, EXIT_REFUSED, EXIT_STOPPED

QUEUED, STARTING, RUNNING, FINISHED = "queued", "starting", "running", "finished"
STOPPED, REFUSED, DIVERGED, COLLAPSED, CRASHED, UNREADABLE = (
    "stopped",
    "refused",
    "diverged",
    "collapsed",
    "crashed",
    "unreadable",
)
ACTIVE = (QUEUED, STARTING, RUNNING)
SIGTERM = 15


class Signs(NamedTuple):
    """What is seen of a run.

    claimed: whether a process trains in the folder. supervised: whether one that the studio started for it still lives.
    done: whether DONE is there. launch: what studio.json holds, or {}. changed: when metrics.jsonl last was, in seconds.
    said: the last line of the console, which is where a failed command says why.
    """

    claimed: bool
    supervised: bool
    done: bool
    launch: dict
    changed: float
    said: str


def judge(signs):
    """(how a run stands, why in a sentence or "")."""
    state, code = signs.launch.get("state"), signs.launch.get("code")
    if signs.claimed:
        return RUNNING, ""
    if signs.supervised:
        return STARTING, ""
    if state == "queued":
        return QUEUED, ""
    if signs.done:
        return FINISHED, ""
    # A run that went on elsewhere after it was launched from here says nothing about how it ended.
    ended = signs.launch.get("ended")
    if not state or (isinstance(ended, (int, float)) and signs.changed > ended + 2):
        return STOPPED, ""
    if state == "withdrawn":
        return STOPPED, "taken out of the queue"
    if state == "launched":
        return CRASHED, "its process ended without a word: it was killed, or the machine went down"
    return _ended(code, signs.said)


def _ended(code, said):
    """(how a run stands, why) by the exit code of its command."""
    if code in (EXIT_STOPPED, -SIGTERM):
        return STOPPED, said if code == EXIT_STOPPED else ""
    if code == EXIT_FAILED:
        return (COLLAPSED if "collapsed at step" in said else DIVERGED), said
    if code == EXIT_REFUSED:
        return REFUSED, said
    if code == EXIT_DONE:
        return STOPPED, said
    if isinstance(code, int) and code < 0:
        return (
            CRASHED,
            f"ended by signal {-code}{' (killed, or out of memory)' if code == -9 else ''}; last words: {said}",
        )
    return CRASHED, said
