"""Measures how soon a worker that holds a million hot rows is back after its death, and what a row
takes in memory.

A real Kafka, real rows, and `mendstream processor` in a process of its own, from its start to the
moment it says that it is ready. Seconds are of this machine with the broker on it.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.case import Figure
from bench.lived import Lived
from bench.statistics import table
from streams.kafka.admin.topics import create
from streams.kafka.embedded.broker import EmbeddedKafka
from streams.kafka.reading import admin
from streams.runtime.clock import monotonic, wait_until
from streams.runtime.settings import Settings

RESULT = Path(__file__).with_name("restore.json")
REPORT = Path(__file__).with_name(
    "report.json"
)  # of the whole bench, to which two figures are added
ROWS = 1_000_000
WINDOW = (
    1_000_000  # ids that a worker remembers of each input partition; a restore reads them again
)
SECONDS, BYTES = 10.0, 600.0  # the bars
PATIENCE = 300.0
KILLED_AT = (0.25, 0.5, 0.75)  # of the time that a restore takes


class Worker:
    """`mendstream processor` in a process of its own."""

    def __init__(self, settings: Settings, log: Path) -> None:
        self._log = log
        self._began = monotonic()
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "streams", "processor", "--bootstrap", settings.bootstrap],
                cwd=Path(__file__).parents[1],
                stdout=file,
                stderr=file,
            )

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def ready(self) -> float:
        """Waits until it is; returns the seconds since its start."""
        wait_until(lambda: self._said("restored in") or self._process.poll() is not None, PATIENCE)
        took = monotonic() - self._began
        if not self._said("restored in"):
            raise SystemExit(
                f"The processor was not ready within {took:.0f} s:\n{self._log.read_text()[-2000:]}"
            )
        return took

    def restored(self) -> float:
        """The seconds that its restore took, as it says."""
        return float(self._log.read_text().split("restored in ")[1].split()[0])

    def dies(self, after: float) -> bool:
        """Kills it so many seconds after its restore began; whether it was in the middle of it."""
        wait_until(lambda: self._said("restoring"), PATIENCE)
        began = monotonic()
        wait_until(lambda: monotonic() - began > after or self._said("restored in"), PATIENCE)
        self.__exit__()
        return not self._said("restored in")

    def memory(self, peak: bool = False) -> int:
        """Bytes that are resident, or were at most."""
        wanted = "VmHWM:" if peak else "VmRSS:"
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1_024 for line in lines if line.startswith(wanted))

    def _said(self, text: str) -> bool:
        return text in self._log.read_text()


@contextmanager
def broker() -> Iterator[Settings]:
    with EmbeddedKafka(heap_mb=1024) as kafka:
        settings = Settings(bootstrap=kafka.bootstrap)
        create(admin(settings), settings)
        yield settings


def measure(rows: int, window: int, folder: Path) -> list[Figure]:
    with broker() as settings, Worker(settings, folder / "idle.log") as worker:
        worker.ready()
        idle = worker.memory()
    return [*_rows_alone(rows, idle, folder), *_with_ids(rows, window, folder)]


def _rows_alone(rows: int, idle: int, folder: Path) -> Iterator[Figure]:
    with broker() as settings:
        _tell(f"writing {rows:,} rows ...")
        Lived(rows).write(settings)
        with Worker(settings, folder / "first.log") as worker:
            took, lasts = worker.ready(), worker.restored()
            resident, peak = worker.memory(), worker.memory(peak=True)
        yield _at_most(f"{rows:,} rows: seconds from start to ready", took, SECONDS)
        yield _at_most(
            f"{rows:,} rows: bytes a row above an idle worker", (resident - idle) / rows, BYTES
        )
        yield _at_most(
            f"{rows:,} rows: bytes a row above an idle worker, at the peak",
            (peak - idle) / rows,
            BYTES,
        )
        for share in KILLED_AT:
            while not Worker(settings, folder / "killed.log").dies(share * lasts):
                lasts /= 2  # it was measured when the machine was busier
        with Worker(settings, folder / "again.log") as worker:
            yield _at_most(
                f"{rows:,} rows: seconds after {len(KILLED_AT)} kills", worker.ready(), SECONDS
            )


def _with_ids(rows: int, window: int, folder: Path) -> Iterator[Figure]:
    with broker() as settings:
        _tell(
            f"writing {rows:,} rows and {window:,} records on each of {settings.partitions} "
            "partitions ..."
        )
        Lived(rows, window).write(settings)
        with Worker(settings, folder / "ids.log") as worker:
            took = worker.ready()
        yield _at_most(
            f"{rows:,} rows, {window:,} ids a partition: seconds from start to ready", took, SECONDS
        )


def _at_most(case: str, value: float, bar: float) -> Figure:
    figure = Figure(case, round(value, 2), bar, value <= bar)
    _tell(f"{figure.case}: {figure.value:g}")
    return figure


def _add_to_report(figures: list[Figure], rows: int) -> None:
    if REPORT.exists() and rows == ROWS:
        seconds, row_bytes = figures[0].value, figures[1].value
        report = json.loads(REPORT.read_text())
        report |= {"restore_1m_seconds": seconds, "rss_1m_mb": round(row_bytes * rows / 1e6)}
        REPORT.write_text(json.dumps(report, indent=1) + "\n")


def _tell(progress: str) -> None:
    print(progress, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.restore", description=__doc__)
    parser.add_argument(
        "--rows", type=int, default=ROWS, help="of the hot table, over all partitions"
    )
    parser.add_argument(
        "--window",
        type=int,
        default=WINDOW,
        help="ids to read again of each partition of the results",
    )
    parser.add_argument("--json", type=Path, default=RESULT, help="where the figures are written")
    given = parser.parse_args()
    if "MENDSTREAM_BOOTSTRAP" in os.environ:
        parser.error("MENDSTREAM_BOOTSTRAP is set; the bench brings brokers of its own")
    with TemporaryDirectory(prefix="mendstream-restore-") as folder:
        figures = measure(given.rows, given.window, Path(folder))
    given.json.write_text(
        json.dumps([asdict(figure) for figure in figures], indent=1) + "\n", encoding="utf-8"
    )
    _add_to_report(figures, given.rows)
    print(table(figures))
    return 0 if all(figure.holds for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
