"""`mendstream ingest` on a real Kafka: killed again and again, its results are the offline join."""

import json
import re
import signal
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from confluent_kafka import Message, TopicPartition

from schemas.catalog import DEAD_LETTERS, RESULTS, TABLES_INGEST_UNITS
from schemas.records import ExperimentResult
from streams.files.ingest_map import read_map
from streams.ingestion.sample import sample
from streams.ingestion.worker import IngestWorker, own_settings
from streams.kafka.admin_types import NewTopic
from streams.kafka.backend import backend_of
from streams.kafka.dead_letters import letter
from streams.kafka.reading import (
    admin,
    committed,
    committed_reader,
    end_offsets,
    read,
    start_offsets,
)
from streams.runtime.clock import now_ms, wait_until
from streams.runtime.errors import MendstreamError
from streams.runtime.settings import Settings
from tests.support.ingest_world import NOON, SUBJECT, Event, Paid, Saw, offline, rows_of
from tests.support.kafka.console import ROOT, mendstream
from tests.support.kafka.logs import CODEC
from tests.support.kafka.running import (
    SECONDS,
    Child,
    at_kafka,
    changed,
    own_topics,
    where,
)

pytestmark = pytest.mark.kafka

# Events are of other years: a broker would take them for old enough to go.
KEPT = {"retention.ms": "-1"}
TOPICS = {"web.seen": 3, "shop.paid": 2}
WINDOW_MS, LATENESS_MS = 3_600_000, 600_000
MAP = f"""\
name: shop
window: 1h
lateness: 10m
metrics:
  paid: {{per_unit: any}}
sources:
  - topic: web.seen
    kind: exposures
    fields: {{unit_id: user, experiment_id: exp, variant: arm, occurred_at: at, event_id: id}}
    constants: {{subject: {SUBJECT}}}
  - topic: shop.paid
    kind: outcomes
    fields: {{unit_id: user, occurred_at: at, event_id: id}}
    values: {{paid: amount, revenue: amount}}
"""


@pytest.fixture
def settings(kafka: str) -> Iterator[Settings]:
    with own_topics(kafka, partitions=2) as found:
        client = admin(found)
        made = [NewTopic(name, parts, 1, config=KEPT) for name, parts in TOPICS.items()]
        for future in client.create_topics(made).values():
            future.result()
        yield found


def map_in(folder: Path, text: str = MAP) -> Path:
    path = folder / "ingest.yaml"
    path.write_text(text)
    return path


def history(units: int, seed: int = 22) -> list[Event]:
    """Exposures of units to two experiments of three each, and what they paid: 5 % twice, 5 % late,
    1 % of the units in two variants; in the order in which they were written.
    """
    rng = np.random.default_rng(seed)
    events: list[Event] = []

    def written(at: int) -> int:
        return at + int(rng.integers(LATENESS_MS) if rng.random() < 0.05 else rng.integers(2_000))

    for number in range(units):
        unit, at = f"u{number}", NOON + int(rng.integers(10 * WINDOW_MS))
        for exp in rng.choice(3, 2, replace=False).tolist():
            arms = ["a", "b"] if rng.random() < 0.01 else [str(rng.choice(["a", "b"]))]
            for arm in arms:
                id_ = f"s{unit}-{exp}-{arm}"
                events.append(Saw(id_, unit, f"e{exp}", arm, at, written(at)))
        for nth in range(int(rng.integers(5))):
            paid_at = at + int(rng.integers(-WINDOW_MS // 4, WINDOW_MS + WINDOW_MS // 4))
            amount = float(rng.integers(0, 500)) / 10
            events.append(Paid(f"p{unit}-{nth}", unit, amount, paid_at, written(paid_at)))
    twice = [event for event in events if rng.random() < 0.05]
    events += [replace(event, written=written(event.at)) for event in twice]
    return sorted(events, key=lambda event: event.written)


def send(settings: Settings, events: Sequence[Event], seed: int = 5) -> int:
    """Writes events into any partition, with the times at which they were written."""
    rng = np.random.default_rng(seed)
    producer = backend_of(settings).producer(settings.client(**{"linger.ms": 20}))
    for event in events:
        said: dict[str, object] = {"id": event.id, "user": event.unit, "at": event.at}
        if isinstance(event, Saw):
            topic, said = "web.seen", said | {"exp": event.experiment, "arm": event.variant}
        else:
            topic, said = "shop.paid", said | {"amount": event.amount}
        partition = int(rng.integers(TOPICS[topic]))
        value = json.dumps(said).encode()
        producer.produce(topic, value, None, partition, timestamp=event.written)
        producer.poll(0)
    assert producer.flush(SECONDS) == 0
    return len(events)


def taken(settings: Settings, path: Path) -> int:
    """How many records of the sources are committed for a map."""
    own = own_settings(settings, read_map(path))
    consumer = committed_reader(own, {}, own.group)
    parts = [TopicPartition(name, p) for name, n in TOPICS.items() for p in range(n)]
    found = committed(consumer, parts, own)
    consumer.close()
    return sum(found.values())


def messages(settings: Settings, topic: str) -> list[Message]:
    """All committed records of a topic of ours."""
    client = admin(settings)
    parts = [TopicPartition(topic, p) for p in range(settings.partitions)]
    starts, ends = start_offsets(client, parts), end_offsets(client, parts)
    ranges = {(p.topic, p.partition): (starts[p], ends[p]) for p in parts}
    return [message for batch in read(settings, ranges) for message in batch]


def results(settings: Settings) -> list[ExperimentResult]:
    values = [message.value() for message in messages(settings, RESULTS)]
    found = [CODEC.decode("ExperimentResult", value) for value in values]
    return [one for one in found if isinstance(one, ExperimentResult)]


def test_killed_again_and_again_it_writes_the_offline_join_once(
    settings: Settings, tmp_path: Path
) -> None:
    path = map_in(tmp_path)
    events = history(6_000)
    total, expected = send(settings, events), offline_fast(events)
    quick = changed(settings, commit_ms=20)
    program = ("-m", "streams", "ingest", "--map", str(path))
    for nth in (1, 2, 3):
        with Child(quick, tmp_path / "log", *program) as child:
            came = wait_until(lambda n=nth: taken(quick, path) >= n * total // 5, SECONDS)  # type: ignore[misc]
            assert came, child.state
            child.send(signal.SIGKILL)
            child.wait()
        assert taken(quick, path) < total, "it was killed too late to show anything"
    with Child(quick, tmp_path / "log", *program) as child:
        assert wait_until(lambda: len(results(quick)) >= len(expected), SECONDS), child.state
        child.send(signal.SIGTERM)
        assert child.wait() == 0
    found = results(quick)
    assert rows_of(found) == expected
    assert len({one.event_id for one in found}) == len(found)
    assert messages(quick, DEAD_LETTERS) == []


def offline_fast(events: Sequence[Event]) -> list[tuple[str, str, str, str, float, int]]:
    """The offline join, unit by unit: that of all at once looks at all for each."""
    by_unit: dict[str, list[Event]] = {}
    for event in events:
        by_unit.setdefault(event.unit, []).append(event)
    return sorted(row for own in by_unit.values() for row in offline(own, WINDOW_MS))


def test_what_cannot_be_read_becomes_a_dead_letter(settings: Settings, tmp_path: Path) -> None:
    path = map_in(tmp_path)
    producer = backend_of(settings).producer(settings.client())
    producer.produce("web.seen", b"{", b"key", 1)
    assert producer.flush(SECONDS) == 0
    worker = IngestWorker(changed(settings, commit_ms=1), CODEC, read_map(path))
    worker.run(lambda: taken(settings, path) == 1)
    (message,) = messages(settings, DEAD_LETTERS)
    found = letter(message)
    assert found is not None
    assert (found.reason, found.key, found.value) == ("NOT_JSON", b"key", b"{")
    assert (found.origin_partition, found.origin_offset) == (1, 0)


def test_units_leave_their_topic(settings: Settings, tmp_path: Path) -> None:
    path = map_in(tmp_path, MAP.replace("lateness: 10m", "lateness: 10m\nremember: 1s"))
    send(settings, history(50))
    worker = IngestWorker(changed(settings, commit_ms=1), CODEC, read_map(path))
    worker.run(
        lambda: sum(m.value() is None for m in messages(settings, TABLES_INGEST_UNITS)) >= 50
    )
    last = {m.key(): m.value() for m in messages(settings, TABLES_INGEST_UNITS)}
    assert set(last.values()) == {None}


def test_offsets_that_expired_are_told(settings: Settings, tmp_path: Path) -> None:
    path = map_in(tmp_path, MAP.replace("lateness: 10m", "lateness: 10m\nremember: 9999d"))
    total = send(settings, history(20))
    quick = changed(settings, commit_ms=1)
    IngestWorker(quick, CODEC, read_map(path)).run(lambda: taken(settings, path) == total)
    client, _ = at_kafka(settings, ())
    group = own_settings(settings, read_map(path)).group
    client.delete_consumer_groups([group])[group].result()
    with pytest.raises(MendstreamError, match=f"Kafka knows no offset of group '{group}'"):
        IngestWorker(quick, CODEC, read_map(path))


def test_a_topic_that_is_not_there_is_told(settings: Settings, tmp_path: Path) -> None:
    path = map_in(tmp_path, MAP.replace("web.seen", "web.gone"))
    with pytest.raises(MendstreamError, match=r"There is no topic .*web\.gone"):
        IngestWorker(settings, CODEC, read_map(path))


def test_a_sample_shows_what_would_come_and_writes_nothing(
    settings: Settings, tmp_path: Path
) -> None:
    path = map_in(tmp_path)
    events = history(40)
    send(settings, events)
    found = sample(settings, read_map(path), 1_000, now_ms())
    assert rows_of(one.record for one in found.outputs) == offline_fast(events)  # type: ignore[misc]
    assert sum(one.records for one in found.sources) == len(events)
    assert messages(settings, RESULTS) == []
    newest = sample(settings, read_map(path), 10, now_ms())
    assert [one.records for one in newest.sources] == [10, 10]


def test_the_page_shows_what_its_example_prints(settings: Settings, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "ingest.md").read_text(encoding="utf-8")
    events = re.findall(r"```json (\S+)\n(.*?)```", page, re.DOTALL)
    (text,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (shown,) = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    made = [NewTopic(topic, 1, 1, config=KEPT) for topic, _ in events if topic not in TOPICS]
    client = admin(settings)
    for future in client.create_topics(made).values():
        future.result()
    producer = backend_of(settings).producer(settings.client())
    for topic, lines in events:
        for nth, line in enumerate(lines.splitlines()):
            producer.produce(topic, line.encode(), None, 0, timestamp=NOON + 2 * WINDOW_MS + nth)
    assert producer.flush(SECONDS) == 0
    path = map_in(tmp_path, text)
    done = mendstream("ingest", "--map", path, "--sample", "100", *where(settings))
    assert (done.stdout, done.stderr, done.returncode) == (shown, "", 0)
