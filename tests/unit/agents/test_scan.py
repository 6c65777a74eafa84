"""Running totals against a loop over the records."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from agents.statistics.running_sums import bring_together, running_floats, running_ints

ROWS = st.lists(st.integers(0, 6), min_size=1, max_size=200) | st.lists(
    st.integers(0, 1), min_size=90, max_size=200
)


@given(ROWS, st.integers(0, 2**32 - 1))
def test_running_totals_are_those_of_a_loop_bit_for_bit(rows: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.lognormal(0.0, 9.0, len(rows)) * rng.choice([-1.0, 1.0], len(rows))
    whole = rng.integers(-(2**40), 2**40, len(rows))
    floats, ints = (
        dict(enumerate(rng.normal(0.0, 1e6, 7).tolist())),
        dict(enumerate(rng.integers(0, 2**40, 7).tolist())),
    )
    runs = bring_together(np.array(rows))
    got_floats = running_floats(
        runs, values[runs.order], np.array([floats[row] for row in runs.each.tolist()])
    )
    got_ints = running_ints(
        runs, whole[runs.order], np.array([ints[row] for row in runs.each.tolist()])
    )
    for at, row in enumerate(rows):
        floats[row], ints[row] = floats[row] + values[at], ints[row] + int(whole[at])
        where = int(np.flatnonzero(runs.order == at)[0])
        assert (float(got_floats[where]), int(got_ints[where])) == (floats[row], ints[row])


@given(ROWS)
def test_runs_hold_the_records_of_each_row_in_the_order_of_the_log(rows: list[int]) -> None:
    runs = bring_together(np.array(rows))
    expected = [[at for at, row in enumerate(rows) if row == one] for one in sorted(set(rows))]
    split = [
        runs.order[start : start + n].tolist()
        for start, n in zip(runs.starts, runs.lengths, strict=True)
    ]
    assert split == expected
    assert runs.each.tolist() == sorted(set(rows))
    assert runs.order[runs.ends].tolist() == [one[-1] for one in expected]


def test_a_sum_too_large_is_infinite_without_a_warning() -> None:
    runs = bring_together(np.zeros(3, np.int64))
    assert running_floats(runs, np.array([1.5e308, 1.5e308, -1.0]), np.zeros(1)).tolist() == [
        1.5e308,
        np.inf,
        np.inf,
    ]
