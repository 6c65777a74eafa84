"""Kitagawa's two parts of a change."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.kitagawa import Part
from agents.drift.decay_or_mix import explain

SIDES = st.tuples(st.integers(0, 1_000), st.floats(0.0, 1.0)).map(
    lambda side: (side[0], int(side[0] * side[1]))
)
PARTS = st.lists(st.tuples(SIDES, SIDES), min_size=2, max_size=6).map(
    lambda sides: [Part(f"s{i}", *before, *during) for i, (before, during) in enumerate(sides)]
)


def test_a_change_worked_out_by_hand() -> None:
    """Young went from 100 of 1 000 bad to 60 of 300, old from 50 of 1 000 to 70 of 700."""
    change = explain([Part("young", 1_000, 100, 300, 60), Part("old", 1_000, 50, 700, 70)])
    assert change is not None
    # Shares .5 to .3 and .5 to .7; rates .1 to .2 and .05 to .1: within .1 * .4 + .05 * .6.
    assert change.within == pytest.approx(0.07)
    # -.2 * (.15 - .075) + .2 * (.075 - .075), as the overall rate before was .075.
    assert change.mix == pytest.approx(-0.015)
    assert change.segment == "old"
    assert not change.segment_is_mix
    assert not change.is_mix


def test_a_shift_of_the_mix_alone_has_no_part_within() -> None:
    change = explain([Part("hard", 200, 80, 900, 360), Part("easy", 800, 40, 100, 5)])
    assert change is not None
    assert change.within == pytest.approx(0.0)
    assert change.mix == pytest.approx(365 / 1_000 - 120 / 1_000)
    assert (change.segment, change.segment_is_mix, change.is_mix) == ("hard", True, True)


def test_a_segment_adds_by_being_worse_than_the_rest_and_not_by_growing() -> None:
    change = explain(
        [
            Part("good", 200, 20, 500, 50),
            Part("bad", 100, 50, 150, 75),
            Part("so-so", 700, 210, 350, 105),
        ]
    )
    assert change is not None
    assert (change.segment, change.segment_is_mix) == ("bad", True)


def test_of_few_records_neither_part_is_more_than_chance() -> None:
    """2 bad of 6, where 1 in 10 is usual and the mix stood at half and half."""
    few = explain([Part("young", 500, 25, 1, 0), Part("old", 500, 75, 5, 2)])
    assert few is not None
    assert (few.is_mix, few.is_unclear) == (False, True)
    more = explain([Part("young", 500, 25, 100, 0), Part("old", 500, 75, 500, 200)])
    assert more is not None
    assert (more.is_mix, more.is_unclear, more.within_sure) == (False, False, True)


def test_a_mix_that_chance_could_bring_is_not_called_a_shift() -> None:
    change = explain([Part("easy", 800, 16, 6, 0), Part("hard", 200, 60, 4, 2)])
    assert change is not None
    assert change.mix > 0.0
    assert (change.mix_sure, change.is_mix, change.is_unclear) == (False, False, True)
    change = explain([Part("easy", 800, 16, 24, 0), Part("hard", 200, 60, 96, 29)])
    assert change is not None
    assert (change.mix_sure, change.is_mix, change.is_unclear) == (True, True, False)


def test_a_decay_against_the_mix_needs_no_proof_that_it_is_none() -> None:
    change = explain([Part("easy", 500, 10, 90, 5), Part("hard", 500, 150, 10, 5)])
    assert change is not None
    assert change.mix < 0.0
    assert not change.is_unclear


@given(PARTS)
def test_the_parts_add_up_to_the_whole_change(parts: list[Part]) -> None:
    before, during = sum(p.count_before for p in parts), sum(p.count_during for p in parts)
    change = explain(parts)
    if not before or not during:
        assert change is None
        return
    assert change is not None
    whole = sum(p.bad_during for p in parts) / during - sum(p.bad_before for p in parts) / before
    assert change.within + change.mix == pytest.approx(whole, abs=1e-12)


@pytest.mark.parametrize(
    "parts", [[], [Part("a", 10, 1, 10, 9)], [Part("a", 0, 0, 9, 1), Part("b", 0, 0, 9, 9)]]
)
def test_there_is_nothing_to_explain_without_segments_on_both_sides(parts: list[Part]) -> None:
    assert explain(parts) is None
