"""The ids of rows cover what they say and where they stand."""

import io
from collections.abc import Sequence
from itertools import chain
from typing import Any

import hypothesis.strategies as st
from hypothesis import given

from schemas.records import ExperimentResult
from streams.files.row_ids import RowIds, digest_of_file
from streams.files.tabular import Form
from tests.support.builders import NOON, result

TOLD = ("subject:=shop", "experiment_id:=e", "variant=arm", "occurred_at=ts")
UNTOLD = ("subject:=shop", "experiment_id:=e", "variant=arm", "occurred_at:=2026-01-01")
Rows = Sequence[dict[str, Any]]


def wide(n: int, day: int = 0) -> Rows:
    """n rows with three metrics; those of another day say something else, the moment aside."""
    return [
        {
            "ts": NOON + n,
            "arm": "ab"[n % 2],
            "clicked": (n + day) % 2,
            "revenue": n + day,
            "ms": 3 * n + day,
        }
        for n in range(n)
    ]


def ids(
    rows: Rows,
    metric: str = "clicked",
    maps: Sequence[str] = TOLD,
    file: str = "day.csv",
    **more: Any,
) -> list[str]:
    form = Form(
        ExperimentResult,
        [*maps, f"metric:={metric}", f"sum={metric}"],
        list(rows[0]),
        file,
        "auto",
        **more,
    )
    if form.whole:
        form.known_as(digest_of_file(io.BytesIO(repr(rows).encode())))
    return [form.record(row, number).event_id for number, row in enumerate(rows, 1)]


def test_one_file_for_three_metrics_gives_three_records_a_row() -> None:
    for maps in (TOLD, UNTOLD):
        every = [ids(wide(50), metric, maps) for metric in ("clicked", "revenue", "ms")]
        assert len(set(chain.from_iterable(every))) == 150


def test_a_second_day_under_the_same_name_is_new() -> None:
    moved = [row | {"ts": row["ts"] + 86_400_000} for row in wide(50)]
    assert not set(ids(wide(50))) & set(ids(moved))
    # Without a moment or unit every row of the other file is new, those that read the same too.
    assert not set(ids(wide(50), maps=UNTOLD)) & set(ids(wide(50, day=2), maps=UNTOLD))


def test_the_same_file_again_gives_the_same_ids() -> None:
    for maps in (TOLD, UNTOLD):
        assert ids(wide(50), maps=maps) == ids(wide(50), maps=maps)


def test_a_packed_file_is_the_file() -> None:
    assert ids(wide(5), file="day.csv.gz") == ids(wide(5))
    assert ids(wide(5), file="other.csv") != ids(wide(5))


def test_a_file_that_grew_brings_only_its_new_rows() -> None:
    grown = ids(wide(80))
    assert grown[:50] == ids(wide(50))
    assert len(set(grown)) == 80


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 2), st.integers(0, 3)), min_size=1),
    st.randoms(),
)
def test_rows_in_any_order_have_the_same_ids_and_each_its_own(
    drawn: list[tuple[str, int, int]], random: Any
) -> None:
    rows = [{"arm": arm, "clicked": clicked, "ts": NOON + ms} for arm, clicked, ms in drawn]
    found = ids(rows)
    assert len(set(found)) == len(rows)
    random.shuffle(rows)
    assert sorted(ids(rows)) == sorted(found)


def test_rows_past_the_bound_are_told_by_their_number() -> None:
    made, same = RowIds(ExperimentResult, "day.csv", counted_most=2), result()
    found = [made.of(result(sum=float(n // 2)), n) for n in range(1, 11)]
    assert len(set(found)) == 10
    assert made.of(same, 11) not in found


def test_ids_of_their_own_are_taken_as_they_are_unless_new_ones_are_asked_for() -> None:
    rows = [row | {"event_id": f"row {n}"} for n, row in enumerate(wide(4))]
    assert ids(rows, "clicked") == ids(rows, "revenue") == ["row 0", "row 1", "row 2", "row 3"]
    assert len({*ids(rows, "clicked", new_ids=True), *ids(rows, "revenue", new_ids=True)}) == 8
