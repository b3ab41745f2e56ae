"""The tier of a single case, see --slow and --fast in conftest."""

import pytest


def slowly(*case):
    """A case of the slow tests among cases of ordinary ones."""
    return pytest.param(*case, marks=pytest.mark.slow)


def cases(every, quick):
    """The cases of a test, of which only the quick ones are among the ordinary tests."""
    assert set(quick) <= set(every), (quick, every)
    return [case if case in quick else slowly(case) for case in every]
