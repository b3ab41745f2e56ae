"""The ways a run ends early that are not a bug."""

EXIT_DONE, EXIT_REFUSED, EXIT_FAILED, EXIT_STOPPED = (
    0,
    2,
    3,
    4,
)  # of commands; failed: diverged or collapsed


class InputError(ValueError):
    """The user asked for something that cannot be done.

    The message is one line: what was given, what is allowed, what to do. Commands print it on stderr and exit with
    code 2; `--debug` shows the traceback.
    """


class NonFiniteError(RuntimeError):
    """A loss or a gradient became infinite or NaN. Names the player and the step; commands exit with code 3."""


class Collapsed(RuntimeError):
    """The generator makes one picture, or one class, and the run was to stop at that (--stop_on_collapse). Says since when and
    what is saved. Commands exit with code 3, not 4: started again, the same command ends at once with the same words."""


class Stopped(Exception):
    """The run ended before it was done: asked to by a signal, or because the disk is full. The message says which step is
    saved; the same command resumes there. Commands exit with code 4."""
