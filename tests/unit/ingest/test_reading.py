"""What a message says, and why it may say nothing."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from agents.core.batch import DeliveredRecord
from ingest.mapping import Source
from ingest.reading import Exposed, Happened, Passed, Place, Refused, Said, said, unit_hash
from schemas.ids import event_uuid
from schemas.records import ExperimentResult, ModelMetric, UnitExposure
from streams.files.ingest_map import read_map

AT = 1_790_000_000_000
PLACE = Place("web", 2, 7, AT)
OUTCOMES = "{topic: paid, kind: outcomes, fields: {unit_id: u}, values: {n: '`1`'}}"
EXPOSURES = (
    "{topic: web, kind: exposures, constants: {subject: shop}, fields: {unit_id: u.id, "
    "experiment_id: e, variant: v, occurred_at: t, event_id: i, segment: s}}"
)


def sources(tmp_path: Path, *written: str) -> tuple[Source, ...]:
    file = tmp_path / "ingest.yaml"
    file.write_text("name: m\nsources:\n" + "".join(f"  - {each}\n" for each in written))
    return read_map(file).sources


def read(source: Source, value: Any) -> list[Said]:
    raw = value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
    return list(said(source, DeliveredRecord(raw, PLACE.offset, AT), PLACE))


EXPOSURE = {"u": {"id": "ann"}, "e": "e1", "v": "b", "t": "2026-09-21T13:33:20Z", "i": "x"}


def test_an_exposure_is_read_by_its_paths(tmp_path: Path) -> None:
    source, _ = sources(tmp_path, EXPOSURES, OUTCOMES)
    assert read(source, EXPOSURE) == [
        Exposed(
            unit_hash("ann"),
            UnitExposure(
                subject="shop",
                experiment_id="e1",
                variant="b",
                event_id=event_uuid("event", "web", "x", 0),
                occurred_at=1_789_997_600_000,
                arrived_at=AT,
            ),
        )
    ]


def test_what_has_no_id_and_no_time_has_those_of_its_place(tmp_path: Path) -> None:
    _, source = sources(tmp_path, EXPOSURES, OUTCOMES)
    (found,) = read(source, {"u": 17})
    assert isinstance(found, Happened)
    assert (found.unit_id, found.outcomes[0].event_id, found.outcomes[0].occurred_at) == (
        unit_hash("17"),
        event_uuid("place", "web", 2, 7, 0),
        AT,
    )


@pytest.mark.parametrize(
    ("value", "reason", "sentence"),
    [
        (None, "TOMBSTONE", "it has no value"),
        (b"{", "NOT_JSON", "it is no JSON: Expecting property name enclosed in double quotes at "),
        (b"\xff", "NOT_JSON", "it is no JSON: not UTF-8"),
        (b"[" * 100_000, "NOT_JSON", "it is no JSON: nested too deeply"),
        ({"u": {"id": "ann"}}, "LACKING", "it has no experiment_id, variant"),
        (EXPOSURE | {"t": "soon"}, "BAD_FIELD", "occurred_at: 'soon' is no time"),
        (EXPOSURE | {"v": 1.5}, "BAD_FIELD", "variant: 1.5 is no text"),
        (EXPOSURE | {"v": ""}, "BAD_TEXT", "variant has 0 characters"),
        (EXPOSURE | {"e": "x" * 2_000}, "BAD_TEXT", "experiment_id has 2000 characters"),
        (EXPOSURE | {"t": AT + 3_600_000}, "FUTURE", f"occurred_at {AT + 3_600_000} is after"),
        ([1], "LACKING", "it has no unit_id, experiment_id, variant"),
    ],
)
def test_what_cannot_be_taken_says_why(
    tmp_path: Path, value: Any, reason: str, sentence: str
) -> None:
    source, _ = sources(tmp_path, EXPOSURES, OUTCOMES)
    (found,) = read(source, value)
    assert isinstance(found, Refused)
    assert (found.reason, found.sentence[: len(sentence)]) == (reason, sentence)


def test_a_value_that_is_no_number_is_refused(tmp_path: Path) -> None:
    outcomes = "{topic: paid, kind: outcomes, fields: {unit_id: u}, values: {n: n}}"
    _, source = sources(tmp_path, EXPOSURES, outcomes)
    assert [one.reason for one in read(source, {"u": "a", "n": "x"}) if isinstance(one, Refused)]
    assert read(source, b'{"u": "a", "n": NaN}') == [Refused("NOT_FINITE", "n is nan")]
    assert read(source, {"u": "a"}) == [
        Refused("LACKING", "it has a value for none of the metrics")
    ]


def test_a_message_may_hold_many_records(tmp_path: Path) -> None:
    batch = OUTCOMES.replace("kind", "records: 'events[]', where: ok, kind")
    _, source = sources(tmp_path, EXPOSURES, batch)
    events = [{"u": "a", "ok": True}, {"u": "b", "ok": False}, {"ok": 1}]
    first, second, third = read(source, {"events": events})
    assert isinstance(first, Happened)
    assert second == Passed()
    assert third == Refused("LACKING", "it has no unit_id")
    again, _, _ = read(source, {"events": events})
    assert again == first
    assert read(source, {"events": 7}) == [
        Refused("NO_RECORDS", "the path `records` leads to no list")
    ]


def test_results_and_metrics_are_taken_as_they_are(tmp_path: Path) -> None:
    paths: Mapping[str, str] = {"subject": "m", "sum": "x", "metric": "k"}
    named = ", ".join(f"{name}: {path}" for name, path in paths.items())
    results, metrics = sources(
        tmp_path,
        f"{{topic: r, kind: results, fields: {{{named}, experiment_id: e, variant: v, kind: t}}}}",
        f"{{topic: s, kind: metrics, fields: {{{named}, model_version: v}}}}",
    )
    value = {"m": "shop", "x": 3, "k": "paid", "e": "e1", "v": "b", "t": "snapshot"}
    assert read(results, value) == [
        ExperimentResult(
            event_id=PLACE.event_id,
            subject="shop",
            experiment_id="e1",
            variant="b",
            metric="paid",
            kind="SNAPSHOT",  # type: ignore[arg-type]
            sum=3.0,
            occurred_at=AT,
        )
    ]
    assert read(metrics, value) == [
        ModelMetric(
            event_id=PLACE.event_id,
            subject="shop",
            model_version="b",
            metric="paid",
            sum=3.0,
            occurred_at=AT,
        )
    ]
