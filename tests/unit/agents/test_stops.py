"""What the compiled pass over results stops at: each reason reaches its handler, alone and in the
middle of a slice, and the records around it are folded.
"""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import fastavro
import numpy as np
import pytest

from agents.core.effects import Effects
from agents.experiments.step_through import Stop
from agents.experiments.totals.burn_in import LEARNED
from agents.experiments.totals.covariates import FIRST_LINE
from agents.flow import fold_results
from agents.flow.pipeline import fold, rebuild, refresh, remember
from schemas.catalog import RESULTS, SPECS, local_ids, schema_text
from schemas.codec.framing import HEADER_BYTES, Codec, Record, datum, header
from schemas.ids import partition_of
from schemas.records import (
    Decision,
    Direction,
    ExperimentResult,
    MetricKind,
    MetricSpec,
    Policy,
    ResultKind,
    Role,
    Verdict,
)
from schemas.validation.text import MAX_CHARACTERS
from state.partition.partition_state import PartitionState
from tests.support.builders import CODEC, NOON, apply_policy, piece, result, sent, spec
from tests.support.histories.cuts import pieces

PARTITIONS = 12
NAMES = [f"bot{n}" for n in range(100)]
HERE = next(name for name in NAMES if partition_of(name, PARTITIONS) == 0)
OLDER, OLDEST, OTHER = 4_000, 4_001, 4_002  # ids of schemas
AWAY = next(name for name in NAMES if partition_of(name, PARTITIONS) != 0)
UP = Direction.HIGHER_IS_BETTER
METRICS = (
    MetricSpec("conversion", Role.GOAL, UP, MetricKind.RATE),
    MetricSpec("revenue", Role.GUARDRAIL, UP, MetricKind.MEAN),
    MetricSpec("orders", Role.GUARDRAIL, UP, MetricKind.COUNT),
    MetricSpec("profit", Role.GUARDRAIL, UP, MetricKind.MEAN, cap=1e6),
)
ENDS_AT = NOON + 60_000
LATER = NOON + 1_000


def here(n: int, **fields: Any) -> ExperimentResult:
    return result(n, **{"subject": HERE, **fields})


def schema_without(*names: str) -> str:
    schema = json.loads(schema_text("ExperimentResult"))
    schema["fields"] = [field for field in schema["fields"] if field["name"] not in names]
    return json.dumps(schema)


def older_codec() -> Codec:
    """It reads results of schemas without the last fields as well, and of one without a field in
    the middle.
    """
    older = {OLDER: ("covariate",), OLDEST: ("assigned_at", "covariate"), OTHER: ("segment",)}
    return Codec(local_ids(), {number: schema_without(*names) for number, names in older.items()})


def of_older_schema(record: ExperimentResult, schema_id: int = OLDER) -> bytes:
    """What an older producer writes, with one or two fields less at the end."""
    value, fewer = CODEC.encode(record), 1 if schema_id == OLDER else 2
    assert value.endswith(fewer * b"\x00"), "an absent covariate is one byte"
    return header(schema_id) + value[HEADER_BYTES:-fewer]


def of_other_schema(record: ExperimentResult) -> bytes:
    """What a producer writes whose schema lacks a field in the middle; only the codec reads it."""
    body = io.BytesIO(header(OTHER))
    body.seek(HEADER_BYTES)
    fastavro.schemaless_writer(body, json.loads(schema_without("segment")), datum(record))
    return body.getvalue()


def longer_varint(value: bytes) -> bytes:
    """The same record, its first length in one byte more than it needs."""
    head, length, rest = value[:5], value[5], value[6:]
    assert length < 0x80
    return head + bytes((length | 0x80, 0)) + rest


def longer_of(record: ExperimentResult) -> bytes:
    return longer_varint(CODEC.encode(record))


@dataclass(frozen=True)
class Rare:
    """A record that the pass stops at, after others, and what becomes of it; stops: in order."""

    record: Record | bytes | None
    stops: tuple[Stop, ...]
    before: tuple[ExperimentResult, ...] = ()
    fates: Mapping[str, int] = field(default_factory=lambda: {"applied": 1})


BOTH = older_codec()
REFUSED, MANY = {"refused": 1}, 20_000
RARE = {
    "no record": Rare(b"\x00nonsense", (Stop.UNDECODED,), fates=REFUSED),
    "nothing": Rare(None, (Stop.UNDECODED,), fates=REFUSED),
    "one that only the codec reads": Rare(of_other_schema(here(100)), (Stop.UNDECODED,)),
    "one that only the codec reads, of a new arm": Rare(
        of_other_schema(here(100, variant="c")), (Stop.UNDECODED, Stop.UNKNOWN)
    ),
    "one of an older schema, of a new arm": Rare(
        of_older_schema(here(100, variant="c")), (Stop.UNKNOWN,)
    ),
    "one whose length takes a byte more than it needs": Rare(
        longer_varint(CODEC.encode(here(100, variant="c"))), (Stop.UNKNOWN,)
    ),
    "an implausible count": Rare(here(100, count=0), (Stop.IMPLAUSIBLE,), fates=REFUSED),
    "a subject that is a pattern": Rare(
        here(100, subject=f"{HERE}*"), (Stop.IMPLAUSIBLE,), fates=REFUSED
    ),
    "one of another partition": Rare(
        here(100, subject=AWAY), (Stop.ELSEWHERE,), fates={"forwards": 1}
    ),
    "a duplicate": Rare(here(1), (Stop.DUPLICATE,), fates={"duplicates": 1}),
    "a snapshot": Rare(
        here(100, metric="orders", kind=ResultKind.SNAPSHOT, sum_squares=0.0), (Stop.SNAPSHOT,)
    ),
    "a new arm": Rare(here(100, variant="c"), (Stop.UNKNOWN,)),
    "a new segment": Rare(here(100, segment="de"), (Stop.UNKNOWN,)),
    "more hits than units": Rare(here(100, sum=2.0), (Stop.SENSELESS,), fates=REFUSED),
    "a covariate of several units": Rare(
        here(100, count=2, covariate=1.0), (Stop.SENSELESS,), fates=REFUSED
    ),
    "one of after the end": Rare(here(100, occurred_at=ENDS_AT), (Stop.LATE,)),
    "the last of a burn-in": Rare(
        here(100, metric="revenue", count=LEARNED, sum=1.0, sum_squares=LEARNED),
        (Stop.BURN_IN_ENDED,),
        before=(here(90, metric="revenue"), here(91, metric="revenue", variant="b")),
    ),
    "what the first line of a covariate is drawn by": Rare(
        here(100, metric="profit", count=FIRST_LINE, sum=1.0, sum_squares=FIRST_LINE),
        (Stop.FIRST_LINE,),
        before=(here(90, metric="profit"), here(91, metric="profit", variant="b")),
    ),
    "a unit that comes again": Rare(
        here(100, metric="revenue", unit_id="u"),
        (Stop.CAME_AGAIN,),
        before=(here(90, metric="revenue", unit_id="u"),),
    ),
    "a unit that another experiment has too": Rare(
        here(100, unit_id="u"),
        (Stop.OVERLAPS,),
        before=tuple(
            here(90 + n, experiment_id="beside", metric="visits", variant=variant, unit_id=unit)
            for n, (variant, unit) in enumerate((("control", "v"), ("b", "u")))
        ),
    ),
    "the proof": Rare(
        here(100, variant="b", count=MANY, sum=10.0),
        (Stop.PROVED,),
        before=(here(90, count=MANY, sum=MANY / 2),),
    ),
}


def begun(before: Sequence[ExperimentResult] = ()) -> PartitionState:
    """The experiment, both of its arms with a record, and then these."""
    state = PartitionState(0, PARTITIONS)
    plan = spec(subject=HERE, metrics=METRICS, ends_at=ENDS_AT)
    fold(piece(SPECS, sent([plan])), state, BOTH)
    both = [here(1), here(2, variant="b")]
    fold(piece(RESULTS, sent([*both, *before])), state, BOTH)
    return state


@pytest.fixture
def stops(monkeypatch: pytest.MonkeyPatch) -> list[Stop]:
    """The reasons whose handlers were called."""
    called: list[Stop] = []

    def noting(why: Stop, handler: Any) -> Any:
        def noted(*arguments: Any) -> Any:
            called.append(why)
            return handler(*arguments)

        return noted

    handlers = {why: noting(Stop(why), handler) for why, handler in fold_results._HANDLERS.items()}
    monkeypatch.setattr(fold_results, "_HANDLERS", handlers)
    return called


def fates(effects: Effects) -> dict[str, int]:
    """How many records met each fate."""
    found = {
        "applied": effects.applied,
        "duplicates": effects.duplicates,
        "forwards": len(effects.forwards),
        "refused": len(effects.refused),
    }
    return {name: count for name, count in found.items() if count}


def units(state: PartitionState) -> dict[str, int]:
    """Of each arm of the goal as a whole."""
    arms = state.experiments.arms
    whole = [
        row for row, key in enumerate(map(arms.keys.__getitem__, range(len(arms))))
        if key[2] == "conversion" and key[4] is None
    ]  # fmt: skip
    return {str(arms.keys[row][3]): int(arms.count[row]) for row in whole}


@pytest.mark.parametrize("name", RARE)
def test_it_reaches_its_handler_alone(name: str, stops: list[Stop]) -> None:
    rare = RARE[name]
    state = begun(rare.before)
    stops.clear()
    effects = fold(piece(RESULTS, sent([rare.record], 10)), state, BOTH)
    assert tuple(stops) == rare.stops
    assert fates(effects) == rare.fates


@pytest.mark.parametrize("name", RARE)
def test_it_reaches_its_handler_between_others_which_are_folded(
    name: str, stops: list[Stop]
) -> None:
    rare = RARE[name]
    state, alone = begun(rare.before), begun(rare.before)
    fold(piece(RESULTS, sent([rare.record], 11)), alone, BOTH)
    stops.clear()
    around = [here(200), rare.record, here(201, variant="b")]
    effects = fold(piece(RESULTS, sent(around, 10)), state, BOTH)
    assert tuple(stops) == rare.stops
    others = {"applied": rare.fates.get("applied", 0) + 2}
    assert fates(effects) == {**rare.fates, **others}
    expected = {**units(alone)}
    expected["control"] += 1
    expected["b"] += 1
    assert units(state) == expected


def test_every_reason_has_a_handler_and_a_record_that_reaches_it() -> None:
    reached = {stop for rare in RARE.values() for stop in rare.stops}
    reached |= {Stop.FULL}  # of many records together: tests/unit/agents/test_points.py
    assert reached == set(fold_results._HANDLERS) == set(Stop) - {Stop.END}


def test_a_proof_in_the_middle_of_a_slice_is_of_the_records_up_to_it() -> None:
    rare, state = RARE["the proof"], begun(RARE["the proof"].before)
    after = [here(300 + n, variant="b", count=MANY, sum=MANY / 2) for n in range(3)]
    effects = fold(piece(RESULTS, sent([here(200), rare.record, *after], 10)), state, BOTH)
    found = [one.record for one in effects.outputs if isinstance(one.record, Decision)]
    harm = next(one for one in found if one.verdict == Verdict.HARM)
    assert harm.evidence[0].last_offset == 11


@pytest.mark.parametrize("written", [longer_of, of_older_schema, of_other_schema])
def test_what_is_written_otherwise_is_known_after_a_restart(
    written: Callable[[ExperimentResult], bytes],
) -> None:
    state, record = begun(), here(100, unit_id="u")
    odd = written(record)
    slice_ = piece(RESULTS, sent([odd], 10))
    assert fates(fold(slice_, state, BOTH)) == {"applied": 1}
    again = begun()
    for topic, table in state.all().items():
        again.all()[topic].restore(list(table.snapshot(CODEC)), CODEC)
    rebuild(again)
    remember(slice_, again, BOTH)
    for one in (state, again):
        plain = [here(100, unit_id="u"), here(101, unit_id="u")]
        effects = fold(piece(RESULTS, sent(plain, 20)), one, BOTH)
        assert fates(effects) == {"applied": 1, "duplicates": 1}
        arms = one.experiments.arms
        assert arms.repeats[: len(arms)].tolist() == [1, 0]


@pytest.mark.parametrize("letter", ["x", "é", "字", "🙂"])
def test_names_of_any_length_and_script_are_told_apart(letter: str) -> None:
    """At the longest a name has four bytes a character: more than 256."""
    names = {part: part + letter * (MAX_CHARACTERS - len(part)) for part in ("one", "two")}
    state = begun()
    records = [
        here(
            100 + n, variant=names["one"], unit_id=names[unit], segment=names[segment],
            event_id=names[event],
        )
        for n, (unit, segment, event) in enumerate(
            [("one", "one", "one"), ("two", "two", "two"), ("one", "one", "two")]
        )
    ]  # fmt: skip
    effects = fold(piece(RESULTS, sent(records, 10)), state, BOTH)
    assert fates(effects) == {"applied": 2, "duplicates": 1}
    arms = state.experiments.arms
    counts = {arms.keys[row][3:5]: int(arms.count[row]) for row in range(len(arms))}
    assert counts[names["one"], None] == 2
    assert counts[names["one"], names["one"]] == counts[names["one"], names["two"]] == 1


def test_records_of_older_schemas_are_folded_where_they_lie(stops: list[Stop]) -> None:
    """A log of three schemas, record by record, leaves the rows that one of the present schema
    leaves, and none of its records is decoded alone.
    """
    records = [
        here(
            100 + n,
            variant=("control", "b")[n % 2],
            sum=float(n % 7 == 0),
            unit_id=f"u{n}",
            segment=(None, "de")[n % 3 == 0],
        )
        for n in range(300)
    ]
    written = [
        (CODEC.encode(one), of_older_schema(one), of_older_schema(one, OLDEST))[n % 3]
        for n, one in enumerate(records)
    ]
    tables = []
    for values in (written, records):
        state = begun((here(90, segment="de"), here(91, segment="de", variant="b")))
        stops.clear()
        effects = fold(piece(RESULTS, sent(values, 10)), state, BOTH)
        assert (stops, effects.applied) == ([], len(records))
        refresh(state)
        tables.append({name: list(table.snapshot(CODEC)) for name, table in state.all().items()})
    assert tables[0] == tables[1]
    decoded = [BOTH.decode("ExperimentResult", value) for value in written]
    assert decoded == records


def mixed(rng: np.random.Generator, n: int) -> list[Record | bytes | None]:
    """Ordinary results and rare ones, in any order."""
    rare = [one.record for one in RARE.values()]
    found: list[Record | bytes | None] = []
    for at in range(n):
        if rng.random() < 0.3:
            record = rare[int(rng.integers(len(rare)))]
            if isinstance(record, ExperimentResult) and rng.random() < 0.7:
                record = ExperimentResult(
                    **{
                        name: getattr(record, name)
                        for name in record.__dataclass_fields__
                        if name != "event_id"
                    },
                    event_id=f"rare {at}",
                )
            found.append(record)
            continue
        arm = ("control", "b")[int(rng.integers(2))]
        unit = f"u{int(rng.integers(n))}"
        found.append(
            here(
                1_000 + at, variant=arm, sum=float(rng.integers(2)), unit_id=unit,
                segment=(None, "de")[int(rng.integers(2))],
            )
        )  # fmt: skip
    return found


@pytest.mark.parametrize("seed", range(6))
def test_rare_records_are_folded_alike_wherever_their_slices_are_cut(seed: int) -> None:
    rng = np.random.default_rng(seed)
    log = piece(RESULTS, sent(mixed(rng, 150), 10))
    n = len(log.values)
    found = []
    everywhere, somewhere = list(range(n)), rng.integers(0, n, 20).tolist()
    for cuts in (list[int](), everywhere, somewhere):
        state = begun()
        policy = Policy(event_id="p", policy_id="all")
        assert apply_policy(CODEC.encode(policy), state, BOTH) is None
        outputs, refused, forwards = [], [], []
        for part in pieces(log, cuts):
            effects = fold(part, state, BOTH)
            outputs += [(one.topic, CODEC.encode(one.record)) for one in effects.outputs]
            refused += [(part.offsets[one.index], one.sentence) for one in effects.refused]
            forwards += [(part.offsets[one.index], one.partition) for one in effects.forwards]
        refresh(state)
        tables = {name: list(table.snapshot(CODEC)) for name, table in state.all().items()}
        found.append((outputs, refused, forwards, tables))
    assert found[0] == found[1] == found[2]
