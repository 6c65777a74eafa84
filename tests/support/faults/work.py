"""A processor at work under load and under its supervisor, while a fault is done to what it
needs.
"""

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, TopicPartition

from schemas.catalog import RESULTS
from streams.kafka.backend import backend_of
from streams.runtime.clock import monotonic, wait_until
from streams.runtime.settings import Settings
from streams.runtime.supervisor import Worker
from tests.support.faults.load import announce, results
from tests.support.kafka.logs import Place
from tests.support.kafka.running import SECONDS, Feeder

MANY = 100  # crashes in a row: faults come faster here than a supervisor calls soon
# records committed between two faults, so that each hits work and not the start of a processor
BETWEEN = 1_000

ANSWER_SECONDS = 0.5  # of a broker that lives


@contextmanager
def at_work(settings: Settings, directory: Path) -> Iterator["Work"]:
    """Starts the processor and its load; leaves when the processor, asked to stop, has stopped."""
    announce(settings)
    with Worker(settings, directory / "processor.log", crashes=MANY) as worker:
        yield Work(settings, worker)


class Work:
    """A stream of results with planted harm, and the processor that takes them in."""

    def __init__(self, settings: Settings, worker: Worker) -> None:
        self._settings, self._worker = settings, worker
        self._load = Feeder(settings, RESULTS, results(), each=20)
        self._committed = Committed(settings)
        self.restarts = 0

    def suffers(self, fault: Callable[[], None]) -> float:
        """Does a fault while work goes on.

        Returns the seconds from its end until each partition has committed a record that was
        written after it: a commit that was on its way before, and is only finished by Kafka, does
        not count.
        """
        self._moves_on(BETWEEN)
        ended = self.goes_on(fault)
        self._moves_on(0)
        return monotonic() - ended

    def goes_on(self, meanwhile: Callable[[], None]) -> float:
        """Works on while something else happens; returns when that ended."""
        with ThreadPoolExecutor(1) as pool:
            doing = pool.submit(_timed, meanwhile)
            self._until(doing.done)
            return doing.result()

    def kills(self) -> None:
        """Kills the processor; its supervisor starts it again."""
        assert self._worker.pid is not None
        os.kill(self._worker.pid, signal.SIGKILL)

    def finishes(self) -> dict[Place, int]:
        """Ends the load and waits until all of it is committed; returns the ends of the results."""
        self._load.feed(0)
        ends = self._committed.ends()
        assert wait_until(lambda: self._watched() and self._committed.past(ends), SECONDS), (
            "it does not catch up"
        )
        return ends

    def _moves_on(self, records: int) -> None:
        ends, sent = self._ends(), self._load.sent
        beyond = {place: end + 1 for place, end in ends.items()}
        self._until(lambda: self._load.sent >= sent + records and self._committed.past(beyond))

    def _ends(self) -> dict[Place, int]:
        """The ends of the results, as soon as Kafka tells them; meanwhile work goes on."""
        found: dict[Place, int] = {}
        self.goes_on(lambda: found.update(self._committed.ends()))
        return found

    def _until(self, condition: Callable[[], bool]) -> None:
        self._load.until(lambda: self._watched() and condition())

    def _watched(self) -> bool:
        self.restarts += self._worker.watch()
        return True


class Committed:
    """The group's committed offsets, and what there is to commit, asked of Kafka."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._consumer = self._asking()

    def past(self, ends: Mapping[Place, int]) -> bool:
        """Whether each partition is committed up to its end; no answer is a no."""
        try:
            found = self._consumer.committed(
                [TopicPartition(*place) for place in ends], timeout=ANSWER_SECONDS
            )
        except KafkaException:
            self._consumer.close()
            self._consumer = self._asking()  # one whose coordinator died may ask the dead for ever
            return False
        return all(
            part.error is None and part.offset >= ends[part.topic, part.partition] for part in found
        )

    def ends(self) -> dict[Place, int]:
        """The ends of the results; a broker that died is not waited for as long as Kafka's own
        clients would.
        """
        found: dict[Place, int] = {}

        def told() -> bool:
            consumer = self._asking()
            try:
                for p in range(self._settings.partitions):
                    known = consumer.get_watermark_offsets(
                        TopicPartition(RESULTS, p), timeout=ANSWER_SECONDS
                    )
                    found[RESULTS, p] = known[1] if known else -1
            except KafkaException:
                return False
            finally:
                consumer.close()
            return -1 not in found.values()

        assert wait_until(told, SECONDS), "nobody tells the ends of the results"
        return found

    def _asking(self) -> Consumer:
        # Uncommitted: what transactions under way will commit is not waited for; it is not shown
        # either.
        reader = {
            "group.id": self._settings.group,
            "isolation.level": "read_uncommitted",
            "enable.auto.commit": False,
        }
        return backend_of(self._settings).consumer(self._settings.client(**reader))


def _timed(fault: Callable[[], None]) -> float:
    fault()
    return monotonic()
