"""Records of every input, made from its schema: as large as they may be, as strange as they may be,
and wrong.
"""

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from enum import StrEnum
from math import inf, nan
from typing import Any, cast, get_type_hints

from schemas.catalog import (
    METRICS,
    OUTCOMES,
    RECOMMENDATIONS,
    REQUESTS,
    RESULTS,
    REVIEWS,
    SPECS,
    STATUS,
)
from schemas.codec.framing import MAX_BYTES, Record
from schemas.ids import event_uuid
from schemas.records import (
    CommandStatus,
    Judgement,
    Recommendation,
    RecommendationOutcome,
    Request,
    RequestKind,
    Review,
    ReviewVerdict,
    Status,
)
from schemas.validation.text import MAX_CHARACTERS
from tests.support.builders import metric, result, spec

KEYED = {RECOMMENDATIONS: "agent_id", OUTCOMES: "agent_id"}  # the others by subject
STRANGE = (
    "\u202eevil",
    "zero\u200bwidth",
    "[/b][link=x]",
    "a|b%c",
    "*",
    "..",
    "/",
    "//",
    "",
    "'; DROP TABLE",
    "\ufeffbom",
    "\U0001f701" * 50,
    " lead ",
    "e\u0301",
    "NaN",
    "-1",
    "true",
    "control",
    "${x}",
    "{0}",
    "%s",
    "x" * 200,
    "\u2028",
)
_WIDE = "\U00010348"  # four bytes in UTF-8
_LONGS = (-(2**63), -1, 0, 1, 2**31, 2**63 - 1)
_DOUBLES = (nan, inf, -inf, 1e308, -1e308, 5e-324, -0.0, -1.0)


def base(topic: str, key: str, number: int, now: int) -> Record:
    """A valid record of an input that strangers write, under this subject or agent."""
    event_id = event_uuid("hostile", topic, key, number)
    made: dict[str, Callable[[], Record]] = {
        RESULTS: lambda: result(
            event_id=event_id, subject=key, metric="error", occurred_at=now, unit_id=str(number)
        ),
        METRICS: lambda: metric(event_id=event_id, subject=key, occurred_at=now),
        SPECS: lambda: spec(event_id=event_id, subject=key, experiment_id=f"exp-{number}"),
        STATUS: lambda: CommandStatus(
            event_id=event_id,
            command_id=f"command-{number}",
            subject=key,
            status=Status.COMPLETED,
            fencing_token=1,
            reported_at=now,
            reporter="evil",
        ),
        RECOMMENDATIONS: lambda: Recommendation(
            event_id=event_id,
            agent_id=key,
            run_id=f"run-{number}",
            kind="advice",
            content="c",
            confidence=0.5,
            made_at=now,
        ),
        OUTCOMES: lambda: RecommendationOutcome(
            event_id=event_id,
            agent_id=key,
            run_id=f"run-{number}",
            judgement=Judgement.REJECTED,
            quality=0.0,
            judged_by="evil",
            judged_at=now,
        ),
        REQUESTS: lambda: Request(
            event_id=event_id,
            subject=key,
            kind=RequestKind.ROLLBACK,
            requested_by="evil",
            requested_at=now,
            model_version=f"v{number}",
        ),
        REVIEWS: lambda: Review(
            event_id=event_id,
            subject=key,
            command_id=f"command-{number}",
            verdict=ReviewVerdict.APPROVE,
            digest="0" * 64,
            reviewer="evil",
            reviewed_at=now,
        ),
    }
    return made[topic]()


OUTSIDE = (RESULTS, METRICS, SPECS, STATUS, RECOMMENDATIONS, OUTCOMES, REQUESTS, REVIEWS)


def with_texts(record: Any, text: str, kept: tuple[str, ...] = ()) -> Any:
    """The record with this text in each of its names, those of nested records too."""
    changes: dict[str, Any] = {}
    for each in fields(record):
        value = getattr(record, each.name)
        if each.name in kept or isinstance(value, StrEnum):
            continue
        if isinstance(value, str):
            changes[each.name] = text
        elif is_dataclass(value):
            changes[each.name] = with_texts(value, text)
        elif isinstance(value, tuple) and value and is_dataclass(value[0]):
            changes[each.name] = tuple(with_texts(one, text) for one in value)
    return replace(record, **changes)


def largest(topic: str, key: str, number: int, now: int) -> Record:
    """Each text as long as a name may be, in the widest characters; what is free text fills the
    value to its bound.
    """
    record = cast("Any", base(topic, key, number, now))
    keyed = KEYED.get(topic, "subject")
    optional = {
        "segment": "s",
        "unit_id": "u",
        "experiment_id": "e",
        "variant": "v",
        "to_version": "t",
    }
    have = {each.name for each in fields(record)}
    record = replace(record, **{name: text for name, text in optional.items() if name in have})
    record = with_texts(
        record, _WIDE * MAX_CHARACTERS, (keyed, "event_id", "control", "treatments", "share_steps")
    )
    free = [
        name
        for name in ("detail", "content", "reasoning", "feedback", "comment", "hypothesis")
        if name in have
    ]
    if free:
        record = replace(record, **{free[0]: "x" * (MAX_BYTES - 2_048 * len(have))})
    return cast("Record", record)


def strangest(topic: str, key: str, number: int, now: int) -> Iterator[tuple[str, Record]]:
    """(key, record) with a strange text in each name, the key's end among them."""
    for at, text in enumerate(STRANGE):
        keyed = KEYED.get(topic, "subject")
        named = f"{key}{text}"
        record: Any = base(topic, named, number * 1_000 + at, now)
        yield (
            named,
            with_texts(
                record, text or "e", (keyed, "event_id", "control", "treatments", "share_steps")
            ),
        )


def wrong(topic: str, key: str, number: int, now: int) -> Iterator[Record]:
    """A valid record with one field at a time at each edge of its type, or beyond what it can
    mean.
    """
    record: Any = base(topic, key, number, now)
    hints, keyed = get_type_hints(type(record)), KEYED.get(topic, "subject")
    for at, each in enumerate(fields(record)):
        if each.name == keyed:
            continue
        for step, value in enumerate(_edges(hints[each.name])):
            event_id = event_uuid("wrong", topic, key, number, at, step)
            yield replace(record, **{"event_id": event_id, each.name: value})


def _edges(kind: Any) -> tuple[Any, ...]:
    name = str(kind)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return ("UNKNOWN",)
    if "int" in name and "tuple" not in name:
        return _LONGS
    if "float" in name and "tuple" not in name:
        return _DOUBLES
    if "str" in name and "tuple" not in name:
        return ("", "x" * (MAX_CHARACTERS + 1), "bell\x07", "line\nfeed", "\x9bcontrol")
    return ()


def broken(valid: bytes, other: bytes) -> dict[str, bytes | None]:
    """Values that are no record of their topic; `other`: a record of another topic."""
    return {
        "empty": b"",
        "tombstone": None,
        "garbage": b"garbage",
        "wrong magic": b"\x01" + valid[1:],
        "unknown schema": valid[:1] + b"\x00\x00\x00\x4d" + valid[5:],
        "another's schema": other,
        "truncated": valid[:-3],
        "half": valid[: len(valid) // 2],
        "trailing": valid + b"\x00",
        "header alone": valid[:5],
        "endless length": valid[:5] + b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        "bad text": valid[:6] + b"\xff\xfe" + valid[8:],
        "large": valid + b"x" * MAX_BYTES,
    }
