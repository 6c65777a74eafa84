"""What the stranger sends, case by case."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from schemas.catalog import INPUTS, METRICS, POLICIES, RESULTS, SPECS, STATUS, TICKS, TOPICS
from schemas.codec.framing import Record
from schemas.ids import event_uuid, partition_of
from schemas.records import Tick
from tests.hostile.shapes import OUTSIDE, base, broken, largest, strangest, wrong
from tests.support.builders import metric, result, spec
from tests.support.kafka.logs import CODEC
from tests.support.samples import sample

Headers = tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True, slots=True)
class Aim:
    """Where the stranger aims: a key of its own on the partition of the good tenant's subject, and
    what it knows of that.

    ids: the event ids that the good tenant is going to use; good: its subject; now: ms.
    """

    number: int
    key: str
    good: str
    partition: int
    partitions: int
    ids: Sequence[str]
    now: int


@dataclass(frozen=True, slots=True)
class Shot:
    """A record as the stranger sends it; partition None: that of the key. stamp: the message's own
    time, ms; 0: of now.
    """

    topic: str
    value: bytes | None
    key: bytes | None
    partition: int | None = None
    headers: Headers = ()
    stamp: int = 0


@dataclass(frozen=True, slots=True)
class Case:
    """refused: whether each of the records must be a dead letter. compression: of the producer."""

    name: str
    shots: Callable[[Aim], Iterator[Shot]]
    refused: bool = False
    compression: str = "none"
    quick: bool = False


def cases() -> list[Case]:
    found: list[Case] = []
    for topic in OUTSIDE:
        found += [
            Case(f"{topic}: the largest valid record", _largest(topic), quick=topic == RESULTS),
            Case(f"{topic}: the strangest valid names", _strangest(topic), quick=topic == SPECS),
            Case(f"{topic}: each field at each edge", _wrong(topic), quick=topic == RESULTS),
            Case(f"{topic}: keys, headers and partitions that do not fit", _misplaced(topic)),
            Case(
                f"{topic}: the ids of the good tenant's records",
                _ids(topic),
                quick=topic == RESULTS,
            ),
        ]
    found += [
        Case(
            f"{topic}: bytes that are no record",
            _broken(topic),
            refused=True,
            quick=topic in (RESULTS, STATUS),
        )
        for topic in (*INPUTS, POLICIES)
    ]
    found += [
        Case(f"{RESULTS}: {name} that unpacks to a thousand times its size", _bomb, True, name)
        for name in ("gzip", "snappy", "lz4", "zstd")
    ]
    found += [
        Case("clocks of a message at 1970, at the end of time and going back", _clocks),
        Case(f"{RESULTS}: garbage, 20 000 records", _garbage, refused=True, quick=True),
        Case(
            f"{STATUS}: reports of commands that nobody issued, 3 000",
            _statuses,
            refused=True,
            quick=True,
        ),
        Case(f"{RESULTS}: made-up subjects, 3 000", _named("subject", RESULTS)),
        Case(
            f"{RESULTS}: made-up experiments of one subject, 3 000",
            _named("experiment_id", RESULTS),
        ),
        Case(f"{RESULTS}: made-up variants, 3 000", _named("variant", RESULTS)),
        Case(f"{RESULTS}: made-up metrics, 3 000", _named("metric", RESULTS)),
        Case(f"{RESULTS}: made-up segments, 3 000", _named("segment", RESULTS)),
        Case(f"{RESULTS}: made-up units, 20 000", _named("unit_id", RESULTS, 20_000)),
        Case(f"{METRICS}: made-up subjects, 3 000", _named("subject", METRICS)),
        Case(f"{METRICS}: made-up versions, 3 000", _named("model_version", METRICS)),
        Case(f"{METRICS}: made-up metrics, 3 000", _named("metric", METRICS)),
        Case(f"{METRICS}: made-up segments, 3 000", _named("segment", METRICS)),
        Case(f"{SPECS}: as many names as fit", _wide_specs),
        Case(f"{RESULTS}: harms of made-up subjects without a tenant, 100", _harms),
        Case(f"{TICKS}: ticks of a stranger", _ticks),
    ]
    return found


def _shot(topic: str, record: Record, key: str, **more: Any) -> Shot:
    return Shot(topic, CODEC.encode(record), key.encode(), **more)


def _encoded(topic: str, record: Record, key: str) -> Iterator[Shot]:
    """The shot, where a writer can write such a value at all."""
    try:
        yield _shot(topic, record, key)
    except (OverflowError, ValueError, TypeError, LookupError):
        return


def _largest(topic: str) -> Callable[[Aim], Iterator[Shot]]:
    def shots(aim: Aim) -> Iterator[Shot]:
        for number in range(20):
            yield _shot(topic, largest(topic, aim.key, number, aim.now), aim.key)

    return shots


def _strangest(topic: str) -> Callable[[Aim], Iterator[Shot]]:
    def shots(aim: Aim) -> Iterator[Shot]:
        for key, record in strangest(topic, aim.key, aim.number, aim.now):
            yield from _encoded(topic, record, key)

    return shots


def _wrong(topic: str) -> Callable[[Aim], Iterator[Shot]]:
    def shots(aim: Aim) -> Iterator[Shot]:
        for record in wrong(topic, aim.key, aim.number, aim.now):
            yield from _encoded(topic, record, aim.key)

    return shots


def _misplaced(topic: str) -> Callable[[Aim], Iterator[Shot]]:
    def shots(aim: Aim) -> Iterator[Shot]:
        values = (CODEC.encode(base(topic, aim.key, number, aim.now)) for number in range(100))
        elsewhere = (aim.partition + 1) % aim.partitions
        keys = (None, b"", b"\xff\xfe", aim.good.encode(), b"k" * 60_000)
        for key in keys:
            yield Shot(topic, next(values), key, aim.partition)
            yield Shot(topic, next(values), key, elsewhere)
        whence = f"{topic}/{aim.partition}/0".encode()
        many = tuple((f"h{at}", b"x" * 100) for at in range(500))
        for headers in (
            (("forwarded-from", whence),),
            (("mendstream-redriven-from", whence), ("mendstream-redriven", b"not a number")),
            (("mendstream-reason", b"none"), ("__streams.errors.topic", b"none")),
            (("traceparent", b"\x00\xff"), ("traceparent", None)),
            many,
            (("ballast", b"x" * 200_000),),
        ):
            yield Shot(topic, next(values), aim.key.encode(), aim.partition, headers)
            yield Shot(topic, next(values), aim.key.encode(), elsewhere, headers)

    return shots


def _ids(topic: str) -> Callable[[Aim], Iterator[Shot]]:
    def shots(aim: Aim) -> Iterator[Shot]:
        for number, event_id in enumerate(aim.ids):
            record: Any = base(topic, aim.key, number, aim.now)
            yield _shot(topic, replace(record, event_id=event_id), aim.key)

    return shots


def _broken(topic: str) -> Callable[[Aim], Iterator[Shot]]:
    def shots(aim: Aim) -> Iterator[Shot]:
        name = TOPICS[topic].record
        assert name is not None
        valid = CODEC.encode(base(topic, aim.key, 0, aim.now) if topic in OUTSIDE else sample(name))
        other = CODEC.encode(metric() if topic != METRICS else result())
        partition = 0 if topic == POLICIES else aim.partition
        harmless = (
            set() if topic in OUTSIDE else {"large"}
        )  # what we write ourselves has another bound
        harmless |= {"bad text"} if topic == TICKS else set()  # a tick has no text
        for what, value in broken(valid, other).items():
            if what not in harmless:
                yield Shot(topic, value, aim.key.encode(), partition)

    return shots


def _bomb(aim: Aim) -> Iterator[Shot]:
    for _ in range(10):
        yield Shot(RESULTS, bytes(900_000), aim.key.encode())


def _clocks(aim: Aim) -> Iterator[Shot]:
    for at, stamp in enumerate((1, aim.now + 10**12, 2**62, aim.now - 10**11, aim.now)):
        for topic in (RESULTS, METRICS, STATUS):
            yield _shot(topic, base(topic, aim.key, at, aim.now), aim.key, stamp=stamp)


def _garbage(aim: Aim) -> Iterator[Shot]:
    for number in range(20_000):
        yield Shot(RESULTS, b"garbage %d" % number, aim.key.encode())


def _statuses(aim: Aim) -> Iterator[Shot]:
    for number in range(3_000):
        yield _shot(STATUS, base(STATUS, aim.key, number, aim.now), aim.key)


def _named(field: str, topic: str, count: int = 3_000) -> Callable[[Aim], Iterator[Shot]]:
    def shots(aim: Aim) -> Iterator[Shot]:
        for number in range(count):
            key = f"evil/{aim.number}-{number}" if field == "subject" else aim.key
            record: Any = base(topic, key, number, aim.now)
            named = {} if field == "subject" else {field: f"made up {number}"}
            yield _shot(topic, replace(record, **named), key)

    return shots


def _wide_specs(aim: Aim) -> Iterator[Shot]:
    for count in (10, 100, 500, 1_200, 3_000):
        arms = tuple(f"arm{n}" for n in range(count))
        metrics = tuple(replace(spec().metrics[0], name=f"metric{n}") for n in range(count))
        made = spec(
            event_id=event_uuid("wide", aim.number, count),
            subject=aim.key,
            experiment_id=f"wide-{count}",
            treatments=arms,
            share_steps=(),
            metrics=metrics,
        )
        yield _shot(SPECS, made, aim.key)
        for number in range(20):
            one = result(
                number, subject=aim.key, experiment_id=f"wide-{count}", variant=arms[number % count]
            )
            yield _shot(
                RESULTS,
                replace(one, event_id=event_uuid("wide", aim.number, count, number)),
                aim.key,
            )


def _harms(aim: Aim) -> Iterator[Shot]:
    for number in range(100):
        key = f"made-up-{aim.number}-{number}"
        for at in range(120):
            yield _shot(
                RESULTS,
                result(
                    event_id=event_uuid(key, at), subject=key, variant="b" if at % 2 else "control",
                    sum=float(at % 2 == 0), occurred_at=aim.now, unit_id=str(at),
                ),
                key,
            )  # fmt: skip


def _ticks(aim: Aim) -> Iterator[Shot]:
    for at in (0, 1, aim.now + 10**12, 2**62):
        yield Shot(
            TICKS, CODEC.encode(Tick(aim.partition, at)), b"0", aim.partition, stamp=max(at, 1)
        )


def home_of(aim: Aim, shot: Shot) -> int:
    """The partition that a shot goes to."""
    if shot.partition is not None:
        return shot.partition
    return partition_of((shot.key or b"").decode(), aim.partitions)
