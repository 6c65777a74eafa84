"""Two tenants with a row of each kind, written to the topics as processors would have."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import Enum
from typing import Any, cast

from schemas.catalog import (
    ALERTS,
    CYCLES,
    DEAD_LETTERS,
    DECISIONS,
    FAILURES,
    JOURNAL,
    POINTS,
    REQUESTS,
    TABLES_AGENT_DAYS,
    TABLES_ALERTS,
    TABLES_ANOMALIES,
    TABLES_ARMS,
    TABLES_COMMANDS,
    TABLES_EXPERIMENTS,
    TABLES_LEARNING,
    TABLES_LESSONS,
    TABLES_METRICS,
    TABLES_PATTERNS,
    TABLES_POLICIES,
    TABLES_SIGNALS,
    TABLES_SUBJECTS,
    TABLES_TRUST,
    TRANSITIONS,
    local_ids,
)
from schemas.codec.framing import Codec, Record
from schemas.ids import digest_of_bytes, event_uuid, partition_of
from schemas.records import AlertState, JournalEntry, Order, Phase, RequestKind
from state.storage.table import day_of, row_key
from streams.kafka.backend import backend_of
from streams.kafka.dead_letters import NAMES, REASON
from streams.runtime.clock import now_ms
from streams.runtime.settings import Settings
from tests.support.samples import sample

CODEC = Codec(local_ids())
# In no text of a row of the other: what an answer to a stranger is searched for.
ALPHA, BRAVO = "quokka", "wombat"
DAY = now_ms() // 86_400_000 * 86_400_000  # the first moment of this day, UTC


@dataclass(frozen=True, slots=True)
class Kept:
    """One record where it is to stand. value: None deletes."""

    topic: str
    key: str
    value: bytes | None
    partition_by: str
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Tenant:
    """One tenant's names. Each holds the tenant's own, so that none is in another's answer."""

    name: str

    @property
    def subject(self) -> str:
        return f"{self.name}/bot"

    @property
    def experiment(self) -> str:
        return f"{self.name}-checkout"

    @property
    def agent(self) -> str:
        return f"{self.name}/adviser"

    def id(self, what: str) -> str:
        return f"{self.name}-{what}"

    def command_row(self, what: str = "pending", **more: Any) -> Any:
        """The row of a command that waits for a person."""
        command = self._named(sample("RollbackCommand"), subject=self.subject, evidence=())
        encoded = CODEC.encode(command)
        row = self._named(
            sample("CommandRow"),
            command_id=self.id(what),
            subject=self.subject,
            target=f"{self.subject}/production",
            order=Order.ROLLBACK,
            phase=Phase.PENDING_APPROVAL,
            decision_id=self.id("decision"),
            experiment_id=self.experiment,
            command=encoded,
            digest=digest_of_bytes(encoded),
            requested_by="",
            approved_as=Order.UNKNOWN,
        )
        return replace(row, **more)

    def served_row(self, what: str = "served", **more: Any) -> Any:
        """The row of a deployment that was completed. more: fields of its command."""
        command = replace(
            self._named(sample("DeployCommand"), subject=self.subject, evidence=()),
            **({"dry_run": False} | more),
        )
        encoded = CODEC.encode(command)
        return self.command_row(
            what,
            order=Order.DEPLOY,
            phase=Phase.COMPLETED,
            command=encoded,
            digest=digest_of_bytes(encoded),
        )

    def records(self) -> Iterator[Kept]:
        """A record of each kind that a gateway keeps."""
        subject, experiment = self.subject, self.experiment
        arm = {"subject": subject, "experiment_id": experiment, "segment": None, "step": None}
        rows: list[tuple[str, str, Any]] = [
            (TABLES_COMMANDS, self.id("pending"), self.command_row()),
            (
                TABLES_COMMANDS,
                self.id("done"),
                self.command_row(
                    "done",
                    phase=Phase.COMPLETED,
                    order=Order.RETRAIN,
                    command=None,
                    issued_at=now_ms(),
                ),
            ),
            (TABLES_COMMANDS, self.id("served"), self.served_row()),
            (
                TABLES_METRICS,
                row_key(subject, "conversion", None),
                self._named(sample("MetricRow"), subject=subject, metric="conversion"),
            ),
            (
                TABLES_ANOMALIES,
                row_key(subject, "conversion", None),
                self._named(sample("AnomalyRow"), subject=subject, metric="conversion"),
            ),
            (
                TABLES_SIGNALS,
                row_key(self.id("signal")),
                self._named(sample("SignalRow"), signal=self.id("signal")),
            ),
            (
                TABLES_LEARNING,
                row_key(self.name),
                self._named(sample("LearningRow"), tenant=self.name),
            ),
            (
                CYCLES,
                self.name,
                self._named(
                    sample("LearningCycle"),
                    cycle_id=self.id("cycle"),
                    tenant=self.name,
                    cycled_at=now_ms(),
                ),
            ),
            (
                TABLES_EXPERIMENTS,
                row_key(subject, experiment),
                self._named(sample("ExperimentRow"), subject=subject, experiment_id=experiment),
            ),
            (
                TABLES_ARMS,
                row_key(subject, experiment, "conversion", "b", None, None),
                self._named(sample("ArmRow"), metric="conversion", variant="b", **arm),
            ),
            *(
                (
                    POINTS,
                    subject,
                    self._named(
                        sample("ArmPoint"),
                        subject=subject,
                        experiment_id=experiment,
                        variant="b",
                        metric="conversion",
                        offset=offset,
                        at=now_ms(),
                    ),
                )
                for offset in (7, 12)
            ),
            (
                TABLES_SUBJECTS,
                row_key(subject),
                self._named(sample("SubjectRow"), subject=subject, frozen_by=self.id("ann")),
            ),
            (
                TABLES_TRUST,
                row_key(self.agent),
                self._named(sample("TrustRow"), agent_id=self.agent),
            ),
            (
                TABLES_AGENT_DAYS,
                row_key(self.agent, day_of(DAY)),
                self._named(sample("AgentDayRow"), agent_id=self.agent, day=DAY),
            ),
            (
                TABLES_LESSONS,
                row_key(self.name, "EXPERT", self.id("lesson")),
                self._named(sample("LessonRow"), tenant=self.name, name=self.id("lesson")),
            ),
            (
                TABLES_ALERTS,
                row_key("harm", subject),
                self._named(
                    sample("AlertRow"),
                    rule="harm",
                    key=subject,
                    crowd=self.name,
                    alert_id=self.id("alert"),
                    state=AlertState.RAISED,
                ),
            ),
            (
                TABLES_PATTERNS,
                self.id("pattern"),
                self._named(sample("PatternRow"), pattern=self.id("pattern"), subjects=(subject,)),
            ),
            (
                TABLES_POLICIES,
                row_key(self.id("policy")),
                self._named(
                    sample("Policy"), policy_id=self.id("policy"), subjects=(f"{self.name}/*",)
                ),
            ),
            (
                DECISIONS,
                subject,
                self._named(
                    sample("Decision"),
                    decision_id=self.id("decision"),
                    subject=subject,
                    experiment_id=experiment,
                    decided_at=now_ms(),
                ),
            ),
            (
                TRANSITIONS,
                subject,
                self._named(
                    sample("Transition"),
                    event_id=self.id("transition"),
                    subject=subject,
                    command_id=self.id("pending"),
                    moved_at=now_ms(),
                ),
            ),
            (
                FAILURES,
                subject,
                self._named(
                    sample("FailureAnalysis"),
                    failure_id=self.id("failure"),
                    subject=subject,
                    decision_id=self.id("decision"),
                    analysed_at=now_ms(),
                ),
            ),
            (
                ALERTS,
                subject,
                self._named(
                    sample("Alert"),
                    alert_id=self.id("alert"),
                    key=subject,
                    metric="decisions.harm",
                    raised_at=now_ms(),
                ),
            ),
            (
                REQUESTS,
                subject,
                self._named(
                    sample("Request"),
                    event_id=self.id("request"),
                    subject=subject,
                    kind=RequestKind.IMPROVE,
                    requested_at=now_ms(),
                ),
            ),
        ]
        for topic, key, record in rows:
            yield Kept(topic, key, CODEC.encode(record), subject)
        yield self.letter()

    def letter(self) -> Kept:
        """A result of this tenant that was refused."""
        said = ("Refused", f"{self.name} said it", "", "experiments.results.v1", "0", "0")
        headers = [(n, v.encode()) for n, v in zip(NAMES, said, strict=True)]
        # Each letter has an origin of its own.
        headers[-1] = (headers[-1][0], str(len(self.name) * 7 + ord(self.name[0])).encode())
        added = (*headers, (REASON, b"NOT_FINITE"))
        return Kept(DEAD_LETTERS, self.subject, b"bytes", self.subject, added)

    def _named(self, record: Record, **given: Any) -> Any:
        """A record whose every text is this tenant's, and some fields as given."""
        return replace(cast(Any, _texts(record, self.id("text"))), **given)


def journal_entry(partition: int, **more: Any) -> JournalEntry:
    """The entry of a partition whose clock is now."""
    entry = JournalEntry(
        number=1,
        partition=partition,
        agents="1",
        now=now_ms(),
        steps=(),
        next_offsets={},
        broadcast_offset=0,
        applied=0,
        duplicates=0,
        forwarded=0,
        dead_letters=0,
    )
    return replace(entry, **more)


def write(settings: Settings, records: Iterator[Kept] | list[Kept]) -> None:
    """Writes records and waits until they are acknowledged."""
    producer = backend_of(settings).producer(settings.client(**{"linger.ms": 5}))
    for one in records:
        producer.produce(
            one.topic,
            key=one.key,
            value=one.value,
            partition=partition_of(one.partition_by, settings.partitions),
            headers=list(one.headers),
        )
        producer.poll(0)
    assert producer.flush(60.0) == 0


def write_journal(settings: Settings, **more: Any) -> None:
    """An entry of each partition, so that answers are of now."""
    producer = backend_of(settings).producer(settings.client())
    for partition in range(settings.partitions):
        entry = CODEC.encode(journal_entry(partition, **more))
        producer.produce(JOURNAL, key="", value=entry, partition=partition)
    assert producer.flush(60.0) == 0


def unique(what: str, number: int) -> str:
    """An id of its own."""
    return event_uuid(what, number)


def _texts(value: Any, text: str) -> Any:
    if isinstance(value, Enum):
        return value
    if isinstance(value, str):
        return text
    if isinstance(value, tuple):
        return tuple(_texts(item, text) for item in value)
    if isinstance(value, dict):
        return {f"{text}-{key}": _texts(item, text) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return replace(
            value, **{f.name: _texts(getattr(value, f.name), text) for f in fields(value)}
        )
    return value
