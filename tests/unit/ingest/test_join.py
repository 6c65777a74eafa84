"""The join equals one written offline, whatever the order and the cut."""

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from ingest.join import OUTCOMES_MAX, Crossed, Join
from ingest.mapping import IngestMap, UnitMetric, Without
from ingest.reading import Refused, unit_hash
from schemas.catalog import local_ids
from schemas.codec.framing import Codec
from schemas.records import ExperimentResult
from tests.support.ingest_world import (
    LATENESS,
    MAP,
    NOON,
    WINDOW,
    Event,
    Paid,
    Saw,
    event_of,
    histories,
    offline,
    rows_of,
)

CODEC = Codec(local_ids())
ENDED = NOON + 100 * WINDOW
ANN = unit_hash("ann")


def results(made: Sequence[ExperimentResult | Crossed]) -> list[ExperimentResult]:
    return [one for one in made if isinstance(one, ExperimentResult)]


def joined(events: Sequence[Event], ingest: IngestMap = MAP) -> list[ExperimentResult]:
    """What comes of events that are read in this order before any time passes."""
    join = Join(ingest)
    for event in events:
        assert join.take(event_of(event)) is None
    return results(join.advance(ENDED))


@given(histories().flatmap(lambda one: st.tuples(st.just(one), st.permutations(one))))
def test_any_order_of_reading_gives_the_offline_join(
    both: tuple[Sequence[Event], Sequence[Event]],
) -> None:
    history, shuffled = both
    assert rows_of(joined(shuffled)) == offline(history)


@given(histories(), st.sets(st.integers(0, 60)), st.sets(st.integers(0, 60)))
def test_any_cut_and_any_restart_gives_the_offline_join(
    history: Sequence[Event], cuts: set[int], restarts: set[int]
) -> None:
    join, made = Join(MAP), list[ExperimentResult | Crossed]()
    log: list[tuple[str, bytes | None]] = []
    for number, event in enumerate(history):
        assert join.take(event_of(event)) is None
        if number in cuts:
            made += join.advance(event.written - 1)
        if number in restarts:
            log += join.table.changed(CODEC)
            join = Join(MAP)
            join.table.restore(log, CODEC)
    made += join.advance(ENDED)
    assert rows_of(results(made)) == offline(history)


@given(histories(), st.sets(st.integers(0, 60)))
def test_ids_are_those_of_any_other_cut(history: Sequence[Event], cuts: set[int]) -> None:
    join, made = Join(MAP), list[ExperimentResult | Crossed]()
    for number, event in enumerate(history):
        join.take(event_of(event))
        if number in cuts:
            made += join.advance(event.written - 1)
    made += join.advance(ENDED)
    assert {r.event_id: r for r in results(made)} == {r.event_id: r for r in joined(history)}
    assert len({r.event_id for r in results(made)}) == len(results(made))


@given(histories())
def test_nothing_is_kept_for_ever(history: Sequence[Event]) -> None:
    join = Join(MAP)
    for event in history:
        join.take(event_of(event))
    last = NOON + 5 * WINDOW + LATENESS
    join.advance(last + WINDOW + LATENESS + MAP.remember_ms)
    assert len(join.table) == 0
    assert {value for _, value in join.table.changed(CODEC)} <= {None}


def saw(variant: str = "a", at: int = 0, id: str = "s") -> Saw:
    return Saw(id, "ann", "e1", variant, NOON + at, NOON + at)


def paid(at: int, amount: float = 5.0, id: str = "p", written: int | None = None) -> Paid:
    return Paid(id, "ann", amount, NOON + at, NOON + (at if written is None else written))


def test_a_unit_in_two_variants_is_told_and_left_out() -> None:
    join = Join(MAP)
    for event in (saw("a"), saw("b", 1, "t"), paid(2)):
        join.take(event_of(event))
    assert join.advance(ENDED) == [Crossed(ANN, "e1", ("a", "b"))]
    assert join.fates["units in two variants"] == 1


def test_outcomes_count_from_the_exposure_to_the_windows_end() -> None:
    early, first, last, late = (
        paid(-1, 1.0, "p1"),
        paid(0, 2.0, "p2"),
        paid(WINDOW, 4.0, "p3"),
        paid(WINDOW + 1, 8.0, "p4"),
    )
    _, revenue = joined([early, saw(), first, last, late])
    assert revenue.sum == 6.0


def test_an_outcome_waits_for_an_exposure_that_is_read_after_it() -> None:
    join = Join(MAP)
    join.take(event_of(paid(10)))
    join.advance(NOON + 10 + LATENESS - 1)
    join.take(event_of(replace(saw(at=10), written=NOON + 10 + LATENESS)))
    _, revenue = results(join.advance(ENDED))
    assert revenue.sum == 5.0


def test_a_result_waits_until_nothing_can_count_any_more() -> None:
    join = Join(MAP)
    join.take(event_of(saw()))
    assert join.advance(NOON + WINDOW + LATENESS - 1) == []
    assert len(join.advance(NOON + WINDOW + LATENESS)) == 2


def test_an_old_exposure_waits_from_when_it_was_written() -> None:
    join = Join(MAP)
    join.take(event_of(replace(saw(), written=NOON + 50 * WINDOW)))
    assert join.advance(NOON + 50 * WINDOW) == []


def test_an_outcome_after_its_unit_was_counted_is_told() -> None:
    join = Join(MAP)
    join.take(event_of(saw()))
    join.advance(NOON + WINDOW + LATENESS)
    refused = join.take(event_of(paid(10, written=5 * WINDOW)))
    assert isinstance(refused, Refused)
    assert refused.reason == "TOO_LATE"


def test_another_variant_after_a_unit_was_counted_is_told() -> None:
    join = Join(MAP)
    join.take(event_of(saw()))
    join.advance(NOON + WINDOW + LATENESS)
    refused = join.take(event_of(replace(saw("b", WINDOW, "t"), written=NOON + 5 * WINDOW)))
    assert isinstance(refused, Refused)
    assert refused.reason == "TOO_LATE"


def test_another_variant_after_the_window_is_nothing_to_tell() -> None:
    join = Join(MAP)
    join.take(event_of(saw()))
    join.advance(NOON + WINDOW + LATENESS)
    assert join.take(event_of(saw("b", WINDOW + 1, "t"))) is None


def test_a_unit_that_comes_back_is_counted_once() -> None:
    join = Join(MAP)
    join.take(event_of(saw()))
    assert len(join.advance(NOON + WINDOW + LATENESS)) == 2
    assert join.take(event_of(saw("a", 3 * WINDOW, "t"))) is None
    assert join.advance(NOON + 20 * WINDOW) == []


def test_no_outcome_may_mean_no_result() -> None:
    ingest = replace(MAP, metrics={"took": UnitMetric("took", without=Without.NOTHING)})
    assert joined([saw()], ingest) == []


def test_units_beyond_the_bound_are_refused() -> None:
    join = Join(replace(MAP, units_max=1))
    assert join.take(event_of(saw())) is None
    assert join.take(event_of(paid(1))) is None
    refused = join.take(event_of(Saw("t", "bob", "e1", "a", NOON, NOON)))
    assert isinstance(refused, Refused)
    assert refused.reason == "TOO_MANY_UNITS"


def test_outcomes_of_a_unit_beyond_the_bound_are_refused() -> None:
    join = Join(MAP)
    fates = [join.take(event_of(paid(1, id=f"p{number}"))) for number in range(OUTCOMES_MAX)]
    assert fates[: OUTCOMES_MAX // 2] == [None] * (OUTCOMES_MAX // 2)  # of two metrics each
    assert isinstance(fates[-1], Refused)
    assert fates[-1].reason == "TOO_MANY_OUTCOMES"
