"""Commands are carried out while executor and processor are killed at random; counts what is
missing, twice or unfinished.

usage: python -m tests.faults.commands [COMMANDS] [KILLS]; writes commands.json beside this file
"""

import json
import signal
import sys
from collections import Counter
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import mkdtemp
from types import TracebackType
from typing import Self

import numpy as np

from agents.commands.lifecycle import FINAL
from schemas.catalog import ALERTS, POLICIES, REQUESTS, TABLES_COMMANDS, TRANSITIONS
from schemas.ids import event_uuid
from schemas.records import (
    Alert,
    Autonomy,
    AutonomyRule,
    CommandRow,
    Order,
    Phase,
    Request,
    RequestKind,
    Transition,
)
from streams.runtime.clock import monotonic, now_ms, wait_until
from streams.runtime.settings import Settings
from tests.support.executor.servers import Receiver, apart
from tests.support.faults.load import UNBOUND
from tests.support.kafka.logs import CODEC, messages, send, send_harm, table
from tests.support.kafka.logs import commands as ordered
from tests.support.kafka.running import EAGER, STEADY, Child, own_kafka

REPORT = Path(__file__).parent / "commands.json"
SECONDS = 300.0  # until everything has ended once nobody is killed any more
LIFE_SECONDS = (1.0, 8.0)  # of a process, most of it start and restore at the lower end
PERSONS_SHARE = 5  # every fifth subject is deployed by a person's order; the others are rolled back


@dataclass(frozen=True, slots=True)
class Found:
    """missing: commands without their effect, and alerts that nobody was told of; twice: commands
    of more than one effect, or that stand twice on their topic; unfinished: commands that have no
    final state, or more than one.
    """

    commands: int
    kills: int
    missing: int
    twice: int
    unfinished: int


class Victims:
    """A processor and an executor, each started again whenever it is killed."""

    def __init__(self, settings: Settings, directory: Path, webhook: str) -> None:
        self._settings, self._directory = settings, directory
        (directory / "secret").write_text("chaos")
        (directory / "secret").chmod(0o600)
        (directory / "targets.yaml").write_text(
            f"targets: [{{kind: file, match: '*', directory: '{directory}/targets', strategy: "
            "immediate}]"
        )
        (directory / "routes.yaml").write_text(
            f"channels: {{hook: {{kind: webhook, url: '{webhook}', secret_file: "
            f"'{directory}/secret'}}}}\n"
            "routes: [{channels: [hook]}]"
        )
        (directory / "targets").mkdir()
        executor = (
            "executor",
            "--targets",
            f"{directory}/targets.yaml",
            "--routes",
            f"{directory}/routes.yaml",
        )
        self._programs = {"processor": ("processor",), "executor": executor}
        self._ends = ExitStack()
        self._running: dict[str, Child] = {}

    def __enter__(self) -> Self:
        for name in self._programs:
            self._start(name)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._ends.__exit__(kind, error, at)

    def kill(self, name: str) -> None:
        self._running[name].send(signal.SIGKILL)
        ended = self._running[name].wait()
        assert ended == -signal.SIGKILL, (
            f"{name} ended by itself: {ended}; {self._running[name].log}"
        )
        self._start(name)

    def alive(self) -> bool:
        for name, child in self._running.items():
            assert not child.ended, f"{name} ended by itself: {child.log}"
        return True

    def _start(self, name: str) -> None:
        log = self._directory / f"{name}.log"
        self._running[name] = self._ends.enter_context(
            Child(self._settings, log, "-m", "streams", *self._programs[name])
        )


def chaos(commands: int, kills: int, directory: Path) -> Found:
    receiver = Receiver()
    with (
        own_kafka(EAGER | STEADY, session_timeout_ms=2_000, transaction_timeout_ms=4_000) as (
            _,
            settings,
        ),
        apart(receiver.app()) as url,
    ):
        free = AutonomyRule(order=Order.DEPLOY, autonomy=Autonomy.AUTO)
        policy = replace(UNBOUND, autonomies=(free,), acknowledge_ms=60_000)
        send(settings, POLICIES, [policy], [policy.policy_id])
        with Victims(settings, directory, f"{url}/hook") as victims:
            _order_and_kill(settings, victims, commands, kills)
            ended = wait_until(
                lambda: victims.alive() and _ended(settings, commands, receiver), SECONDS
            )
        if not ended:
            print(f"not everything came to its end within {SECONDS:.0f} s", flush=True)
        return _found(settings, directory / "targets", receiver, commands, kills)


def _order_and_kill(settings: Settings, victims: Victims, commands: int, kills: int) -> None:
    """Gives rise to commands all along the kills."""
    rng = np.random.default_rng(17)
    begun = monotonic()
    for kill in range(kills):
        mine = range(commands * kill // kills, commands * (kill + 1) // kills)
        _give_rise(settings, mine)
        name, life = str(rng.choice(["processor", "executor"])), float(rng.uniform(*LIFE_SECONDS))
        until = monotonic() + life
        wait_until(lambda until=until: monotonic() > until, 2 * life)  # type: ignore[misc]
        victims.kill(name)
        print(
            f"[{kill + 1}/{kills}] killed the {name} after {life:.1f} s [{monotonic() - begun:.0f} "
            "s]",
            flush=True,
        )


def _give_rise(settings: Settings, numbers: range) -> None:
    by_person = [n for n in numbers if n % PERSONS_SHARE == 0]
    harmed = [n for n in numbers if n % PERSONS_SHARE]
    send_harm(settings, harmed)
    send(settings, REQUESTS, [_deployment(n) for n in by_person])


def _deployment(number: int) -> Request:
    return Request(
        event_id=event_uuid("chaos", number),
        subject=f"bot-{number}",
        kind=RequestKind.DEPLOY,
        variant="b",
        model_version="v2",
        to_version="v2",
        requested_by="ann",
        requested_at=now_ms(),
    )


def _rows(settings: Settings) -> list[CommandRow]:
    return [row for row in table(settings, TABLES_COMMANDS).values() if isinstance(row, CommandRow)]


def _alerts(settings: Settings) -> set[tuple[str, str]]:
    """(id, state) of each alert on the topic."""
    found = [CODEC.decode("Alert", message.value()) for message in messages(settings, ALERTS)]
    return {(each.alert_id, each.state) for each in found if isinstance(each, Alert)}


def _heard(receiver: Receiver) -> set[tuple[str, str]]:
    said = [json.loads(each.body) for each in receiver.asked]
    return {(each["alert_id"], each["state"]) for each in said}


def _ended(settings: Settings, commands: int, receiver: Receiver) -> bool:
    rows = _rows(settings)
    over = len(rows) >= commands and all(row.phase in FINAL for row in rows)
    return over and _alerts(settings) <= _heard(receiver)


def _found(
    settings: Settings, targets: Path, receiver: Receiver, commands: int, kills: int
) -> Found:
    rows = _rows(settings)
    effects = Counter(
        each["command_id"]
        for path in targets.glob("*.effects.jsonl")
        for each in map(json.loads, path.read_text().splitlines())
        if each["phase"] in ("ROLLED_BACK", "PROMOTED")
    )
    issued = Counter((each.command_id, each.attempt) for each in ordered(settings))
    moves = [
        CODEC.decode("Transition", message.value()) for message in messages(settings, TRANSITIONS)
    ]
    ends = Counter(
        one.command_id for one in moves if isinstance(one, Transition) and one.after in FINAL
    )
    untold = _alerts(settings) - _heard(receiver)
    missing = [
        row.command_id
        for row in rows
        if row.phase == Phase.COMPLETED and not effects[row.command_id]
    ]
    return Found(
        commands=len(rows),
        kills=kills,
        missing=max(commands - len(rows), 0) + len(missing) + len(untold),
        twice=sum(n > 1 for n in effects.values()) + sum(n > 1 for n in issued.values()),
        unfinished=sum(row.phase != Phase.COMPLETED or ends[row.command_id] != 1 for row in rows),
    )


def main(commands: int = 500, kills: int = 40) -> int:
    directory = Path(mkdtemp(prefix="mendstream-commands-"))
    print(f"logs and targets are in {directory}", flush=True)
    found = chaos(commands, kills, directory)
    print(json.dumps(asdict(found)))
    REPORT.write_text(json.dumps(asdict(found)) + "\n")
    return int(found.missing + found.twice + found.unfinished > 0)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
