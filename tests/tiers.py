"""The tier of a single case, see --slow and --fast in conftest."""

import pytest


def slowly(*case):
    """A case of the slow tests among cases of ordinary ones."""
    return pytest.param(*case, marks=pytest.mark.slow)
