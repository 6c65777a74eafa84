"""Faults 13 and 15: one record in a hundred of every kind of corruption, and numbers that no one
can have measured.

Each bad record is one dead letter with its bytes, key and headers; the good ones fold as if the bad
were not there: as if in the place of each stood a copy of the first record of its partition, which
is a duplicate and changes nothing.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
from confluent_kafka import Message

from schemas.catalog import DEAD_LETTERS, RESULTS
from schemas.ids import partition_of
from schemas.records import ExperimentResult
from streams.kafka.backend import backend_of
from streams.kafka.dead_letters import ERRORS, REASON
from streams.runtime.clock import wait_until
from streams.runtime.settings import Settings
from tests.support.builders import Sent
from tests.support.faults.case import Case, Harm, Outcome, Setting
from tests.support.faults.corruption import KINDS, refusal
from tests.support.faults.judge import judged, replayed
from tests.support.faults.load import SECONDS, Recovery, announce, results, taken_in
from tests.support.kafka.logs import CODEC, ends_of, headers, messages
from tests.support.kafka.running import STEADY, Child, own_kafka

WITHIN = 5.0
KIND = "kind"  # the header that says which
_BY_NAME = {kind.name: kind for kind in KINDS}
_SEED = 13


def flood(setting: Setting) -> Outcome:
    count = 500_000 if setting.full else 20_000
    with own_kafka(STEADY, dedupe_window=1_000_000) as (_, settings):
        announce(settings, 1_700 if setting.full else 160)
        with Child(settings, setting.directory / "log") as child:
            bad = _send(settings, count)
            ends = ends_of(settings, RESULTS)
            assert wait_until(lambda: child.ended or taken_in(settings, ends), SECONDS), (
                child.log.read_text()
            )
            with Recovery(settings) as recovery:
                _produce(
                    settings,
                    [(each, CODEC.encode(each), "after", ()) for each in islice(results(17), 8)],
                )
                recovery.ended()
                assert wait_until(recovery.seen, SECONDS), child.log.read_text()
            ends = ends_of(settings, RESULTS)
            assert wait_until(lambda: child.ended or taken_in(settings, ends), SECONDS), (
                child.log.read_text()
            )
        harm = judged(settings, ends, _without_the_bad).plus(replayed(settings, setting.directory))
        return Outcome(bad, harm.plus(_letters(settings)), recovery.seconds or 0.0)


def _send(settings: Settings, count: int) -> int:
    """Writes results of which a share of each kind is bad; returns how many."""
    rng = np.random.default_rng(_SEED)
    shares = [kind.share for kind in KINDS]
    chosen = rng.choice(len(KINDS) + 1, size=count, p=[*shares, 1.0 - sum(shares)])
    chosen[:100] = len(KINDS)  # each partition begins with a good record
    chosen[100 : 100 + len(KINDS)] = range(len(KINDS))  # each kind comes, however few there are
    others = [CODEC.encode(each) for each in islice(results(99), 8)]

    def made() -> Iterator[
        tuple[ExperimentResult, bytes | None, str | None, Sequence[tuple[str, bytes | None]]]
    ]:
        for record, at in zip(results(), chosen.tolist(), strict=False):
            if at == len(KINDS):
                yield record, CODEC.encode(record), record.subject, ()
                continue
            kind = KINDS[at]
            whence = ((KIND, kind.name.encode()), ("trace", b"\x00\xff"), ("nothing", None))
            yield record, kind.make(record, rng, others), kind.name if kind.keyed else None, whence

    _produce(settings, made())
    return sum(
        int((chosen == at).sum()) for at, kind in enumerate(KINDS) if kind.reason is not None
    )


def _produce(settings: Settings, made: Any) -> None:
    producer = backend_of(settings).producer(
        settings.client(
            **{"message.max.bytes": 100_000_000, "compression.type": "lz4", "linger.ms": 20}
        )
    )
    for record, value, key, whence in made:
        home = partition_of(record.subject, settings.partitions)
        while True:
            try:
                producer.produce(RESULTS, value, key, home, headers=list(whence))
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    assert producer.flush(SECONDS) == 0


def _without_the_bad(records: list[Message]) -> Sequence[Any]:
    """A partition's log with a duplicate where something bad stood, and 0.0 for -0.0."""
    mended = []
    for each in records:
        kind = _kind(each)
        value = each.value()
        if kind is not None and kind.reason is not None:
            value = records[0].value()
        elif kind is not None and kind.name == "-0.0":
            value = _zero(value)
        mended.append(Sent(value, each.offset() or 0, each.timestamp()[1]))
    return mended


def _zero(value: bytes | None) -> bytes:
    record = CODEC.decode("ExperimentResult", value)
    assert isinstance(record, ExperimentResult)
    return CODEC.encode(replace(record, sum=0.0))


def _kind(message: Message) -> Any:
    name = dict(headers(message)).get(KIND)
    return None if name is None else _BY_NAME[name.decode()]


def _letters(settings: Settings) -> Harm:
    """Bad records without a letter, with several, or with one that is not what was sent; each is
    printed.
    """
    found: dict[tuple[str, str], list[Message]] = defaultdict(list)
    for letter in messages(settings, DEAD_LETTERS):
        why = dict(headers(letter)[-7:])
        found[
            (why[ERRORS + "partition"] or b"").decode(), (why[ERRORS + "offset"] or b"").decode()
        ].append(letter)
    lost = duplicated = wrong = 0
    for sent in messages(settings, RESULTS):
        kind = _kind(sent)
        letters = found.pop((str(sent.partition()), str(sent.offset())), [])
        if kind is None or kind.reason is None:
            wrong += _told(len(letters), f"good and refused: {sent.partition()}/{sent.offset()}")
            continue
        lost += _told(not letters, f"no letter: {kind.name} {sent.partition()}/{sent.offset()}")
        duplicated += _told(
            len(letters) > 1,
            f"{len(letters)} letters: {kind.name} {sent.partition()}/{sent.offset()}",
        )
        wrong += sum(
            _told(not _same(sent, letter), f"another letter: {kind.name}") for letter in letters
        )
    return Harm(
        lost,
        duplicated,
        wrong + _told(len(found), f"letters of nothing that was sent: {list(found)[:5]}"),
    )


def _same(sent: Message, letter: Message) -> bool:
    """Whether a letter is the record, byte for byte, with the six headers and the reason behind its
    own.
    """
    reason = _kind(sent).reason or refusal(sent.value())
    why = dict(headers(letter)[-7:])
    expected = {
        ERRORS + "exception": f"mendstream.{reason}".encode(),
        ERRORS + "message": why.get(ERRORS + "message") or b"a sentence",
        ERRORS + "stacktrace": b"",
        ERRORS + "topic": RESULTS.encode(),
        ERRORS + "partition": str(sent.partition()).encode(),
        ERRORS + "offset": str(sent.offset()).encode(),
        REASON: reason.encode(),
    }
    return (
        (letter.value(), letter.key(), headers(letter)[:-7])
        == (sent.value(), sent.key(), headers(sent))
        and letter.partition() == sent.partition()
        and why == expected
    )


def _told(count: int, what: str) -> int:
    if count:
        print(what)
    return int(count)


CASES = (Case("bad bytes and impossible numbers, one in a hundred of each kind", flood, WITHIN),)
