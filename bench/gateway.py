"""Measures the gateway against its bars: starts, answers while rows change, how far it is behind.

usage: python -m bench.gateway [--scale 0.1] [--seconds 20]

Writes bench/gateway.json: [{"case", "value", "bar", "holds"}]. A Kafka of its own, made-up rows of
the real records, journal entries as a processor would write them. Gateway, Kafka, clients and what
changes rows are processes of their own and share the machine.
"""

import argparse
import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from schemas.catalog import (
    TABLES_ARMS,
    TABLES_COMMANDS,
    TABLES_EXPERIMENTS,
    TABLES_PATTERNS,
    TABLES_TRUST,
)
from schemas.ids import partition_of
from schemas.records import Phase
from state.storage.table import row_key
from streams.kafka.backend import backend_of
from streams.runtime.clock import monotonic, rest, wait_until
from streams.runtime.settings import Settings
from tests.support.gateway.served import AUDIENCE, ISSUER, SECRET, token
from tests.support.gateway.world import CODEC, Tenant, write_journal
from tests.support.kafka.console import environment
from tests.support.kafka.running import environment_of, own_kafka
from tests.support.samples import sample

OUT = Path(__file__).with_name("gateway.json")
PATTERNS, AGENTS, COMMANDS, ARMS = 100_000, 10_000, 100_000, 200_000
CHANGES_A_SECOND, REQUESTS_A_SECOND, CLIENTS = 2_000, 100, 8
TENANTS = 20
PEOPLE = 60
ROOT = Path(__file__).parents[1]
Row = tuple[str, str, bytes, str]  # topic, key, value, what it is partitioned by


@dataclass(frozen=True, slots=True)
class Case:
    """A figure and the bar that it is held against, smaller being better."""

    case: str
    value: float
    bar: float

    def shown(self) -> dict[str, Any]:
        return {
            "case": self.case,
            "value": round(self.value, 4),
            "bar": self.bar,
            "holds": self.value <= self.bar,
        }


def rows(scale: float) -> Iterator[Row]:
    """Every row, of tenants in turn."""
    tenants = [Tenant(f"tenant-{n}") for n in range(TENANTS)]
    phases = list(Phase)[1:]
    for n in range(int(COMMANDS * scale)):
        yield command(tenants[n % TENANTS], n, phases[n % len(phases)])
    trust = sample("TrustRow")
    for n in range(int(AGENTS * scale)):
        agent = f"tenant-{n % TENANTS}/agent-{n}"
        made: Any = replace(trust, agent_id=agent, overall=(n % 1_000) / 1_000)
        yield TABLES_TRUST, row_key(agent), CODEC.encode(made), agent
    pattern = sample("PatternRow")
    for n in range(int(PATTERNS * scale)):
        made = replace(pattern, pattern=f"pattern-{n}", month=n % 997)
        yield TABLES_PATTERNS, f"pattern-{n}", CODEC.encode(made), f"pattern-{n}"
    arm, experiment = sample("ArmRow"), sample("ExperimentRow")
    for n in range(int(ARMS * scale)):
        subject, name = f"tenant-{n // 20 % TENANTS}/line-{n // 20}", f"test-{n // 20}"
        if n % 20 == 0:
            made = replace(experiment, subject=subject, experiment_id=name, begun_at=n)
            yield TABLES_EXPERIMENTS, row_key(subject, name), CODEC.encode(made), subject
        yield arm_row(arm, subject, name, n)


def command(tenant: Tenant, number: int, phase: Phase) -> Row:
    row = replace(_command_of(tenant), command_id=f"command-{number}", phase=phase)
    row = replace(row, issued_at=1_700_000_000_000 + number)
    return TABLES_COMMANDS, row.command_id, CODEC.encode(row), row.subject


_COMMANDS: dict[str, Any] = {}


def _command_of(tenant: Tenant) -> Any:
    if tenant.name not in _COMMANDS:
        _COMMANDS[tenant.name] = tenant.command_row()
    return _COMMANDS[tenant.name]


def arm_row(arm: Any, subject: str, name: str, number: int) -> Row:
    segment = f"segment-{number % 20}" if number % 20 else None
    made = replace(arm, subject=subject, experiment_id=name, segment=segment, count=number)
    key = row_key(subject, name, "conversion", "b", segment, None)
    return TABLES_ARMS, key, CODEC.encode(made), subject


class Sender:
    """Writes rows to their partitions."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer = backend_of(settings).producer(
            settings.client(**{"linger.ms": 20, "queue.buffering.max.messages": 1_000_000})
        )

    def send(self, sent: Iterator[Row] | Sequence[Row]) -> None:
        for topic, key, value, by in sent:
            place = partition_of(by, self._settings.partitions)
            self._producer.produce(topic, value=value, key=key, partition=place)
            self._producer.poll(0)

    def flush(self) -> None:
        assert self._producer.flush(120.0) == 0


class Process:
    """`mendstream gateway` in a process of its own. A context manager; it has caught up within.

    seconds: from its start until it had.
    """

    def __init__(self, settings: Settings, folder: Path) -> None:
        own = {
            "MENDSTREAM_GATEWAY_PORT": "0",
            "MENDSTREAM_VIEWS_DIRECTORY": str(folder / "views"),
            "MENDSTREAM_JWT_SECRET": SECRET,
            "MENDSTREAM_JWT_ISSUER": ISSUER,
            "MENDSTREAM_JWT_AUDIENCE": AUDIENCE,
        }
        self._log = folder / "log"
        with self._log.open("wb") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "streams", "gateway"],
                cwd=ROOT,
                env=environment(environment_of(settings) | own),
                stdout=file,
                stderr=file,
            )
        self.port, self.seconds = 0, 0.0

    def __enter__(self) -> "Process":
        began = monotonic()
        assert wait_until(self._built, 300.0), self._log.read_text()
        self.seconds = monotonic() - began
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30.0)

    def _built(self) -> bool:
        text = self._log.read_text()
        found = re.search(r"the gateway is at http://[^:]+:(\d+)", text)
        self.port = int(found[1]) if found else 0
        return self.port > 0 and "views are built" in text


ASKED = {
    "commands": "/api/v1/commands",
    "pending commands": "/api/v1/commands?phase=PENDING_APPROVAL",
    "one command": "/api/v1/commands/command-77",
    "experiments with arms": "/api/v1/experiments?limit=20",
    "trust": "/api/v1/learning/trust",
    "failure patterns": "/api/v1/failure-patterns",
    "now": "/api/v1/now",
    "search": "/api/v1/search?q=command-77",
}


def answers(port: int, seconds: float) -> dict[str, list[float]]:
    """The seconds of each answer, asked by several clients at a steady pace, whoever is late."""
    found: dict[str, list[float]] = {name: [] for name in ASKED}
    people = cycle(headers_of(PEOPLE))
    begun, number, turn = monotonic(), 0, threading.Lock()

    def ask() -> None:
        nonlocal number
        connection = HTTPConnection("127.0.0.1", port, timeout=30.0)
        names = list(ASKED)
        while True:
            with turn:
                mine, number = number, number + 1
            due = begun + mine / REQUESTS_A_SECOND
            if due - begun > seconds:
                return
            rest(max(0.0, due - monotonic()))
            name = names[mine % len(names)]
            connection.request("GET", ASKED[name], headers=next(people))
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, f"{name}: {answer.status}"
            found[name].append(monotonic() - due)

    with ThreadPoolExecutor(CLIENTS) as clients:
        for one in [clients.submit(ask) for _ in range(CLIENTS)]:
            one.result()
    return found


def headers_of(people: int) -> list[dict[str, str]]:
    """A token for each: one person may not ask as often."""
    return [{"Authorization": f"Bearer {token(f'person {n}')}"} for n in range(people)]


def lags(port: int, sender: Sender, tries: int) -> list[float]:
    """The seconds from a record that is acknowledged to an answer that holds it."""
    people, tenant, found = cycle(headers_of(PEOPLE)), Tenant("tenant-0"), []
    connection = HTTPConnection("127.0.0.1", port, timeout=30.0)
    for number in range(tries):
        row = command(tenant, 10_000_000 + number, Phase.ISSUED)
        sender.send([row])
        sender.flush()
        began, status = monotonic(), 0
        while status != 200:
            connection.request("GET", f"/api/v1/commands/{row[1]}", headers=next(people))
            answer = connection.getresponse()
            answer.read()
            status = answer.status
        found.append(monotonic() - began)
    return found


@contextmanager
def changing(settings: Settings, scale: float) -> Iterator[None]:
    """Rows that change all the time, and the clocks of the partitions; in a process of its own."""
    given = ["--change", settings.bootstrap, "--scale", str(scale)]
    process = subprocess.Popen([sys.executable, "-m", "bench.gateway", *given], cwd=ROOT)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def change(settings: Settings, scale: float) -> None:
    """Changes rows at a steady pace, until it is killed."""
    sender, arm, number, ticked = Sender(settings), sample("ArmRow"), 0, 0.0
    most, began = int(ARMS * scale), monotonic()
    while True:
        due = int((monotonic() - began) * CHANGES_A_SECOND)
        for _ in range(max(0, due - number)):
            n = number * 7 % most
            subject, name = f"tenant-{n // 20 % TENANTS}/line-{n // 20}", f"test-{n // 20}"
            sender.send([arm_row(arm, subject, name, n)])
            number += 1
        if monotonic() - ticked > 1.0:
            write_journal(settings)
            ticked = monotonic()
        rest(0.01)


def p(values: Sequence[float], share: float) -> float:
    return float(np.quantile(values, share))


def measure(scale: float, seconds: float, told: Callable[[str], None]) -> list[Case]:
    cases: list[Case] = []
    with own_kafka() as (_, settings), TemporaryDirectory() as folder:
        began, sender = monotonic(), Sender(settings)
        sender.send(rows(scale))
        sender.flush()
        write_journal(settings)
        told(f"rows written after {monotonic() - began:.0f} s")
        with Process(settings, Path(folder)) as gateway:
            cases.append(Case("start cold, s", gateway.seconds, 15.0))
        with Process(settings, Path(folder)) as gateway:
            cases.append(Case("start from its file, s", gateway.seconds, 3.0))
            told(", ".join(f"{case.case} {case.value:.1f}" for case in cases))
            with changing(settings, scale):
                found = answers(gateway.port, seconds)
                bars = {"trust": 0.010, "failure patterns": 0.030}
                for name, values in found.items():
                    cases.append(Case(f"{name}, p95 s", p(values, 0.95), bars.get(name, 0.050)))
                behind = lags(gateway.port, sender, 200)
                cases.append(Case("view behind Kafka, p99 s", p(behind, 0.99), 0.5))
    return cases


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="of the rows")
    parser.add_argument("--seconds", type=float, default=20.0, help="of asking")
    parser.add_argument("--change", help=argparse.SUPPRESS)  # what `changing` starts
    given = parser.parse_args()
    if given.change:
        change(Settings(bootstrap=given.change), given.scale)
    cases = measure(given.scale, given.seconds, lambda text: print(text, flush=True))
    OUT.write_text(json.dumps([case.shown() for case in cases], indent=1) + "\n", encoding="utf-8")
    for case in cases:
        shown = case.shown()
        word = "holds" if shown["holds"] else "FAILS"
        print(f"{word}  {case.case}: {case.value:.4f}  (bar {case.bar})")
    return 0 if all(case.shown()["holds"] for case in cases) else 1


if __name__ == "__main__":
    sys.exit(main())
