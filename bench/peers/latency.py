"""From the moment a record is handed to the producer to the moment a read_committed consumer holds what follows from it."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.peers.load_program import READY
from bench.peers.peers import ROOT, ROWS, Peer, Run
from bench.peers.prober import EVERY_SECONDS, GONE_SECONDS, PROBES, SETTLE_SECONDS, Approvals, Probes
from bench.peers.rounds import Rounds, started
from schemas.catalog import COMMANDS, local_ids
from schemas.records import Order
from schemas.wire import Codec
from streams.bench import Workload
from streams.broker import EmbeddedKafka

RATES = (1_000, 20_000)  # records a second in the background
LOAD_SECONDS = SETTLE_SECONDS + PROBES * EVERY_SECONDS * 2.0
OURS, APPROVAL = "mendstream", "mendstream, from approval to issue"
LATE = (OURS, "kafka_streams_memory", "quix_streams", "faust")


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
    ways = ((peer.name, Probes), (APPROVAL, Approvals)) if peer.name == OURS else ((peer.name, Probes),)
    for name, probes in ways:
        for rate in RATES:
            with EmbeddedKafka(heap_mb=1024) as kafka:
                yield _latency(name, probes, peer, rate, Rounds(kafka.bootstrap, 0, folder), folder)


def _latency(name: str, kind: type[Probes], peer: Peer, rate: int, rounds: Rounds, folder: Path) -> Latency:
    settings, late = rounds.settings, f"{name.replace('_', '-')}-late-{rate}"
    run = Run(settings.bootstrap, late, folder / late, rounds.schema)
    run.directory.mkdir()
    Workload().write(settings, Codec(local_ids()), 20_000, 0)  # the background's specs, and something to start with
    with kind(settings, COMMANDS[Order.ROLLBACK] if peer.name == OURS else ROWS) as probes:
        probes.prepare(peer.name == OURS)
        with _load(run.bootstrap, rate) as begin, started(peer, run):
            took = probes.take(begin)
    p50, p99 = np.percentile(took, [50, 99]).tolist()
    return Latency(name, rate, p50, p99, sum(one >= GONE_SECONDS * 1e3 for one in took))


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
