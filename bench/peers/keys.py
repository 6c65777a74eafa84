"""Mendstream and Kafka Streams with a million keys, on one broker: each key once to warm up, then
records of keys at random, which are timed.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.case import Figure
from bench.peers.pace import Pace
from bench.peers.peers import PEERS, Peer, built
from bench.peers.rounds import Rounds
from bench.statistics import table
from streams.bench.workload import Workload
from streams.kafka.embedded.broker import EmbeddedKafka

REPORT = Path(__file__).parents[1] / "report.json"
KEYS = 1_000_000
OURS = ("mendstream", "mendstream_alone", "mendstream_same_job", "mendstream_same_job_alone")
STREAMS = ("kafka_streams_memory", "kafka_streams_memory_alone", "kafka_streams_rocksdb")
LEAST = 3.0  # everything on, as a multiple of Kafka Streams' least job at its fastest


def measured(peers: list[Peer], keys: int, folder: Path) -> Iterator[tuple[str, Pace]]:
    """How fast each of these peers is, by its name."""
    workload = Workload(keys // 6)
    with EmbeddedKafka(heap_mb=1024) as kafka:
        rounds = Rounds(kafka.bootstrap, keys, folder, workload)
        rounds.sweep(1)
        for peer in peers:
            pace = rounds.run(peer, 1)
            print(
                f"{workload.keys:,} keys: {peer.title:44} {pace.rate:>10,.0f}/s "
                f"{pace.cpu_us:7.2f} us",
                file=sys.stderr,
                flush=True,
            )
            yield peer.name, pace


def fields(paces: Mapping[str, Pace], left_out: Mapping[str, str]) -> dict[str, Any]:
    """What is added to the report: of Mendstream with everything on and two workers, and of Kafka
    Streams as it is fastest, the records a second; and those of each beside.
    """
    rates = {name: round(pace.rate) for name, pace in paces.items()}
    streams = [rates[name] for name in STREAMS if name in rates]
    return {
        "mendstream_1m_keys": rates.get("mendstream"),
        "streams_1m_keys": max(streams, default=None),
        "rates_1m_keys": rates,
        "cpu_us_1m_keys": {name: round(pace.cpu_us, 3) for name, pace in paces.items()},
        "left_out_1m_keys": dict(left_out),
    }


def bars(found: Mapping[str, Any]) -> Iterator[Figure]:
    """What was promised of it at a million keys, where both are there."""
    ours, theirs = found["mendstream_1m_keys"], found["streams_1m_keys"]
    if ours and theirs:
        case = "mendstream / Kafka Streams at its fastest, at a million keys, at least"
        yield Figure(case, round(ours / theirs, 3), LEAST, ours / theirs >= LEAST)


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.peers.keys", description=__doc__)
    parser.add_argument("--keys", type=int, default=KEYS, help="the report is of a million alone")
    parser.add_argument(
        "--only", action="append", default=[], help="only peers whose name contains this"
    )
    parser.add_argument("--json", type=Path, default=REPORT, help="the report that is added to")
    given = parser.parse_args()
    if "MENDSTREAM_BOOTSTRAP" in os.environ:
        parser.error("MENDSTREAM_BOOTSTRAP is set; the bench brings a broker of its own")
    built()
    asked = [peer for peer in PEERS if peer.name in (*OURS, *STREAMS)]
    if given.only:
        asked = [peer for peer in asked if any(part in peer.name for part in given.only)]
    left_out = {peer.name: peer.missing() for peer in asked if peer.missing()}
    for name, why in left_out.items():
        print(f"{name} is left out: it {why}", file=sys.stderr)
    with TemporaryDirectory(prefix="mendstream-keys-") as folder:
        present = [peer for peer in asked if peer.name not in left_out]
        found = fields(dict(measured(present, given.keys, Path(folder))), left_out)
    figures = list(bars(found))
    if given.keys == KEYS:
        report = json.loads(given.json.read_text()) if given.json.exists() else {}
        given.json.write_text(json.dumps(report | found, indent=1) + "\n")
    print(table(figures))
    return 0 if all(figure.holds for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
