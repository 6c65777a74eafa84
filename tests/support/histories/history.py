"""Histories for the laws: what a partition was sent, chapter by chapter.

Statuses answer the commands that the chapters before them led to, so a history is folded while it
is written.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from agents.core.batch import Slice
from schemas.catalog import (
    INPUTS,
    METRICS,
    POLICIES,
    REQUESTS,
    RESULTS,
    SPECS,
    STATUS,
    TICKS,
    TRUST_LEVELS,
)
from schemas.codec.framing import Record
from schemas.ids import event_uuid
from schemas.records import CommandStatus, Status, Tick
from state.partition.partition_state import PartitionState
from tests.support.builders import CODEC, NOON, Sent
from tests.support.histories import people
from tests.support.histories.advice import HOME, advice
from tests.support.histories.chapters import (
    Advisers,
    Answers,
    Chapter,
    Feedback,
    Metrics,
    People,
    Results,
    Rolled,
    Rule,
    Specs,
)
from tests.support.histories.folding import Folded, Step, Told, fresh_tables, take
from tests.support.histories.metrics import metric_records
from tests.support.histories.policies import BASE_POLICY, policy_of
from tests.support.histories.results import result_records
from tests.support.histories.specs import ROLLED, SPECIFIED, varied


@dataclass
class History:
    """The steps written so far, folded whole as they came."""

    steps: list[Step] = field(default_factory=list)
    tables: PartitionState = field(default_factory=fresh_tables)
    folded: Folded = field(default_factory=Folded)
    _offsets: dict[str, int] = field(default_factory=dict)
    _now: int = NOON
    _fed: int = 0

    @staticmethod
    def of(chapters: Iterable[Chapter]) -> "History":
        history = History()
        history.add(Told(POLICIES, CODEC.encode(BASE_POLICY)))
        for number, chapter in enumerate(chapters):
            history.write(chapter, number)
        return history

    def add(self, step: Step) -> None:
        self.steps.append(step)
        take(step, self.tables, self.folded)

    def write(self, chapter: Chapter, number: int) -> None:  # noqa: C901 - one case a chapter
        match chapter:
            case Results():
                self._send(RESULTS, list(result_records(chapter, number)), chapter.seed)
            case Metrics():
                self._send(METRICS, list(metric_records(chapter, number)), chapter.seed)
            case Specs():
                specs = [
                    varied(SPECIFIED[i % len(SPECIFIED)], chapter.terms, number)
                    for i in chapter.which
                ]
                self._send(SPECS, [*specs, b"not a spec", *specs[:1]], 0)
            case Answers():
                self._send(STATUS, list(self._answers(chapter, number)), 0)
            case Rule():
                self.add(Told(POLICIES, CODEC.encode(policy_of(chapter.kind))))
            case Advisers():
                for topic, records in advice(chapter.seed, chapter.n, number).items():
                    self._send(topic, records, chapter.seed)
            case People():
                rows = list(self.tables.commands.commands.rows())
                for topic, record in people.said(chapter.seed, chapter.n, number, rows, HOME[:3]):
                    self._send(topic, [record], chapter.seed)
            case Rolled():
                self._send(REQUESTS, [people.deploys(chapter.seed, number, *ROLLED)], chapter.seed)
                if shares := list(self._shares(chapter, number)):
                    self._send(STATUS, shares, chapter.seed)
            case Feedback():
                self._feed_back()
            case int():
                self._now += 1_000 * chapter
                self._send(TICKS, [Tick(0, self._now)], 0)

    def _send(self, topic: str, records: list[Record | bytes | Sent | None], seed: int) -> None:
        rng = np.random.default_rng(seed)
        offset = self._offsets.get(topic, 0)
        delivered = []
        for record in records:
            self._now += 1
            appended = self._now - int(rng.integers(0, 3))
            if isinstance(record, Sent):
                delivered.append(replace(record, at=offset, appended=appended))
            else:
                raw = (
                    record if record is None or isinstance(record, bytes) else CODEC.encode(record)
                )
                delivered.append(Sent(raw, offset, appended))
            offset += 1 + int(rng.random() < 0.05)  # a transaction marker
        self._offsets[topic] = offset
        self.add(Slice.of(topic, 0, delivered))

    def _feed_back(self) -> None:
        news, self._fed = self.folded.outputs[self._fed :], len(self.folded.outputs)
        for topic in dict.fromkeys(topic for topic, *_ in news):
            values = [value for name, _, _, value in news if name == topic]
            if topic in INPUTS:
                self._send(topic, list(values), len(values))
            elif topic == TRUST_LEVELS:
                for value in values:
                    self.add(Told(topic, value))

    def _answers(self, chapter: Answers, number: int) -> Iterator[Record]:
        for row in [row for row in self.tables.commands.commands.rows() if row.fencing_token > 0]:
            yield CommandStatus(
                event_id=event_uuid("status", number, row.command_id),
                command_id=row.command_id,
                attempt=chapter.attempt,
                subject=row.subject,
                status=chapter.status,
                fencing_token=row.fencing_token,
                reported_at=NOON,
                reporter="a test",
            )
        yield CommandStatus(
            event_id=event_uuid("status", number, "unknown"),
            command_id=event_uuid("nobody's"),
            subject=HOME[0],
            status=chapter.status,
            fencing_token=1,
            reported_at=NOON,
            reporter="a test",
        )

    def _shares(self, chapter: Rolled, number: int) -> Iterator[Record | bytes | Sent | None]:
        rng = np.random.default_rng([chapter.seed, number])
        rows = [
            row
            for row in self.tables.commands.commands.rows()
            if row.experiment_id == ROLLED[1] and row.fencing_token
        ]
        for at in range(chapter.n if rows else 0):
            row, begins = (
                rows[int(rng.integers(len(rows)))],
                NOON + int(rng.integers(-1_000, 1_000)),
            )
            yield CommandStatus(
                event_id=event_uuid("share", number, at),
                command_id=row.command_id,
                attempt=row.attempt,
                subject=row.subject,
                status=Status.IN_PROGRESS,
                fencing_token=row.fencing_token,
                reported_at=NOON,
                reporter="a test",
                traffic_share=float(rng.choice((0.0, 0.5, 0.5, 0.5, 1.0))),
                share_from=begins,
                share_until=begins + int(rng.integers(1, 3_000)) if rng.random() < 0.8 else None,
            )
