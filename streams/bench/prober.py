"""Sends records one by one and times what follows from each."""

from collections.abc import Callable, Set
from dataclasses import replace

import numpy as np
from confluent_kafka import TopicPartition

from schemas.catalog import POLICIES, RESULTS, REVIEWS, SPECS, TABLES_COMMANDS, local_ids
from schemas.codec.framing import Codec
from schemas.ids import event_uuid, partition_of
from schemas.records import Autonomy, CommandRow, Phase, Review, ReviewVerdict
from streams.bench.probes import LENGTH, POLICY, records_of, spec_of, subject_of
from streams.kafka.backend import backend_of
from streams.kafka.reading import committed_reader
from streams.kafka.table_reader import read_table
from streams.runtime.clock import monotonic, now_ms, wait_until
from streams.runtime.settings import Settings

PROBES = 300
EVERY_SECONDS = 0.05
GONE_SECONDS = 30.0  # after which what did not come is as good as lost
PATIENCE = 60.0
SETTLE_SECONDS = 5.0  # from the beginning of the background to the first probe


class Probes:
    """Sends records one by one and watches for what follows from each."""

    policy = POLICY

    def __init__(self, settings: Settings, watched: str, probes: int = PROBES) -> None:
        self.probes = probes
        self._settings, self._codec = settings, Codec(local_ids())
        self._producer = backend_of(settings).producer(settings.client(**{"linger.ms": 0}))
        self._consumer = committed_reader(settings, group="probes")
        self._consumer.assign([TopicPartition(watched, p, 0) for p in range(settings.partitions)])
        self._seen: dict[str, float] = {}
        self.sent: dict[str, float] = {}
        self._values = [
            [self._codec.encode(one) for one in records_of(n, now_ms())]
            for n in range(1 + self.probes)
        ]

    def __enter__(self) -> "Probes":
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def prepare(self, experiments: bool) -> None:
        """Brings every experiment to within a record of its end; the first of them ends at once."""
        if experiments:  # each probe is to be answered at once, however many an hour
            self._producer.produce(
                POLICIES, self._codec.encode(self.policy), self.policy.policy_id, 0
            )
            self._producer.flush()
        for number in range(1 + self.probes) if experiments else ():
            self._send(SPECS, number, self._codec.encode(spec_of(number)))
            for value in self._values[number][: LENGTH - 1]:
                self._send(RESULTS, number, value)
        self._producer.flush()

    def take(self, load: Callable[[], None]) -> list[float]:
        """Milliseconds of each probe, after one that shows that all is at work."""
        self._bring_about(0)
        if not self._until({subject_of(0)}, PATIENCE):
            return [GONE_SECONDS * 1e3] * self.probes
        load()
        self._for(SETTLE_SECONDS)
        sent = self.sent
        for number in range(1, 1 + self.probes):
            sent[subject_of(number)] = monotonic()
            self._bring_about(number)
            self._for(EVERY_SECONDS)
        self._until(sent.keys(), GONE_SECONDS)
        return [
            1e3 * min(self._seen.get(name, np.inf) - began, GONE_SECONDS)
            for name, began in sent.items()
        ]

    def _bring_about(self, number: int) -> None:
        self._send(RESULTS, number, self._values[number][-1])

    def _for(self, seconds: float) -> None:
        until = monotonic() + seconds
        while (left := until - monotonic()) > 0:
            self._look(left)

    def _until(self, names: Set[str], seconds: float) -> bool:
        """Looks until all of these were seen; some put out thousands of rows beside them."""
        until = monotonic() + seconds
        while not self._seen.keys() >= names and (left := until - monotonic()) > 0:
            self._look(left)
        return self._seen.keys() >= names

    def _look(self, seconds: float) -> None:
        message = self._consumer.poll(seconds)
        if message is not None and message.error() is None:
            name = (message.key() or b"").decode().partition("|")[0]
            self._seen.setdefault(name, monotonic())

    def _send(self, topic: str, number: int, value: bytes) -> None:
        name = subject_of(number)
        while True:
            try:
                self._producer.produce(
                    topic, value, name, partition_of(name, self._settings.partitions)
                )
            except BufferError:
                self._producer.poll(0.1)
            else:
                self._producer.poll(0)
                return


class Approvals(Probes):
    """Has every rollback wait for a person, and approves them one by one."""

    policy = replace(POLICY, rollback=Autonomy.APPROVE)

    def take(self, load: Callable[[], None]) -> list[float]:
        for number in range(1 + self.probes):
            super()._bring_about(number)
        self._producer.flush()
        if not wait_until(lambda: len(self._waiting()) == 1 + self.probes, PATIENCE):
            return [GONE_SECONDS * 1e3] * self.probes
        rows = self._waiting()
        self._reviews = [
            self._codec.encode(_approval(rows[subject_of(n)])) for n in range(1 + self.probes)
        ]
        return super().take(load)

    def _bring_about(self, number: int) -> None:
        self._send(REVIEWS, number, self._reviews[number])

    def _waiting(self) -> dict[str, CommandRow]:
        rows = read_table(self._settings, self._codec, TABLES_COMMANDS).values()
        return {
            row.subject: row
            for row in rows
            if isinstance(row, CommandRow) and row.phase == Phase.PENDING_APPROVAL
        }


def _approval(row: CommandRow) -> Review:
    return Review(
        event_id=event_uuid("approval", row.command_id),
        subject=row.subject,
        command_id=row.command_id,
        verdict=ReviewVerdict.APPROVE,
        digest=row.digest,
        reviewer="bench",
        reviewed_at=now_ms(),
    )
