"""Ranks are those of scipy, whose module takes too long to import for a processor."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from agents.statistics.autocorrelation import ranks


@given(st.lists(st.floats(allow_nan=False) | st.integers(0, 3).map(float), min_size=1, max_size=50))
def test_ranks_are_those_of_scipy(values: list[float]) -> None:
    assert ranks(np.array(values)).tolist() == rankdata(values).tolist()
