"""From the moment a record is handed to the producer to the moment a read_committed consumer holds what follows from it."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from confluent_kafka import Consumer, Producer, TopicPartition

from bench.peers.load_program import READY
from bench.peers.peers import ROOT, ROWS, Peer, Run
from bench.peers.probes import LENGTH, records_of, spec_of, subject_of
from bench.peers.rounds import Rounds, started
from schemas.catalog import COMMANDS, RESULTS, SPECS, local_ids
from schemas.ids import partition_of
from schemas.records import Order
from schemas.wire import Codec
from streams.bench import Workload
from streams.broker import EmbeddedKafka
from streams.clock import monotonic, now_ms
from streams.config import Settings

RATES = (1_000, 20_000)  # records a second in the background
PROBES = 300
EVERY_SECONDS = 0.05
GONE_SECONDS = 30.0  # after which what did not come is as good as lost
PATIENCE = 60.0
SETTLE_SECONDS = 5.0  # from the beginning of the background to the first probe
LOAD_SECONDS = SETTLE_SECONDS + PROBES * EVERY_SECONDS * 2.0
LATE = ("mendstream", "kafka_streams_memory", "quix_streams", "faust")


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds; unseen: probes of which nothing came in time, which count as that long."""

    peer: str
    rate: int
    p50: float
    p99: float
    unseen: int

    def __str__(self) -> str:
        lost = f", {self.unseen} of {PROBES} not within {GONE_SECONDS:g} s" if self.unseen else ""
        return f"{self.peer} at {self.rate:,}/s: p50 {self.p50:.1f} ms, p99 {self.p99:.1f} ms{lost}"


def latencies(peer: Peer, folder: Path) -> Iterator[Latency]:
    for rate in RATES:
        with EmbeddedKafka(heap_mb=1024) as kafka:
            yield _latency(peer, rate, Rounds(kafka.bootstrap, 0, folder), folder)


def _latency(peer: Peer, rate: int, rounds: Rounds, folder: Path) -> Latency:
    settings = rounds.settings
    run = Run(
        settings.bootstrap,
        f"{peer.name.replace('_', '-')}-late-{rate}",
        folder / f"late-{peer.name}-{rate}",
        rounds.schema,
    )
    run.directory.mkdir()
    Workload().write(settings, Codec(local_ids()), 20_000, 0)  # the background's specs, and something to start with
    with Probes(settings, COMMANDS[Order.ROLLBACK] if peer.name == "mendstream" else ROWS) as probes:
        probes.prepare(peer.name == "mendstream")
        with _load(run.bootstrap, rate) as begin, started(peer, run):
            took = probes.take(begin)
    p50, p99 = np.percentile(took, [50, 99]).tolist()
    return Latency(peer.name, rate, p50, p99, sum(one >= GONE_SECONDS * 1e3 for one in took))


@contextmanager
def _load(bootstrap: str, rate: int) -> Iterator[Callable[[], None]]:
    """A background that waits, with its records made; called, it begins."""
    command = [sys.executable, "-m", "bench.peers.load_program", bootstrap, str(rate), str(LOAD_SECONDS)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    word, said = process.stdin, process.stdout
    assert word is not None
    assert said is not None

    def begin() -> None:
        word.write(b"\n")
        word.flush()

    try:
        assert said.readline().decode().strip() == READY, "the load did not come up"
        yield begin
    finally:
        process.kill()
        process.communicate()


class Probes:
    """Sends records one by one and watches for what follows from each."""

    def __init__(self, settings: Settings, watched: str) -> None:
        self._settings, self._codec = settings, Codec(local_ids())
        self._producer = Producer(settings.client(**{"linger.ms": 0}))
        self._consumer = Consumer(
            settings.client(**{"group.id": "probes", "enable.auto.commit": False, "isolation.level": "read_committed"})
        )
        self._consumer.assign([TopicPartition(watched, p, 0) for p in range(settings.partitions)])
        self._seen: dict[str, float] = {}
        self.sent: dict[str, float] = {}
        self._values = [[self._codec.encode(one) for one in records_of(n, now_ms())] for n in range(1 + PROBES)]

    def __enter__(self) -> "Probes":
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def prepare(self, experiments: bool) -> None:
        """Brings every experiment to within a record of its end; the first of them ends at once."""
        for number in range(1 + PROBES) if experiments else ():
            self._send(SPECS, number, self._codec.encode(spec_of(number)))
            for value in self._values[number][: LENGTH - 1]:
                self._send(RESULTS, number, value)
        self._producer.flush()

    def take(self, load: Callable[[], None]) -> list[float]:
        """Milliseconds of each probe, after one that shows that all is at work."""
        self._send(RESULTS, 0, self._values[0][-1])
        if not self._until({subject_of(0)}, PATIENCE):
            return [GONE_SECONDS * 1e3] * PROBES
        load()
        self._for(SETTLE_SECONDS)
        sent = self.sent
        for number in range(1, 1 + PROBES):
            sent[subject_of(number)] = monotonic()
            self._send(RESULTS, number, self._values[number][-1])
            self._for(EVERY_SECONDS)
        self._until(sent.keys(), GONE_SECONDS)
        return [1e3 * min(self._seen.get(name, np.inf) - began, GONE_SECONDS) for name, began in sent.items()]

    def _for(self, seconds: float) -> None:
        until = monotonic() + seconds
        while (left := until - monotonic()) > 0:
            self._look(left)

    def _until(self, names: Set[str], seconds: float) -> bool:
        """Looks until all of these were seen; some put out thousands of rows beside them."""
        until = monotonic() + seconds
        while not self._seen.keys() >= names and (left := until - monotonic()) > 0:
            self._look(left)
        return self._seen.keys() >= names

    def _look(self, seconds: float) -> None:
        message = self._consumer.poll(seconds)
        if message is not None and message.error() is None:
            name = (message.key() or b"").decode().partition("|")[0]
            self._seen.setdefault(name, monotonic())

    def _send(self, topic: str, number: int, value: bytes) -> None:
        name = subject_of(number)
        while True:
            try:
                self._producer.produce(topic, value, name, partition_of(name, self._settings.partitions))
            except BufferError:
                self._producer.poll(0.1)
            else:
                self._producer.poll(0)
                return
