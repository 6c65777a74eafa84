"""How cost grows: with keys, with workers, with the size of a poll. A real Kafka, `mendstream
processor` in processes.

Time an event is wall-clock time between two commits; CPU is of the workers alone, without the
broker beside them.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from confluent_kafka import TopicPartition

from bench.case import Figure
from bench.peers.pace import Committed, Pace, TooSlow, pace
from bench.peers.peers import PEERS, Run
from bench.peers.rounds import log_of, started
from bench.statistics import table
from schemas.catalog import RESULTS, local_ids
from schemas.codec.framing import Codec
from streams.bench.workload import EXPERIMENTS, Workload
from streams.kafka.admin.topics import create
from streams.kafka.embedded.broker import EmbeddedKafka
from streams.kafka.reading import admin, start_offsets
from streams.runtime.settings import Settings

REPORT = Path(__file__).with_name("report.json")
RECORDS = 1_000_000
KEYS = (1_200, 100_000, 1_000_000)
WORKERS, WORKERS_PARTITIONS = (1, 2, 4), 12
BATCH = 20_000
BATCHES = (1_000, 5_000, 50_000)  # beside BATCH, at which the keys are measured
MOST = 2.0  # time an event at the most keys, as a multiple of that at the fewest
PATIENCE = 600.0
PROCESSOR = next(peer for peer in PEERS if peer.name == "mendstream")


@dataclass(frozen=True, slots=True)
class Point:
    """us: of wall-clock time an event; cpu_us: of the workers' CPU an event; rss_mb: of all
    workers, at the end.
    """

    keys: int
    workers: int
    partitions: int
    batch: int
    us: float
    cpu_us: float
    rss_mb: float

    def __str__(self) -> str:
        where = (
            f"{self.keys:,} keys, {self.workers} workers on {self.partitions} partitions, "
            f"{self.batch:,} a poll"
        )
        return (
            f"{where}: {self.us:.2f} us an event, {self.cpu_us:.2f} us of CPU, "
            f"{self.rss_mb:,.0f} MB"
        )


def points(records: int, folder: Path) -> Iterator[Point]:
    fewest = Workload(EXPERIMENTS)
    for keys in KEYS:
        yield measured(Workload(max(1, keys // 6)), records, folder)
    for workers in WORKERS:
        yield measured(fewest, records, folder, workers=workers, partitions=WORKERS_PARTITIONS)
    for batch in BATCHES:
        yield measured(fewest, records, folder, batch=batch)


def measured(
    workload: Workload,
    records: int,
    folder: Path,
    workers: int = 1,
    partitions: int = 4,
    batch: int = BATCH,
) -> Point:
    """Each key once and again, to warm up; then records of keys at random, which are timed."""
    with EmbeddedKafka(heap_mb=1024) as kafka:
        settings = Settings(bootstrap=kafka.bootstrap, partitions=partitions)
        client, codec = admin(settings), Codec(local_ids())
        create(client, settings)
        warm = max(records, workload.keys)
        workload.write(settings, codec, warm, 0, sweep=True)
        workload.write(settings, codec, records, 1)
        starts = start_offsets(client, [TopicPartition(RESULTS, p) for p in range(partitions)])
        run = Run(settings.bootstrap, "growth", folder / kafka.bootstrap.rpartition(":")[2], folder)
        run.directory.mkdir()
        more = {"MENDSTREAM_PARTITIONS": str(partitions), "MENDSTREAM_BATCH": str(batch)}
        with (
            started(replace(PROCESSOR, processes=workers), run, more) as pids,
            Committed(settings, "growth", starts) as committed,
        ):
            try:
                found = pace(committed, pids, warm, warm + records, PATIENCE)
            except TooSlow as error:
                raise SystemExit(f"{error}\n{log_of(run).read_text()[-3_000:]}") from error
            rss = sum(map(resident, pids))
    return _point(workload, workers, partitions, batch, found, rss)


def _point(
    workload: Workload, workers: int, partitions: int, batch: int, found: Pace, rss: int
) -> Point:
    us, cpu = round(1e6 / found.rate, 3), round(found.cpu_us, 3)
    point = Point(workload.keys, workers, partitions, batch, us, cpu, round(rss / 1e6))
    print(point, file=sys.stderr, flush=True)
    return point


def resident(pid: int) -> int:
    """Bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1_024 for line in lines if line.startswith("VmRSS:"))


def bars(found: Sequence[Point]) -> list[Figure]:
    by_keys = {
        point.keys: point.us for point in found if point.partitions == 4 and point.batch == BATCH
    }
    ratio = by_keys[max(by_keys)] / by_keys[min(by_keys)]
    case = f"time an event at {max(by_keys):,} keys / at {min(by_keys):,}, at most"
    return [Figure(case, round(ratio, 2), MOST, ratio <= MOST)]


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.growth", description=__doc__)
    parser.add_argument("--records", type=int, default=RECORDS, help="that are timed at each point")
    parser.add_argument(
        "--json", type=Path, default=REPORT, help="the report to which the points are added"
    )
    given = parser.parse_args()
    if "MENDSTREAM_BOOTSTRAP" in os.environ:
        parser.error("MENDSTREAM_BOOTSTRAP is set; the bench brings brokers of its own")
    with TemporaryDirectory(prefix="mendstream-growth-") as folder:
        found = list(points(given.records, Path(folder)))
    report = json.loads(given.json.read_text()) if given.json.exists() else {}
    figures = bars(found)
    report |= {
        "growth": [asdict(point) for point in found],
        "growth_bars": [asdict(one) for one in figures],
    }
    given.json.write_text(json.dumps(report, indent=1) + "\n")
    print(table(figures))
    return 0 if all(figure.holds for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
