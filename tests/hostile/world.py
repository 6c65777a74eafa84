"""Two tenants on a real Kafka with one worker in a process of its own: what the stranger does, and
what the other one sees.
"""

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException, Message, Producer, TopicPartition

from agents.flow.pipeline import fold, refresh
from schemas.catalog import (
    COMMANDS,
    DEAD_LETTERS,
    INPUTS,
    POLICIES,
    RESULTS,
    SPECS,
    TABLES_ARMS,
    TABLES_EXPERIMENTS,
    local_ids,
)
from schemas.codec.framing import Codec, Record
from schemas.ids import event_uuid, partition_of
from schemas.records import ArmRow, Command, ExperimentResult, ExperimentRow, ExperimentSpec, Policy
from schemas.validation.policy_checks import COMMANDS_MAX
from state.partition.partition_state import PartitionState
from streams.bench.probes import LENGTH, records_of, spec_of
from streams.kafka.backend import backend_of
from streams.kafka.dead_letters import letter
from streams.kafka.reading import committed
from streams.operations.audit.audit import audit
from streams.runtime.clock import monotonic, now_ms, wait_until
from streams.runtime.settings import Settings
from tests.hostile.cases import Aim, Case, Shot, home_of
from tests.hostile.masking import masked
from tests.support.builders import Sent, apply_policy, piece
from tests.support.kafka.logs import ends_of, messages, table
from tests.support.kafka.running import Child

ROLLBACK = COMMANDS["ROLLBACK"]
CODEC = Codec(local_ids())
# From the good tenant's deciding record to its command, all of the stranger's records before it. Of
# the worker's own
# processor time, so that it does not matter what else the machine does; the time on the wall stands
# beside it.
LATENCY_SECONDS = 5.0
# of the worker, at any time: some 250 MB at rest, a fetch queue of 128 MB, and the tables
RSS_MB = 1_024
PATIENCE = 60.0  # for what should take less than a second
POLICY = Policy(
    event_id="good",
    policy_id="good",
    subjects=("good/*",),
    commands_per_hour=COMMANDS_MAX,
    subjects_share=1.0,
    acknowledge_ms=86_400_000,
)
Place = tuple[str, int, int]


@dataclass(slots=True)
class Row:
    """What came of a case. places: where the stranger's records lie; refused_by_kafka: those that
    no broker took.
    """

    case: Case
    subject: str
    survived: bool = False
    seconds: float = float("inf")
    cpu_seconds: float = float("inf")
    rss_mb: float = 0.0
    places: list[Place] = field(default_factory=list)
    refused_by_kafka: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)


class World:
    """A worker at work; `do` has the stranger do one case, `judged` says at the end what came of
    all.
    """

    def __init__(self, settings: Settings, directory: Path, cases: int) -> None:
        """cases: how many there will be; the good tenant's specs are taken in before any result, as
        no order is kept between topics.
        """
        self._settings, self._directory = settings, directory
        self._child = Child(settings, directory / "worker.log")
        self._child.awaits("restored")
        self._good = backend_of(settings).producer(settings.client(**{"linger.ms": 0}))
        self._offsets = backend_of(settings).consumer(
            settings.client(**{"group.id": settings.group, "enable.auto.commit": False})
        )
        self._commands = backend_of(settings).consumer(
            settings.client(
                **{
                    "group.id": "hostile",
                    "enable.auto.commit": False,
                    "isolation.level": "read_committed",
                }
            )
        )
        self._commands.assign([TopicPartition(ROLLBACK, p, 0) for p in range(settings.partitions)])
        self._seen: dict[str, float] = {}
        self.rows: list[Row] = []
        self._send([(POLICIES, POLICY, POLICY.policy_id)])
        self._send([(SPECS, good_spec(number), f"good/bot-{number}") for number in range(cases)])
        ends = ends_of(settings, SPECS)
        assert wait_until(lambda: self._reached(ends), PATIENCE), (
            "the good tenant's specs are not taken in"
        )

    def close(self) -> None:
        self._child.__exit__()
        self._offsets.close()
        self._commands.close()

    def do(self, case: Case) -> Row:
        """The good tenant's experiment to within a record of its end, the stranger's records, then
        the last one.
        """
        number = len(self.rows)
        row = Row(case, f"good/bot-{number}")
        self.rows.append(row)
        results, aim = good_results(number, now_ms()), self._aim(number, row.subject)
        self._send([(RESULTS, one, row.subject) for one in results[:-1]])
        self._shoot(case, case.shots(aim), aim, row)
        began, cpu = monotonic(), cpu_seconds(self._child.pid)
        self._send([(RESULTS, results[-1], row.subject)])
        wait_until(lambda: self._looked(row.subject) or self._child.ended, PATIENCE)
        row.seconds = self._seen.get(row.subject, float("inf")) - began
        if row.subject in self._seen and not self._child.ended:
            row.cpu_seconds = cpu_seconds(self._child.pid) - cpu
        taken = wait_until(lambda: self._taken(row) or self._child.ended, PATIENCE)
        row.rss_mb = 0.0 if self._child.ended else peak_mb(self._child.pid)
        row.survived = taken and not self._child.ended
        if not taken:
            row.notes.append("not all of the stranger's records were taken in")
        if self._child.ended:
            row.notes.append(f"the worker ended: {self._child.log.read_text()[-600:]}")
            self._child = Child(self._settings, self._directory / f"worker-{number}.log")
            self._child.awaits("restored")
        return row

    def judged(self) -> list[dict[str, Any]]:
        """One row for each case, after the worker has come to rest."""
        reasons = {
            one.place: one.reason
            for one in map(_told, messages(self._settings, DEAD_LETTERS))
            if one
        }
        audited = audit(self._settings, quick=True, told=lambda _: None)
        for check in audited.checks:
            if check.found:
                print(f"audit: {check.as_json()}", flush=True)
        arms, experiments = (
            table(self._settings, name) for name in (TABLES_ARMS, TABLES_EXPERIMENTS)
        )
        standing = _by_subject([*arms.values(), *experiments.values()])
        commands: dict[str, list[Record]] = {}
        for message in messages(self._settings, ROLLBACK):
            order = CODEC.decode("RollbackCommand", message.value())
            assert isinstance(order, Command)
            commands.setdefault(order.subject, []).append(order)
        wanted = Reference()
        return [
            self._verdict(row, reasons, audited.found, standing, commands, wanted)
            for row in self.rows
        ]

    def _verdict(
        self,
        row: Row,
        reasons: dict[Place, str],
        found: int,
        standing: dict[str, list[Record]],
        commands: dict[str, list[Record]],
        wanted: "Reference",
    ) -> dict[str, Any]:
        same_commands = masked(commands.get(row.subject, [])) == wanted.commands
        same_rows = masked(standing.get(row.subject, [])) == wanted.rows
        refused = [place for place in row.places if place in reasons]
        told = not found and all(reasons[place] for place in refused)
        if row.case.refused:
            told = told and len(refused) == len(row.places)
        return {
            "case": row.case.name,
            "survived": row.survived,
            "others_unharmed": same_commands and same_rows and row.cpu_seconds <= LATENCY_SECONDS,
            "told": told and row.rss_mb <= RSS_MB,
            "records": len(row.places),
            "reasons": dict(sorted(Counter(reasons[place] for place in refused).items())),
            "refused_by_kafka": dict(row.refused_by_kafka),
            "seconds": round(row.seconds, 3),
            "cpu_seconds": round(row.cpu_seconds, 3),
            "rss_mb": round(row.rss_mb),
            "notes": [
                *row.notes,
                *(
                    []
                    if same_commands
                    else ["the good tenant's commands are not as without the stranger"]
                ),
                *([] if same_rows else ["the good tenant's rows are not as without the stranger"]),
            ],
        }

    def _aim(self, number: int, good: str) -> Aim:
        partitions = self._settings.partitions
        home = partition_of(good, partitions)
        names = (f"evil/{number}-{n}" for n in range(1_000))
        key = next(name for name in names if partition_of(name, partitions) == home)
        ids = [good_spec(number).event_id, *(one.event_id for one in good_results(number, 0))]
        return Aim(number, key, good, home, partitions, ids, now_ms())

    def _shoot(self, case: Case, shots: Iterable[Shot], aim: Aim, row: Row) -> None:
        producer = backend_of(self._settings).producer(
            self._settings.client(
                **{
                    "compression.type": case.compression,
                    "message.max.bytes": 100_000_000,
                    "linger.ms": 20,
                }
            )
        )

        def delivered(error: Any, message: Message) -> None:
            if error is not None:
                row.refused_by_kafka[error.name()] += 1
            else:
                row.places.append(
                    (message.topic() or "", message.partition() or 0, message.offset() or 0)
                )

        for shot in shots:
            _produce(producer, shot, home_of(aim, shot), delivered, row)
        assert producer.flush(PATIENCE) == 0

    def _send(self, records: Iterable[tuple[str, Record, str]]) -> None:
        for topic, record, key in records:
            partition = 0 if topic == POLICIES else partition_of(key, self._settings.partitions)
            self._good.produce(topic, CODEC.encode(record), key, partition)
        assert self._good.flush(PATIENCE) == 0

    def _looked(self, subject: str) -> bool:
        """Whether the command of a subject has come."""
        message = self._commands.poll(0.02)
        if message is not None and message.error() is None:
            self._seen.setdefault((message.key() or b"").decode(), monotonic())
        return subject in self._seen

    def _taken(self, row: Row) -> bool:
        """Whether the group has committed all that the stranger wrote."""
        ends: dict[tuple[str, int], int] = {}
        for topic, partition, offset in row.places:
            if topic in INPUTS:
                ends[topic, partition] = max(offset + 1, ends.get((topic, partition), 0))
        return self._reached(ends)

    def _reached(self, ends: dict[tuple[str, int], int]) -> bool:
        """Whether the group has committed all before these offsets."""
        try:
            reached = committed(
                self._offsets, [TopicPartition(*place) for place in ends], self._settings
            )
        except KafkaException:
            return False
        return all(reached.get(place, 0) >= end for place, end in ends.items())


def _produce(producer: Producer, shot: Shot, partition: int, delivered: Any, row: Row) -> None:
    while True:
        try:
            producer.produce(
                shot.topic,
                shot.value,
                shot.key,
                partition,
                on_delivery=delivered,
                headers=list(shot.headers),
                timestamp=shot.stamp,
            )
        except BufferError:
            producer.poll(0.1)
        except KafkaException as error:
            row.refused_by_kafka[error.args[0].name()] += 1
            return
        else:
            producer.poll(0)
            return


class Reference:
    """What the good tenant's experiment comes to where nobody else is: the same records, folded
    here.
    """

    def __init__(self) -> None:
        tables, now = PartitionState(0, 1), now_ms()
        assert apply_policy(CODEC.encode(POLICY), tables, CODEC) is None
        values: list[tuple[str, Record]] = [
            (SPECS, good_spec(0)),
            *((RESULTS, one) for one in good_results(0, now)),
        ]
        found: list[Record] = []
        for at, (topic, record) in enumerate(values):
            effects = fold(piece(topic, [Sent(CODEC.encode(record), at, now)]), tables, CODEC)
            found += [one.record for one in effects.outputs if isinstance(one.record, Command)]
        refresh(tables)
        rows = [
            CODEC.decode(name, value)
            for name, kept in (
                ("ArmRow", tables.experiments.arms),
                ("ExperimentRow", tables.experiments.experiments),
            )
            for _, value in kept.snapshot(CODEC)
        ]
        self.commands, self.rows = masked(found), masked(rows)


def good_spec(number: int) -> ExperimentSpec:
    name = f"good/bot-{number}"
    return replace(
        spec_of(0), subject=name, experiment_id="exp", event_id=event_uuid("good", "spec", number)
    )


def good_results(number: int, moment: int) -> list[ExperimentResult]:
    """The results of an experiment of its own, to the record that proves the harm."""
    name, made = f"good/bot-{number}", records_of(0, moment or now_ms())
    assert len(made) == LENGTH
    return [
        replace(one, subject=name, experiment_id="exp", event_id=event_uuid("good", number, at))
        for at, one in enumerate(made)
    ]


def _by_subject(records: Iterable[Any]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for one in records:
        if isinstance(one, ArmRow | ExperimentRow):
            found.setdefault(one.subject, []).append(one)
    return found


@dataclass(frozen=True, slots=True)
class _Told:
    place: Place
    reason: str


def _told(message: Message) -> _Told | None:
    found = letter(message)
    if found is None or not found.sentence:
        return None
    return _Told((found.topic, found.origin_partition, found.origin_offset), found.reason)


def peak_mb(pid: int) -> float:
    """The most resident memory that a process had so far, MB."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used so far, of all its threads."""
    taken = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(taken[11]) + int(taken[12])) / os.sysconf("SC_CLK_TCK")
