"""From the moment a record is handed to the producer to the moment a read_committed consumer holds
what follows from it.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from schemas.catalog import COMMANDS, local_ids
from schemas.codec.framing import Codec
from schemas.records import Order
from streams.bench.prober import (
    EVERY_SECONDS,
    GONE_SECONDS,
    PROBES,
    SETTLE_SECONDS,
    Approvals,
    Probes,
)
from streams.bench.running import background, running
from streams.bench.workload import Workload
from streams.kafka.admin.topics import create
from streams.kafka.embedded.broker import EmbeddedKafka
from streams.kafka.reading import admin
from streams.runtime.settings import Settings

RATES = (1_000, 20_000)  # records a second in the background
P50_MS, P99_MS = 15.0, 50.0  # what is aimed at
WORKERS = 2
OURS, APPROVAL = "mendstream", "mendstream, from approval to issue"
WAYS: tuple[tuple[str, type[Probes]], ...] = ((OURS, Probes), (APPROVAL, Approvals))


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds; unseen: probes of which nothing came in time, which count as that long."""

    peer: str
    rate: int
    p50: float
    p99: float
    unseen: int

    def __str__(self) -> str:
        lost = f", {self.unseen} not within {GONE_SECONDS:g} s" if self.unseen else ""
        return f"{self.peer} at {self.rate:,}/s: p50 {self.p50:.1f} ms, p99 {self.p99:.1f} ms{lost}"


def main(json_file: Path | None, rates: tuple[int, ...] = RATES, probes: int = PROBES) -> int:
    """Prints p50 and p99 from event to command and from approval to issue, at each rate; writes
    them as JSON.
    """
    found = []
    for name, kind in WAYS:
        for rate in rates:
            with (
                EmbeddedKafka(heap_mb=1024) as kafka,
                TemporaryDirectory(prefix="mendstream-bench-") as folder,
            ):
                settings = Settings(bootstrap=kafka.bootstrap, crash_directory=folder)
                create(admin(settings), settings)
                found.append(
                    measured(
                        name,
                        kind,
                        settings,
                        COMMANDS[Order.ROLLBACK],
                        rate,
                        _workers(settings),
                        probes,
                    )
                )
            print(f"{found[-1]} (aimed at: {P50_MS:g} and {P99_MS:g})", flush=True)
    if json_file is not None:
        json_file.write_text(json.dumps([asdict(one) for one in found], indent=1) + "\n")
    return 0


def measured(
    name: str,
    kind: type[Probes],
    settings: Settings,
    watched: str,
    rate: int,
    working: AbstractContextManager[object],
    probes: int = PROBES,
) -> Latency:
    """working: who answers, for as long as it is open. watched: the topic of the answers."""
    Workload().write(
        settings, Codec(local_ids()), 20_000, 0
    )  # the background's specs, and something to start with
    with kind(settings, watched, probes) as prober:
        prober.prepare(experiments=watched in COMMANDS.values())
        seconds = SETTLE_SECONDS + probes * EVERY_SECONDS * 2.0
        with background(settings.bootstrap, rate, seconds) as begin, working:
            took = prober.take(begin)
    p50, p99 = np.percentile(took, [50, 99]).tolist()
    return Latency(name, rate, p50, p99, sum(one >= GONE_SECONDS * 1e3 for one in took))


@contextmanager
def _workers(settings: Settings) -> Iterator[None]:
    command = [sys.executable, "-m", "streams", "processor"]
    own = {
        "MENDSTREAM_BOOTSTRAP": settings.bootstrap,
        "MENDSTREAM_CRASH_DIRECTORY": settings.crash_directory,
    }
    with ExitStack() as stack:
        for number in range(WORKERS):
            slot, log = (
                {"MENDSTREAM_SLOT": str(number)},
                Path(settings.crash_directory) / f"{number}.log",
            )
            stack.enter_context(running(command, own | slot, log))
        yield
