"""A million names made up by one tenant: what the worker weighs, and how long the other tenant
waits for its commands.
"""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from confluent_kafka import Consumer, TopicPartition

from schemas.catalog import COMMANDS, METRICS, RESULTS, local_ids
from schemas.codec.framing import Codec
from schemas.ids import event_uuid, partition_of
from streams.bench import prober
from streams.kafka.backend import backend_of
from streams.kafka.reading import committed
from streams.runtime.clock import monotonic, now_ms, wait_until
from streams.runtime.settings import Settings
from tests.hostile.world import peak_mb
from tests.support.builders import metric, result
from tests.support.kafka.running import Child, own_kafka

CASE = "a million made-up names of one tenant"
NAMES = 1_000_000
# In which they are sent, at an even pace: each of them makes a row or a dead letter. On two cores
# with the broker and the sender beside it a worker makes some 2 500 rows a second. Whoever sends
# faster than that fills the log, and each who reads it waits; for that there are quotas of Kafka.
SECONDS = 700.0
BURST = 20  # names that are sent at once: 9 ms of them
PROBES = 600
PROBE_SECONDS = (
    0.1  # between two where nothing else comes; else they are spread over the stranger's time
)
RATIO_MAX = 2.0  # of the other tenant's 99th percentile with and without the stranger
RSS_MB = 1_536  # of the worker under all of it
PARTITIONS = 2
_KINDS = (
    "subject",
    "variant",
    "segment",
    "unit_id",
    "experiment_id",
    "metric",
    "model_version",
    "event_id",
)
CODEC = Codec(local_ids())


def run(count: int = NAMES, probes: int = PROBES) -> dict[str, Any]:
    """The row of the report."""
    calm = _measured(None, 0, probes)
    loud = _measured(_made_up, count, probes)
    ratio = loud["p99_ms"] / calm["p99_ms"]
    return {
        "case": CASE,
        "survived": loud["alive"],
        "others_unharmed": ratio <= RATIO_MAX and loud["answered"] == probes,
        "told": loud["taken"] and loud["rss_mb"] <= RSS_MB,
        "records": count,
        "p99_ms_without": round(calm["p99_ms"], 1),
        "p99_ms_with": round(loud["p99_ms"], 1),
        "p50_ms_without": round(calm["p50_ms"], 1),
        "p50_ms_with": round(loud["p50_ms"], 1),
        "rss_mb_without": round(calm["rss_mb"]),
        "rss_mb_with": round(loud["rss_mb"]),
        "rss_mb_bound": RSS_MB,
        "notes": [],
    }


def _measured(
    made: Callable[[int, int], tuple[str, str, bytes]] | None, count: int, probes: int
) -> dict[str, Any]:
    """Latencies of the other tenant's commands while these names come, and what the worker weighs
    at the end.
    """
    with (
        TemporaryDirectory() as directory,
        own_kafka(partitions=PARTITIONS, dedupe_window=1_000_000) as (_, settings),
        Child(settings, Path(directory) / "worker.log") as child,
    ):
        child.awaits("restored")
        stranger = _Stranger(settings, made, count)
        sender = _Probes(settings, COMMANDS["ROLLBACK"], probes)
        sender.pause = SECONDS / probes if made is not None else PROBE_SECONDS
        with sender:
            sender.prepare(experiments=True)
            times = sender.take(stranger.start)
        taken = stranger.join() and wait_until(lambda: child.ended or stranger.taken(), 120.0)
        return {
            "alive": not child.ended,
            "taken": taken,
            "rss_mb": peak_mb(child.pid) if not child.ended else 0.0,
            "answered": sum(ms < prober.GONE_SECONDS * 1e3 for ms in times),
            "p50_ms": float(np.percentile(times, 50)),
            "p99_ms": float(np.percentile(times, 99)),
        }


class _Probes(prober.Probes):
    """The other tenant, with a pause between its probes that spreads them over all of the
    stranger's time.
    """

    pause = PROBE_SECONDS

    def _for(self, seconds: float) -> None:
        super()._for(self.pause if seconds == prober.EVERY_SECONDS else seconds)


class _Stranger:
    """Sends names at an even pace in a thread of its own."""

    def __init__(
        self,
        settings: Settings,
        made: Callable[[int, int], tuple[str, str, bytes]] | None,
        count: int,
    ) -> None:
        self._settings, self._made, self._count = settings, made, count
        self._ends: dict[tuple[str, int], int] = {}
        self._thread = threading.Thread(target=self._run, name="stranger")

    def start(self) -> None:
        if self._made is not None:
            self._thread.start()

    def join(self) -> bool:
        """Whether it has sent all."""
        if self._made is None:
            return True
        self._thread.join(2 * SECONDS)
        return not self._thread.is_alive()

    def taken(self) -> bool:
        """Whether the worker has committed all of it."""
        if not self._ends:
            return True
        settings = self._settings.client(
            **{"group.id": self._settings.group, "enable.auto.commit": False}
        )
        consumer = Consumer(settings)
        try:
            reached = committed(
                consumer, [TopicPartition(*place) for place in self._ends], self._settings
            )
        finally:
            consumer.close()
        return all(reached.get(place, 0) >= end for place, end in self._ends.items())

    def _run(self) -> None:
        assert self._made is not None
        producer = backend_of(self._settings).producer(
            self._settings.client(**{"linger.ms": 50, "compression.type": "lz4"})
        )
        began, now = monotonic(), now_ms()

        def delivered(error: Any, message: Any) -> None:
            if error is None:
                place = message.topic(), message.partition()
                self._ends[place] = max(self._ends.get(place, 0), message.offset() + 1)

        for number in range(self._count):
            topic, key, value = self._made(number, now)
            while True:
                try:
                    producer.produce(
                        topic,
                        value,
                        key,
                        partition_of(key, self._settings.partitions),
                        on_delivery=delivered,
                    )
                    break
                except BufferError:
                    producer.poll(0.1)
            if number % BURST == 0:
                serve_until(began + number / self._count * SECONDS, producer.poll)
        producer.flush(60.0)


def serve_until(
    moment: float, serve: Callable[[float], object], clock: Callable[[], float] = monotonic
) -> None:
    """Has callbacks run, once at least, until a moment of the clock, in seconds. serve: waits so
    many seconds at most for a callback, and returns as soon as one has run.
    """
    serve(0.0)
    while (left := moment - clock()) > 0.0:
        serve(left)


def _made_up(number: int, now: int) -> tuple[str, str, bytes]:
    """(topic, key, value): each kind of name in turn, every one of them another."""
    kind, name = _KINDS[number % len(_KINDS)], f"made up {number}"
    event_id = event_uuid("made up", number)
    if kind == "model_version" or (
        kind in ("segment", "metric", "subject") and number % 16 >= len(_KINDS)
    ):
        one = metric(event_id=event_id, subject="evil/bot", occurred_at=now)
        one = replace(one, **{kind: f"evil/{name}" if kind == "subject" else name})  # type: ignore[arg-type]
        return METRICS, one.subject, CODEC.encode(one)
    other = result(
        event_id=event_id,
        subject="evil/bot",
        experiment_id="exp",
        occurred_at=now,
        unit_id=str(number),
    )
    if kind != "event_id":
        other = replace(other, **{kind: f"evil/{name}" if kind == "subject" else name})  # type: ignore[arg-type]
    return RESULTS, other.subject, CODEC.encode(other)
