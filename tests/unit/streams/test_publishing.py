"""Where published records lie, in runs of offsets."""

from itertools import pairwise

import hypothesis.strategies as st
from hypothesis import given

from streams.kafka.publisher import Runs, count, put, within


@given(st.sets(st.integers(0, 60)), st.integers(0, 60), st.none() | st.integers(0, 60))
def test_runs_hold_just_the_offsets_that_were_put(
    offsets: set[int], start: int, end: int | None
) -> None:
    runs: Runs = []
    for offset in sorted(offsets):
        put(runs, offset)
    assert {offset for offset in range(61) if within(runs, offset)} == offsets
    assert count(runs, start, end) == sum(
        start <= offset and (end is None or offset < end) for offset in offsets
    )
    assert all(after[0] > before[1] + 1 for before, after in pairwise(runs))
