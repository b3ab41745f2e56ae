"""What a process that follows has in place of the parts of a run folder, which process 0 keeps."""

from gan_jax.rundir import checkpoint, log


class NoStore(checkpoint.Store):
    """Holds no checkpoints and saves none."""

    def __init__(self):
        pass

    def __exit__(self, *_):
        pass

    def prepare(self):
        """Do nothing."""

    def steps(self):
        """Return []."""
        return []

    def save(self, *_):
        """Do nothing."""

    def wait(self):
        """Do nothing."""

    def newest(self):
        """Say that process 0 knows."""
        return "known to process 0"


class NoLog(log.Log):
    """Writes nothing."""

    def __init__(self):
        self.records, self.wall = [], {}

    def write(self, record):
        """Do nothing."""

    def write_picture(self, step, picture):
        """Do nothing."""

    def flush(self, consequence=""):
        """Return True."""
        return True

    def close(self):
        """Do nothing."""


class NoProgress(log.Progress):
    """Shows nothing."""

    def __init__(self):
        self._bar = None

    def record(self, record):
        """Do nothing."""

    def say(self, text):
        """Do nothing."""
