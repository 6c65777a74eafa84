"""What cannot be used becomes a dead letter, whole and with its reason; its neighbours are applied."""

import logging
from collections.abc import Iterator
from math import inf, nan

import pytest
from confluent_kafka import Message, Producer

from schemas.catalog import DEAD_LETTERS, METRICS, RESULTS, SPECS, STATUS, TABLES_ARMS, TICKS
from schemas.ids import event_uuid, partition_of
from schemas.records import ArmRow, CommandStatus, ExperimentResult, ResultKind, Status, Tick
from schemas.wire import frame
from streams.clock import now_ms
from streams.config import Settings
from streams.replay import main as replay
from streams.telemetry import REGISTRY
from tests.builders import metric, result, spec
from tests.kafka.logs import CODEC, delivered, ends_of, fates, messages, send, table
from tests.kafka.running import Threaded, own_kafka

pytestmark = pytest.mark.kafka
Headers = list[tuple[str, bytes | None]]
WHENCE: Headers = [("trace", b"\x00\xff"), ("trace", b"again"), ("nothing", None)]


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    with own_kafka() as (_, chosen):
        yield chosen


def good(n: int, subject: str = "mixed") -> ExperimentResult:
    return result(n, subject=subject, event_id=event_uuid(subject, n))


def bad_results() -> dict[str, tuple[str, bytes | None]]:
    """By name: the reason it is refused for, and the value."""
    whole = CODEC.encode(good(-1))
    broken = CODEC.encode(good(-2)).replace(b"mixed", b"mi\xff\xfed")
    fields = {
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
        "snapshot": ("SNAPSHOT_NOT_JUDGED", {"kind": ResultKind.SNAPSHOT}),
        "unknown kind": ("UNKNOWN_KIND", {"kind": ResultKind.UNKNOWN}),
    }
    senseless = {
        name: (reason, CODEC.encode(result(subject="mixed", event_id=event_uuid(name), **changed)))
        for name, (reason, changed) in fields.items()
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
    return [each for each in messages(settings, DEAD_LETTERS) if whence in (each.headers() or [])]


def counted(settings: Settings, subject: str) -> int:
    rows = [row for row in table(settings, TABLES_ARMS).values() if isinstance(row, ArmRow)]
    return sum(row.count for row in rows if row.subject == subject)


def test_each_bad_result_is_one_dead_letter_and_its_neighbours_are_applied(settings: Settings) -> None:
    bad = bad_results()
    home = partition_of("mixed", settings.partitions)
    producer = Producer(settings.client(**{"linger.ms": 50}))
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
    for name, (reason, value) in bad.items():
        letter = found[name]
        assert letter.value() == value
        assert letter.key() == sent[name].key()
        assert letter.partition() == home
        headers = letter.headers() or []
        assert headers[:3] == WHENCE
        why = dict(headers[3:])
        message = why.pop("__streams.errors.message")
        assert message, name
        assert why == {
            "__streams.errors.exception": f"mendstream.{reason}".encode(),
            "__streams.errors.stacktrace": b"",
            "__streams.errors.topic": RESULTS.encode(),
            "__streams.errors.partition": str(home).encode(),
            "__streams.errors.offset": str(sent[name].offset()).encode(),
            "mendstream-reason": reason.encode(),
        }, name
    assert fates(settings).dead_letters == len(bad)


@pytest.mark.parametrize(
    ("topic", "subject", "value", "reason"),
    [
        (METRICS, "odd", b"\x00\x00", "NOT_FRAMED"),
        (METRICS, "odd", CODEC.encode(metric(subject="odd", sum=3.0)), "NOT_A_RATE"),
        (SPECS, "odd", b"spec", "NOT_FRAMED"),
        (SPECS, "odd", CODEC.encode(spec(subject="odd", treatments=())), "NO_TREATMENTS"),
        (SPECS, "odd", CODEC.encode(spec(subject="odd", alpha=nan)), "OUT_OF_RANGE"),
        (STATUS, "odd", CODEC.encode(spec(subject="odd")), "UNKNOWN_SCHEMA"),
        (
            STATUS,
            "odd",
            CODEC.encode(
                CommandStatus(
                    event_id="1",
                    command_id="never",
                    subject="odd",
                    status=Status.COMPLETED,
                    fencing_token=1,
                    reported_at=1,
                    reporter="nobody",
                )
            ),
            "UNKNOWN_COMMAND",
        ),
        (TICKS, "odd", b"tick", "NOT_FRAMED"),
    ],
)
def test_a_bad_record_of_another_input_is_one_dead_letter(
    settings: Settings, waiting: dict[tuple[str, bytes], str], topic: str, subject: str, value: bytes, reason: str
) -> None:
    assert waiting[topic, value] == reason
