"""Which images a histogram counts."""

import numpy as np
import pytest

from gan_jax.report import value_histograms


@pytest.mark.parametrize(("n", "most"), [(1, 5), (400, 1024), (1024, 1024), (5000, 7), (9, 0)])
def test_rows_are_spread_and_counted_once(n, most):
    rows = value_histograms.spread_rows(n, most)
    assert len(rows) == len(set(rows)) == max(1, min(n, most)) and rows[0] == 0
    if len(rows) > 1:
        assert rows[-1] == n - 1 and np.ptp(np.diff(rows)) <= 1
