"""Which tests a worker runs one after the other: those of a file, or one notebook."""

from xdist.scheduler import LoadFileScheduling


def part(nodeid):
    """Name the part that a test belongs to: its file, or itself if it is a notebook."""
    file = nodeid.split("::", 1)[0]
    return nodeid if file.endswith("test_notebooks.py") else file


class ByPart(LoadFileScheduling):
    """Parts as units of work."""

    def _split_scope(self, nodeid):
        return part(nodeid)
