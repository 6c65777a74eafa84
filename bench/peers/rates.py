"""What an event costs those who keep up: CPU of the processes at steady rates, and at none, without
the broker. It is what an idle and a half-busy cluster costs.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from confluent_kafka import TopicPartition

from bench.peers.pace import Committed, cpu_seconds
from bench.peers.peers import PEERS, Peer, Run, built
from bench.peers.rounds import Rounds, log_of, started
from schemas.catalog import RESULTS
from streams.bench.running import background
from streams.kafka.embedded.broker import EmbeddedKafka
from streams.kafka.reading import admin, start_offsets
from streams.runtime.clock import monotonic, wait_until

REPORT = Path(__file__).parents[1] / "report.json"
NAMES = ("mendstream", "mendstream_alone", "kafka_streams_memory")
RATES = (0, 1_000, 20_000, 200_000)  # records a second
SETTLE_SECONDS, SECONDS = 4.0, 10.0  # of the load before it is measured, and while
PATIENCE = 120.0
_WARM = 20_000  # records before, so that all that is compiled at need is


@dataclass(frozen=True, slots=True)
class Cost:
    """rate: records a second that were sent; taken: that were committed; cpu_share: of one core;
    cpu_us: of CPU an event, None where none came.
    """

    peer: str
    rate: int
    taken: float
    cpu_share: float
    cpu_us: float | None

    def __str__(self) -> str:
        each = f"{self.cpu_us:.2f} us an event" if self.cpu_us is not None else "nothing came"
        return (
            f"{self.peer} at {self.rate:,}/s: {self.taken:,.0f}/s committed, "
            f"{self.cpu_share:.1%} of a core, {each}"
        )


def costs(peer: Peer, rates: tuple[int, ...], folder: Path) -> Iterator[Cost]:
    """A broker, and processes of the peer, for each rate."""
    for rate in rates:
        with EmbeddedKafka(heap_mb=1024) as kafka:
            rounds = Rounds(kafka.bootstrap, _WARM // 2, folder)
            rounds.write(1)
            group = f"{peer.name.replace('_', '-')}-at-{rate}"
            run = Run(kafka.bootstrap, group, folder / group, rounds.schema)
            run.directory.mkdir()
            parts = [TopicPartition(RESULTS, p) for p in range(rounds.settings.partitions)]
            starts = start_offsets(admin(rounds.settings), parts)
            with (
                background(kafka.bootstrap, rate, SETTLE_SECONDS + SECONDS + 5.0) as begin,
                started(peer, run) as pids,
                Committed(rounds.settings, group, starts) as committed,
            ):
                if not wait_until(lambda: committed.records() >= _WARM * 0.95, PATIENCE):
                    raise SystemExit(f"{peer.title}\n{log_of(run).read_text()[-3_000:]}")
                begin()
                _pass(SETTLE_SECONDS)
                before = committed.records(), cpu_seconds(pids), monotonic()
                _pass(SECONDS)
                after = committed.records(), cpu_seconds(pids), monotonic()
        records, cpu, seconds = (b - a for a, b in zip(before, after, strict=True))
        each = round(cpu / records * 1e6, 3) if records else None
        yield Cost(peer.name, rate, round(records / seconds), round(cpu / seconds, 4), each)


def _pass(seconds: float) -> None:
    until = monotonic() + seconds
    wait_until(lambda: monotonic() >= until, seconds + 1.0)


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.peers.rates", description=__doc__)
    parser.add_argument("--rate", type=int, action="append", default=[])
    parser.add_argument("--only", action="append", default=[], help="only peers of this name")
    parser.add_argument("--json", type=Path, default=REPORT, help="the report that is added to")
    given = parser.parse_args()
    if "MENDSTREAM_BOOTSTRAP" in os.environ:
        parser.error("MENDSTREAM_BOOTSTRAP is set; the bench brings brokers of its own")
    built()
    names = given.only or NAMES
    found = []
    with TemporaryDirectory(prefix="mendstream-rates-") as folder:
        for peer in PEERS:
            if peer.name not in names:
                continue
            if why := peer.missing():
                print(f"{peer.title} is left out: it {why}", file=sys.stderr)
                continue
            for cost in costs(peer, tuple(given.rate or RATES), Path(folder)):
                print(cost, flush=True)
                found.append(asdict(cost))
    report = json.loads(given.json.read_text()) if given.json.exists() else {}
    given.json.write_text(json.dumps(report | {"cpu_at_rates": found}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
