"""What cannot be used becomes a dead letter, whole and with its reason; its neighbours are
applied.
"""

import logging
from collections.abc import Iterator
from math import inf, nan
from typing import Any

import pytest
from confluent_kafka import Message

from schemas.catalog import DEAD_LETTERS, METRICS, RESULTS, SPECS, STATUS, TABLES_ARMS, TICKS
from schemas.codec.framing import frame
from schemas.ids import event_uuid, partition_of
from schemas.records import ArmRow, CommandStatus, ExperimentResult, ResultKind, Status, Tick
from streams.history.replay import main as replay
from streams.kafka.backend import backend_of
from streams.runtime.clock import now_ms
from streams.runtime.metrics import REGISTRY
from streams.runtime.settings import Settings
from tests.support.builders import metric, result, spec
from tests.support.kafka.logs import (
    CODEC,
    delivered,
    ends_of,
    fates,
    headers,
    messages,
    reason,
    send,
    table,
)
from tests.support.kafka.running import Threaded, own_topics

pytestmark = pytest.mark.kafka
WHENCE: list[tuple[str, str | bytes | None]] = [
    ("trace", b"\x00\xff"),
    ("trace", b"again"),
    ("nothing", None),
]


@pytest.fixture
def settings(kafka: str) -> Iterator[Settings]:
    with own_topics(kafka) as chosen:
        yield chosen


def good(n: int, subject: str = "mixed") -> ExperimentResult:
    return result(n, subject=subject, event_id=event_uuid(subject, n))


def bad_results() -> dict[str, tuple[str, bytes | None]]:
    """By name: the reason it is refused for, and the value."""
    whole = CODEC.encode(good(-1))
    broken = CODEC.encode(good(-2)).replace(b"mixed", b"mi\xff\xfed")
    fields: dict[str, tuple[str, dict[str, Any]]] = {
        "nan": ("NOT_FINITE", {"sum": nan}),
        "infinite": ("NOT_FINITE", {"sum": -inf}),
        "huge": ("TOO_LARGE_A_VALUE", {"metric": "revenue", "sum": 1e308}),
        "no count": ("BAD_COUNT", {"count": 0}),
        "negative count": ("BAD_COUNT", {"count": -5}),
        "negative squares": ("NEGATIVE_SQUARES", {"sum_squares": -1.0}),
        "future": ("FUTURE", {"occurred_at": now_ms() + 3_600_000}),
        "before 1970": ("NEGATIVE_TIME", {"occurred_at": -1}),
        "large": ("TOO_LARGE", {"segment": "x" * 70_000}),
        "no name": ("EMPTY_FIELD", {"variant": ""}),
        "above one": ("RATE_ABOVE_ONE", {"sum": 2.0}),
        "below zero": ("NOT_A_COUNT", {"sum": -1.0}),
        "snapshot": ("MIXED_KINDS", {"kind": ResultKind.SNAPSHOT}),
        "unknown kind": ("UNKNOWN_KIND", {"kind": ResultKind.UNKNOWN}),
    }
    senseless = {
        name: (
            expected,
            CODEC.encode(result(subject="mixed", event_id=event_uuid(name), **changed)),
        )
        for name, (expected, changed) in fields.items()
    }
    return senseless | {
        "wrong magic": ("NOT_FRAMED", b"\x01" + whole[1:]),
        "empty": ("NOT_FRAMED", b""),
        "truncated": ("TRUNCATED", whole[:-3]),
        "trailing": ("TRAILING_BYTES", whole + b"\x00"),
        "unknown schema": ("UNKNOWN_SCHEMA", frame(77, whole[5:])),
        "another's schema": ("UNKNOWN_SCHEMA", CODEC.encode(Tick(0, 0))),
        "bad text": ("BAD_UTF8", broken),
        "tombstone": ("TOMBSTONE", None),
    }


def letters(settings: Settings, topic: str) -> list[Message]:
    """The dead letters that came from a topic."""
    whence = "__streams.errors.topic", topic.encode()
    return [each for each in messages(settings, DEAD_LETTERS) if whence in headers(each)]


def counted(settings: Settings, subject: str) -> int:
    rows = [row for row in table(settings, TABLES_ARMS).values() if isinstance(row, ArmRow)]
    return sum(row.count for row in rows if row.subject == subject)


def test_each_bad_result_is_one_dead_letter_and_its_neighbours_are_applied(
    settings: Settings,
) -> None:
    bad = bad_results()
    home = partition_of("mixed", settings.partitions)
    producer = backend_of(settings).producer(settings.client(**{"linger.ms": 50}))
    for n, (name, (_, value)) in enumerate(bad.items()):
        producer.produce(RESULTS, CODEC.encode(good(n)), "mixed", home)
        producer.produce(RESULTS, value, None if name == "empty" else name, home, headers=WHENCE)
    producer.produce(RESULTS, CODEC.encode(good(len(bad))), "mixed", home)
    assert producer.flush(10.0) == 0
    with Threaded(settings) as worker:
        worker.takes_in(ends_of(settings, RESULTS))
    assert counted(settings, "mixed") == len(bad) + 1
    found = {(each.key() or b"empty").decode(): each for each in letters(settings, RESULTS)}
    assert len(letters(settings, RESULTS)) == len(found) == len(bad)
    sent = {(each.key() or b"empty").decode(): each for each in messages(settings, RESULTS)}
    for name, (expected, value) in bad.items():
        letter = found[name]
        assert letter.value() == value
        assert letter.key() == sent[name].key()
        assert letter.partition() == home
        assert headers(letter)[:3] == WHENCE
        why = dict(headers(letter)[3:])
        message = why.pop("__streams.errors.message")
        assert message, name
        assert why == {
            "__streams.errors.exception": f"mendstream.{expected}".encode(),
            "__streams.errors.stacktrace": b"",
            "__streams.errors.topic": RESULTS.encode(),
            "__streams.errors.partition": str(home).encode(),
            "__streams.errors.offset": str(sent[name].offset()).encode(),
            "mendstream-reason": expected.encode(),
        }, name
    assert fates(settings).dead_letters == len(bad)
    assert_sound(settings)


def test_a_bad_record_of_any_other_input_is_one_dead_letter(settings: Settings) -> None:
    report = CommandStatus(
        event_id="1",
        command_id="never",
        subject="odd",
        status=Status.COMPLETED,
        fencing_token=1,
        reported_at=now_ms(),
        reporter="nobody",
    )
    bad = {
        METRICS: [
            (b"\x00\x00", "NOT_FRAMED"),
            (CODEC.encode(metric(subject="odd", sum=3.0)), "NOT_A_RATE"),
        ],
        SPECS: [
            (b"spec", "NOT_FRAMED"),
            (CODEC.encode(spec(subject="odd", treatments=(), share_steps=())), "NO_TREATMENTS"),
            (CODEC.encode(spec(subject="odd", alpha=nan)), "OUT_OF_RANGE"),
        ],
        STATUS: [
            (CODEC.encode(spec(subject="odd")), "UNKNOWN_SCHEMA"),
            (CODEC.encode(report), "UNKNOWN_COMMAND"),
        ],
        TICKS: [(b"tick", "NOT_FRAMED")],
    }
    for topic, records in bad.items():
        send(settings, topic, [value for value, _ in records], ["odd"] * len(records))
    ends = {
        place: end
        for topic in bad
        if topic != TICKS
        for place, end in ends_of(settings, topic).items()
    }
    with Threaded(settings) as worker:
        worker.takes_in(ends)
        worker.until(lambda: len(letters(settings, TICKS)) == 1)
    for topic, records in bad.items():
        found = [(each.value(), reason(each)) for each in letters(settings, topic)]
        assert found == records
    assert_sound(settings)


def test_what_a_broker_took_compressed_is_a_dead_letter_whatever_its_size(
    settings: Settings,
) -> None:
    sizes = {"big": 10_000_000, "vast": 40_000_000}
    producer = backend_of(settings).producer(
        settings.client(**{"message.max.bytes": 100_000_000, "compression.type": "lz4"})
    )
    for name, size in sizes.items():
        producer.produce(RESULTS, bytes(size), name, partition_of(name, settings.partitions))
    assert producer.flush(10.0) == 0
    with Threaded(settings) as worker:
        worker.takes_in(ends_of(settings, RESULTS))
    sent = {each.key(): each for each in messages(settings, RESULTS)}
    found = {each.key(): each for each in of_reason(settings, "TOO_LARGE")}
    big, vast = found[b"big"], found[None]
    assert big.value() == bytes(10_000_000)
    assert vast.value() is None, "more than a dead letter can hold stays where it lies"
    why = dict(headers(vast))
    assert why["mendstream-left-out-bytes"] == b"40000004"
    assert why["__streams.errors.offset"] == str(sent[b"vast"].offset()).encode()
    assert_sound(settings)


def of_reason(settings: Settings, wanted: str) -> list[Message]:
    return [each for each in messages(settings, DEAD_LETTERS) if reason(each) == wanted]


def test_a_source_of_which_half_is_garbage_is_told_of_and_stops_nobody(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    well = next(
        name for name in map(str, range(99)) if places(settings, name) == places(settings, "ill")
    )
    bad = [CODEC.encode(good(n, "ill")) if n % 2 else b"garbage" for n in range(1_200)]
    with Threaded(settings) as worker, caplog.at_level(logging.ERROR, "mendstream.breaker"):
        send(settings, RESULTS, bad, ["ill"] * len(bad))
        send(settings, RESULTS, [good(n, well) for n in range(500)])
        worker.until(lambda: counted(settings, well) == 500)
        worker.until(lambda: counted(settings, "ill") == 600)
        assert sources(settings, "ill") == 1.0
        (line,) = [
            record.getMessage() for record in caplog.records if record.name == "mendstream.breaker"
        ]
        assert line.startswith(f"{RESULTS}/{places(settings, 'ill')}: ")
        assert "records of 'ill' were invalid. The others go on." in line
        send(settings, RESULTS, [good(n, "ill") for n in range(2_000, 4_500)])
        worker.until(lambda: sources(settings, "ill") == 0.0)
        worker.until(lambda: counted(settings, "ill") == 600 + 2_500)
    assert_sound(settings)


def places(settings: Settings, subject: str) -> int:
    return partition_of(subject, settings.partitions)


def sources(settings: Settings, subject: str) -> float | None:
    labels = {"topic": RESULTS, "partition": str(places(settings, subject))}
    return REGISTRY.get_sample_value("mendstream_garbage_sources", labels)


def status(n: int, command_id: str) -> CommandStatus:
    return CommandStatus(
        event_id=event_uuid("status", n),
        command_id=command_id,
        subject="evil/bot",
        status=Status.COMPLETED,
        fencing_token=1,
        reported_at=now_ms(),
        reporter="nobody",
    )


def test_statuses_of_commands_that_nobody_issued_hold_up_no_report(settings: Settings) -> None:
    unknown = [status(n, f"made up {n}") for n in range(1_187)]
    with Threaded(settings) as worker:
        send(settings, STATUS, unknown)
        send(settings, SPECS, [b"garbage"] * 1_500, ["evil/bot"] * 1_500)
        send(settings, SPECS, [spec(subject="evil/bot", event_id=event_uuid("behind it"))])
        send(settings, STATUS, [status(9_999, "the last")])
        worker.takes_in(ends_of(settings, STATUS))
        worker.takes_in(ends_of(settings, SPECS))
    assert len(letters(settings, SPECS)) == 1_500
    assert sum(reason(each) == "UNKNOWN_COMMAND" for each in letters(settings, STATUS)) == 1_188
    assert_sound(settings)


def assert_sound(settings: Settings) -> None:
    """Every record had one fate, and the replay gives the same bytes."""
    assert fates(settings).all() == delivered(settings)
    assert fates(settings).dead_letters == len(messages(settings, DEAD_LETTERS))
    assert replay(settings) == 0
