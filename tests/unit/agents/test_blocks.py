"""Rates and means without stated shares, block by block: when a block closes, and what is found of
worlds as people send them.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.experiments.evidence.blocks import (
    MORE_IS_HARM,
    NO_MARGIN,
    RUN_MS,
    BlockTerms,
    difference_in_blocks,
    take_units,
)
from agents.experiments.evidence.resemblance import error_of_means
from agents.flow.pipeline import fold
from schemas.catalog import RESULTS, SPECS
from schemas.records import (
    Decision,
    Direction,
    ExperimentSpec,
    MetricKind,
    MetricSpec,
    Order,
    ResultKind,
    Role,
    Verdict,
)
from state.pairs.pair_blocks import CLOSED, WIDTH
from tests.support.builders import CODEC, NOON, Sent, many, piece, result, spec, tables
from tests.support.builders import sent as as_sent

LATENCY = MetricSpec("latency", Role.GUARDRAIL, Direction.LOWER_IS_BETTER, MetricKind.MEAN, cap=1e6)
Arrival = tuple[bool, int, int]  # of the treatment, units, ms since the one before


def closings(arrivals: list[Arrival], hits: list[int]) -> list[float]:
    """How many blocks were closed after each."""
    rows, told, now = np.zeros((1, WIDTH)), [], float(NOON)
    for (of_treatment, units, waited), own in zip(arrivals, hits, strict=True):
        now += waited
        brought = float(units), float(min(own, units))
        terms, taken = BlockTerms(MORE_IS_HARM, 1.0, NO_MARGIN), (0.0, 0.0, 0.0)
        take_units(rows, 0, of_treatment, brought, (now, now), terms, taken)
        told.append(float(rows[0, CLOSED]))
    return told


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(1, 90), st.integers(0, 70_000)),
        min_size=1,
        max_size=60,
    ),
    st.data(),
)
def test_when_a_block_closes_says_nothing_of_the_hits(
    arrivals: list[Arrival], data: st.DataObject
) -> None:
    some = st.lists(st.integers(0, 90), min_size=len(arrivals), max_size=len(arrivals))
    assert closings(arrivals, data.draw(some)) == closings(arrivals, data.draw(some))


CONTROL, TREATMENT = (False, 1, 0), (True, 1, 0)


@pytest.mark.parametrize(
    ("arrivals", "closed"),
    [
        ([CONTROL, TREATMENT, CONTROL], [0, 0, 1]),  # one unit of each at first
        ([CONTROL] * 5 + [TREATMENT] * 3 + [CONTROL], [0] * 8 + [1]),
        ([CONTROL] * 70 + [TREATMENT] * 70, [0] * 139 + [1]),  # as many as the other had
        ([CONTROL] * 500 + [TREATMENT] * 100, [0] * 600),
        ([CONTROL] * 500 + [TREATMENT] * 99 + [(True, 1, int(RUN_MS))], [0] * 599 + [1]),
        ([CONTROL, (True, 20, 0)], [0, 1]),  # many units in one record
    ],
)
def test_a_block_closes_where_the_other_arm_goes_on_or_one_arm_goes_on_for_long(
    arrivals: list[Arrival], closed: list[int]
) -> None:
    assert closings(arrivals, [0] * len(arrivals)) == closed


def test_later_blocks_have_more_units_of_each_arm() -> None:
    told = closings([CONTROL, TREATMENT] * 2_000, [0] * 4_000)
    between = np.diff(np.flatnonzero(np.diff(told, prepend=0.0)))
    assert between[:3].tolist() == [2, 2, 2]
    assert set(between[-20:].tolist()) == {16}


def played(records: list[Sent], *specs: ExperimentSpec) -> list[Decision]:
    state = tables()
    if specs:
        fold(piece(SPECS, as_sent(specs)), state, CODEC)
    effects = fold(piece(RESULTS, records), state, CODEC)
    assert effects.applied == len(records), effects.refused[:1]
    return [one.record for one in effects.outputs if isinstance(one.record, Decision)]


def sent(treated: np.ndarray, hits: np.ndarray, metric: str = "error") -> list[Sent]:
    """One record a second, for each of these units."""
    arms = np.where(treated, "b", "control").tolist()
    moments = NOON + 1_000 * np.arange(len(treated))
    records = many(
        result(metric=metric), len(treated), variant=arms, sum=hits.astype(float),
        occurred_at=moments,
    )  # fmt: skip
    return [
        replace(one, appended=moment) for one, moment in zip(records, moments.tolist(), strict=True)
    ]


def ramps_by_hand() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The base triples, or falls to a third, while the treatment's part grows; nothing else."""
    for seed in range(12):
        rng = np.random.default_rng(seed)
        share = np.repeat([0.05, 0.25, 0.5], 2_000)
        base = np.linspace(0.04, 0.12, len(share))
        treated = rng.random(len(share)) < share
        yield treated, rng.random(len(share)) < (base if seed % 2 else base[::-1])


def test_a_ramp_by_hand_is_not_taken_for_an_effect() -> None:
    decided = sum(bool(played(sent(*world))) for world in ramps_by_hand())
    assert decided <= 1, "at most one of twelve"


def test_a_total_outage_in_a_small_canary_is_rolled_back_after_some_failed_units() -> None:
    rng = np.random.default_rng(5)
    treated = rng.random(4_000) < 0.05
    hits = np.where(treated, True, rng.random(4_000) < 0.01)
    (found,) = played(sent(treated, hits))
    assert (found.verdict, found.order) == (Verdict.HARM, Order.ROLLBACK)
    assert treated[: found.evidence[0].last_offset + 1].sum() <= 5


def test_records_sorted_by_arm_are_compared_as_a_whole() -> None:
    """A file that is sorted by its arm has one run of each."""
    rng = np.random.default_rng(6)
    treated = np.repeat([False, True], 3_000)
    hits = rng.random(6_000) < np.where(treated, 0.2, 0.1)
    later = NOON + 6_000_000
    at_once = [replace(one, appended=later) for one in sent(treated, hits)]
    assert [found.verdict for found in played(at_once)] == [Verdict.HARM]
    none = rng.random(6_000) < 0.1
    assert played([replace(one, appended=later) for one in sent(treated, none)]) == []


def test_a_treatment_that_takes_all_traffic_at_once_and_fails_is_rolled_back() -> None:
    treated = np.repeat([False, True], [20_000, 400])
    hits = np.where(treated, True, np.random.default_rng(7).random(20_400) < 0.01)
    (found,) = played(sent(treated, hits))
    assert found.order == Order.ROLLBACK
    assert treated[: found.evidence[0].last_offset + 1].sum() <= 70


def differences(seed: int, phi: float) -> tuple[np.ndarray, np.ndarray]:
    """(differences, weights) of 400 blocks of means, which follow each other by phi."""
    rng = np.random.default_rng(seed)
    noise, values = rng.standard_normal(400), np.zeros(400)
    for at in range(400):
        values[at] = phi * values[at - 1] * (at > 0) + noise[at]
    return 3.0 + values, rng.integers(8, 40, 400).astype(float)


@pytest.mark.parametrize(("seed", "phi"), [(1, 0.0), (2, 0.0), (3, 0.8)])
def test_the_error_of_a_mean_is_that_of_its_blocks(seed: int, phi: float) -> None:
    apart, sizes = differences(seed, phi)
    state = tables()
    records = [
        result(2 * at + arm, variant=("control", "b")[arm], metric="latency", count=int(size),
               sum=arm * size * difference, sum_squares=1e6, kind=ResultKind.OBSERVATION)
        for at, (difference, size) in enumerate(zip(apart.tolist(), sizes.tolist(), strict=True))
        for arm in (0, 1)
    ]  # fmt: skip
    fold(piece(SPECS, as_sent([spec(metrics=(LATENCY,), share_steps=())])), state, CODEC)
    assert fold(piece(RESULTS, as_sent(records)), state, CODEC).applied == len(records)
    rows, pairs = state.experiments.arms.records, state.experiments.pairs
    pair = int(np.flatnonzero(rows["block_slot"])[0])
    closed = int(pairs.blocks[rows["block_slot"][pair], CLOSED])
    assert closed >= 399
    weights = sizes[:closed] / 2.0
    mean = np.average(apart[:closed], weights=weights)
    spread = (weights * (apart[:closed] - mean)) ** 2
    error = np.sqrt(spread.sum() * closed / (closed - 1)) / weights.sum()
    found = error_of_means(rows, pairs.blocks, pair)
    assert difference_in_blocks(rows, pairs.blocks, pair)[0] == pytest.approx(mean)
    if phi == 0.0:
        assert found == pytest.approx(error)
    else:
        assert 2.0 * error < found < 5.0 * error, "of 0.8 it is 3 at least"


def test_a_season_under_a_ramp_by_hand_is_no_effect_and_an_effect_is_still_found() -> None:
    """Latency goes up and down by 30 % in a day; the ramp takes 18 hours of it."""
    found = {1.0: 0, 1.15: 0}
    for factor in found:
        for seed in range(10):
            rng = np.random.default_rng(seed)
            share, n = np.repeat([0.05, 0.25, 0.5], 4_000), 12_000
            treated = rng.random(n) < share
            base = 100.0 * (1.0 + 0.3 * np.sin(1.5 * np.pi * np.arange(n) / n))
            values = base * rng.lognormal(0.0, 0.5, n) * np.where(treated, factor, 1.0)
            records = sent(treated, values, "latency")
            decided = played(records, spec(metrics=(LATENCY,), share_steps=()))
            found[factor] += any(one.verdict == Verdict.HARM for one in decided)
    assert found[1.0] <= 1
    assert found[1.15] == 10


def test_sums_of_a_minute_tell_of_an_outage_at_once() -> None:
    """19 000 units of control and 1 000 of the treatment a minute, one record each."""
    records: list[Sent] = []
    for minute in range(30):
        failing = minute >= 10
        for variant, count, bad in (("control", 19_000, 190), ("b", 1_000, 600 if failing else 10)):
            at = len(records)
            one = result(
                at, variant=variant, metric="error", count=count, sum=float(bad),
                occurred_at=NOON + 60_000 * minute,
            )  # fmt: skip
            records.append(Sent(CODEC.encode(one), at, NOON + 60_000 * minute))
    (found,) = played(records)
    assert found.order == Order.ROLLBACK
    assert found.evidence[0].last_offset == 2 * 10 + 1, "the first record of the outage"
