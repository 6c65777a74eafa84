"""Runs Mendstream and its peers one after the other on the same records, round after round, and
compares them.

Every round writes new records, and each peer, in a process and a group of its own, takes in the
first half to warm up; the second half is timed. Ratios are of the same round, so that a busy hour
of the machine is the same for all.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.peers.latency import LATE, latencies
from bench.peers.peers import PEERS, Peer, built
from bench.peers.report import Report, picture, table
from bench.peers.rounds import Rounds
from streams.kafka.embedded.broker import EmbeddedKafka

REPORT = Path(__file__).parents[1] / "report.json"
PICTURE = Path(__file__).parents[2] / "docs" / "bench.svg"
RECORDS = 1_000_000
ROUNDS = 3


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.peers", description=__doc__)
    parser.add_argument(
        "--records",
        type=int,
        default=RECORDS,
        help="that are timed; as many come before to warm up",
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument(
        "--only", action="append", default=[], help="only peers whose name contains this"
    )
    parser.add_argument("--skip-latency", action="store_true")
    parser.add_argument("--only-latency", action="store_true")
    parser.add_argument("--json", type=Path, default=REPORT)
    parser.add_argument("--svg", type=Path, default=PICTURE)
    given = parser.parse_args()
    if "MENDSTREAM_BOOTSTRAP" in os.environ:
        parser.error("MENDSTREAM_BOOTSTRAP is set; the bench brings a broker of its own")
    built()
    peers = [
        peer for peer in PEERS if not given.only or any(part in peer.name for part in given.only)
    ]
    report = Report({peer.name: peer.missing() for peer in peers if peer.missing()})
    present = [peer for peer in peers if peer.name not in report.left_out]
    for peer in present:
        report.versions[peer.name] = peer.versions()
    with TemporaryDirectory(prefix="mendstream-bench-") as folder:
        _measure(present, given, Path(folder), report)
    kept = json.loads(given.json.read_text()) if given.json.exists() else {}
    given.json.write_text(json.dumps(kept | report.as_json(), indent=1) + "\n")
    given.svg.write_text(picture(report))
    print(table(report))
    return 0 if all(bar.holds for bar in report.bars()) else 1


def _measure(peers: list[Peer], given: argparse.Namespace, folder: Path, report: Report) -> None:
    if not given.only_latency:
        _paces(peers, given, folder, report)
    if not given.skip_latency:
        for peer in (peer for peer in peers if peer.name in LATE):
            for found in latencies(peer, folder):
                report.latencies.append(found)
                print(found, file=sys.stderr, flush=True)


def _paces(peers: list[Peer], given: argparse.Namespace, folder: Path, report: Report) -> None:
    with EmbeddedKafka(heap_mb=1024) as kafka:
        rounds = Rounds(kafka.bootstrap, given.records, folder)
        for number in range(1, given.rounds + 1):
            rounds.write(number)
            for peer in peers:
                pace = rounds.run(peer, number)
                report.add(peer.name, pace)
                print(
                    f"round {number}: {peer.title:40} {pace.rate:>10,.0f}/s {pace.cpu_us:7.2f} us",
                    file=sys.stderr,
                )


if __name__ == "__main__":
    sys.exit(main())
