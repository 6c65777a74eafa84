"""From a record to what follows from it, for ourselves and for those peers who answer within
seconds.
"""

from collections.abc import Iterator
from pathlib import Path

from bench.peers.peers import ROWS, Peer, Run
from bench.peers.rounds import Rounds, started
from schemas.catalog import COMMANDS
from schemas.records import Order
from streams.bench.latency import OURS, RATES, WAYS, Latency, measured
from streams.bench.prober import Probes
from streams.kafka.embedded.broker import EmbeddedKafka

LATE = (OURS, "kafka_streams_memory", "quix_streams", "faust")


def latencies(peer: Peer, folder: Path) -> Iterator[Latency]:
    ways = WAYS if peer.name == OURS else ((peer.name, Probes),)
    watched = COMMANDS[Order.ROLLBACK] if peer.name == OURS else ROWS
    for name, kind in ways:
        for rate in RATES:
            with EmbeddedKafka(heap_mb=1024) as kafka:
                rounds, late = (
                    Rounds(kafka.bootstrap, 0, folder),
                    f"{name.replace('_', '-')}-late-{rate}",
                )
                run = Run(rounds.settings.bootstrap, late, folder / late, rounds.schema)
                run.directory.mkdir()
                yield measured(name, kind, rounds.settings, watched, rate, started(peer, run))
