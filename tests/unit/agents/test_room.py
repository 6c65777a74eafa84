"""Rows have room for so many names and no more; what does not fit is refused with its reason, and
the rest goes on.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from agents.experiments.plan.name_limits import Room
from agents.flow.pipeline import fold
from schemas.catalog import RESULTS, SPECS
from schemas.codec.framing import MAX_BYTES
from schemas.records import Direction, ExperimentResult, MetricKind, MetricSpec, ResultKind, Role
from schemas.row_limits import METRICS_MAX, SEGMENTS_MAX, SNAPSHOT_BYTES_MAX, VARIANTS_MAX
from schemas.validation.spec_checks import check_spec
from state.storage.table import row_key
from streams.runtime.message_sizes import RECORD_BYTES
from tests.support.builders import CODEC, NOON, many, piece, result, sent, spec, tables
from tests.support.loop import Loop, rows

LONGEST = (
    "\N{GRINNING FACE}" * 480
)  # of 512 characters that a name may have, with room for a number behind it


def goals(n: int, name: str = "m{}") -> tuple[MetricSpec, ...]:
    return tuple(
        MetricSpec(name.format(i), Role.GOAL, Direction.HIGHER_IS_BETTER, MetricKind.RATE)
        for i in range(n)
    )


def largest(loop: Loop) -> int:
    """Bytes of the largest row."""
    return max(len(value) for table in rows(loop.tables).values() for value in table.values())


def test_a_valid_spec_of_30_kb_makes_no_row_that_kafka_refuses() -> None:
    crossed = spec(
        treatments=tuple(f"v{i}" for i in range(1_200)), metrics=goals(1_200), share_steps=()
    )
    assert 30_000 < len(CODEC.encode(crossed)) < MAX_BYTES
    loop = Loop()
    loop.send(SPECS, [crossed])
    assert [each.split(":")[0] for each in loop.refused] == ["TOO_MANY_NAMES"]
    assert largest_or_none(loop) == 0


def largest_or_none(loop: Loop) -> int:
    return max(
        (len(value) for table in rows(loop.tables).values() for value in table.values()), default=0
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"treatments": tuple(f"v{i}" for i in range(VARIANTS_MAX))},
        {"metrics": goals(METRICS_MAX + 1)},
        {"metrics": goals(30), "treatments": tuple(f"v{i}" for i in range(90))},
        {
            "metrics": goals(8, LONGEST + "{}"),
            "treatments": tuple(f"{LONGEST}{i}" for i in range(8)),
        },
    ],
    ids=["arms", "metrics", "pairs", "bytes"],
)
def test_a_spec_with_too_many_names_is_refused(fields: dict[str, object]) -> None:
    reasons = {reason for reason, _ in check_spec(spec(share_steps=(), **fields))}
    assert reasons == {"TOO_MANY_NAMES"}


def test_the_largest_spec_that_is_taken_makes_a_row_that_fits() -> None:
    loop = Loop()
    wide = spec(
        treatments=tuple(f"v{i}" for i in range(19)), metrics=goals(METRICS_MAX), share_steps=()
    )
    long = spec(
        experiment_id="long", event_id="long", treatments=tuple(f"{LONGEST}{i}" for i in range(3)),
        metrics=goals(5, LONGEST + "{}"), share_steps=(),
    )  # fmt: skip
    loop.send(SPECS, [wide, long])
    assert loop.refused == []
    assert largest(loop) < RECORD_BYTES


def test_an_id_sent_as_a_variant_is_refused_beyond_the_bound_and_the_others_go_on() -> None:
    loop = Loop()
    loop.send(RESULTS, [result(n, variant=f"user {n}") for n in range(500)])
    assert len(loop.refused) == 500 - VARIANTS_MAX
    assert {each.split(":")[0] for each in loop.refused} == {"TOO_MANY_VARIANTS"}
    size = largest(loop)
    loop.send(RESULTS, [result(1_000 + n, variant=f"user {n}") for n in range(500)])
    assert largest(loop) == size
    assert len(loop.refused) == 2 * (500 - VARIANTS_MAX)


def test_metrics_and_segments_are_bounded_too() -> None:
    loop = Loop()
    loop.send(RESULTS, [result(n, metric=f"m{n}") for n in range(METRICS_MAX + 5)])
    assert [each.split(":")[0] for each in loop.refused] == ["TOO_MANY_METRICS"] * 5
    state = tables()
    records = many(result(), SEGMENTS_MAX + 7, segment=[f"s{n}" for n in range(SEGMENTS_MAX + 7)])
    effects = fold(piece(RESULTS, records), state, CODEC)
    assert [one.reason for one in effects.refused] == ["TOO_MANY_SEGMENTS"] * 7
    assert effects.applied == SEGMENTS_MAX
    at = SEGMENTS_MAX + 7
    later = sent([result(at, segment="s0"), result(at + 1, segment=f"s{SEGMENTS_MAX}")], at)
    effects = fold(piece(RESULTS, later), state, CODEC)
    assert [(one.index, one.reason) for one in effects.refused] == [(1, "TOO_MANY_SEGMENTS")]


def hostile(n: int, seed: int) -> list[ExperimentResult]:
    """Results of few experiments under many names, some of them longer than anybody's."""
    rng = np.random.default_rng(seed)
    return [
        result(
            i,
            variant=str(rng.choice(["control", "b", f"id {i}", f"{LONGEST}{i}"])),
            metric=str(rng.choice(["error", f"m{i}", f"{LONGEST}{i}"], p=[0.6, 0.3, 0.1])),
            segment=str(rng.choice(["de", f"s{i}"])) if rng.random() < 0.5 else None,
            unit_id=f"u{i % 97}",
        )
        for i in range(n)
    ]


@pytest.mark.parametrize("seed", range(2))
def test_any_cut_refuses_the_same_records_and_leaves_the_same_rows(seed: int) -> None:
    records = sent(hostile(900, seed))
    whole = Loop()
    expected = fold(piece(RESULTS, records), whole.tables, CODEC)
    cut = Loop()
    refused = []
    for start in range(0, len(records), 83):
        effects = fold(piece(RESULTS, records[start : start + 83]), cut.tables, CODEC)
        refused += [(start + one.index, one.reason, one.sentence) for one in effects.refused]
    assert refused == [(one.index, one.reason, one.sentence) for one in expected.refused]
    assert refused
    assert rows(cut.tables) == rows(whole.tables)
    assert largest(whole) < RECORD_BYTES


def test_snapshots_of_many_arms_and_segments_make_a_row_that_fits() -> None:
    loop = Loop()
    one = result(kind=ResultKind.SNAPSHOT, count=10)
    long = [
        replace(
            one,
            event_id=f"{moment} {n}",
            variant="control",
            segment=f"{LONGEST}{n}",
            occurred_at=NOON + moment,
        )
        for moment in range(3)
        for n in range(300)
    ]
    loop.send(RESULTS, long)
    assert "TOO_MANY_PARTS" in {each.split(":")[0] for each in loop.refused}
    assert SNAPSHOT_BYTES_MAX // 2 < largest(loop) < RECORD_BYTES
    assert json.dumps(loop.refused[0])


class Unwalked(dict[Any, Any]):
    """Entries that are looked up and never walked through."""

    def __iter__(self) -> Iterator[Any]:
        raise AssertionError("all names of an experiment were looked at")


def test_a_strange_name_costs_no_look_at_all_segments_that_are_known() -> None:
    loop = Loop()
    sent_ones = [result(n, segment=f"s{n}") for n in range(50)]
    loop.send(RESULTS, sent_ones)
    number = loop.tables.experiments.index.number(row_key("bot", "exp"))
    assert number is not None
    arms = loop.tables.experiments.index[number]
    arms.parts = Unwalked(arms.parts)
    room = Room(loop.tables.experiments, "bot", "exp")
    assert room.admit("conversion", "control", "another") is None
    assert arms.segments == 50
