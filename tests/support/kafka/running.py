"""Processors under test: in a thread of this process, or in a process of their own that can be
killed.
"""

import gc
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Self, cast

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from pydantic import SecretStr

from schemas.ids import partition_of
from schemas.records import ExperimentResult
from streams.engine.processor import Processor
from streams.engine.topology import DECIDING, Topology
from streams.kafka.admin.topics import create
from streams.kafka.backend import backend_of
from streams.kafka.embedded.broker import EmbeddedKafka
from streams.kafka.prefixed import Names
from streams.kafka.reading import admin
from streams.runtime.clock import wait_until
from streams.runtime.health import Health
from streams.runtime.settings import Settings
from tests.support.containers import ContainerKafka, asked
from tests.support.kafka.console import ROOT, environment
from tests.support.kafka.logs import CODEC, Place, as_json

SECONDS = 60.0  # the deadline of everything that is waited for; most of it takes less than one
SMALL = {"dedupe_window": 1_000}
# A broker that is not to die: beside other work it may miss its heartbeats for seconds, and its
# controller would then take
# the leaders of all its partitions from it, the coordinators' among them, again and again.
STEADY = {"broker.session.timeout.ms": "30000"}
EAGER = {
    "group.min.session.timeout.ms": "1000"
}  # of the broker, so that a dead worker is missed soon
# The broker that tests share.
SHARED = EAGER | STEADY
_NUMBERS = count()


@contextmanager
def own_kafka(
    broker: Mapping[str, str] | None = None, **settings: Any
) -> Iterator[tuple[EmbeddedKafka, Settings]]:
    """A broker with its topics, all of it one run's own; a container where --kafka=container asks
    for one.

    A container has of an EmbeddedKafka what tests that pytest runs ask of it: its address, `kill`
    and `restart`.
    """
    chosen_broker = (
        cast(EmbeddedKafka, ContainerKafka(broker)) if asked() else EmbeddedKafka(settings=broker)
    )
    with chosen_broker as embedded:
        chosen = Settings(bootstrap=embedded.bootstrap, **(SMALL | settings))
        create(admin(chosen), chosen)
        yield embedded, chosen


@contextmanager
def own_topics(bootstrap: str, made: bool = True, **settings: Any) -> Iterator[Settings]:
    """Topics of a prefix of their own on a broker that others share; they go in the end.

    made: whether they are there already.
    """
    prefix = f"test-{os.getpid()}-{next(_NUMBERS)}."
    chosen = Settings(bootstrap=bootstrap, topic_prefix=prefix, **(SMALL | settings))
    client = admin(chosen)
    if made:
        create(client, chosen)
    try:
        yield chosen
    finally:
        there = list(client.list_topics(timeout=SECONDS).topics)
        for gone in client.delete_topics(there).values() if there else ():
            gone.result()


def where(settings: Settings) -> tuple[str, ...]:
    """The options of a command that name an installation."""
    return (
        *("--bootstrap", settings.bootstrap, "--topic-prefix", settings.topic_prefix),
        *("--partitions", str(settings.partitions)),
    )


def at_kafka(
    settings: Settings, parts: Iterable[TopicPartition]
) -> tuple[AdminClient, list[TopicPartition]]:
    """A client for what Mendstream itself never asks for, and partitions by their names at
    Kafka.
    """
    return AdminClient(settings.client()), Names(settings.topic_prefix).parts_out(parts)


def set_offsets(settings: Settings, parts: list[TopicPartition]) -> None:
    """Alters the group's offsets as soon as the group is empty."""
    client, named = at_kafka(settings, parts)
    request = [ConsumerGroupTopicPartitions(settings.group, named)]

    def altered() -> bool:
        try:
            done = client.alter_consumer_group_offsets(request)[settings.group].result()
        except KafkaException:
            return False
        return all(part.error is None for part in done.topic_partitions)

    assert wait_until(altered, SECONDS)


def forget(settings: Settings, cut: list[TopicPartition]) -> None:
    """Deletes the records before these offsets, as retention would."""
    client, named = at_kafka(settings, cut)
    for future in client.delete_records(named).values():
        future.result()


def changed(settings: Settings, **more: Any) -> Settings:
    """The same settings but for some; what is a default stays one."""
    return Settings(**settings.model_dump(exclude_unset=True) | more)


def environment_of(settings: Settings) -> dict[str, str]:
    """What was set, as environment variables; secrets in plain text."""
    given = {name: getattr(settings, name) for name in settings.model_fields_set}
    plain = {
        name: each.get_secret_value() if isinstance(each, SecretStr) else each
        for name, each in given.items()
    }
    return {f"MENDSTREAM_{name.upper()}": str(value) for name, value in plain.items()}


class Threaded:
    """A processor in a thread. Leaving it stops the processor, and raises what ended it before."""

    def __init__(
        self, settings: Settings, health: Health | None = None, topology: Topology[Any] = DECIDING
    ) -> None:
        self._health = health or Health()
        self.processor = Processor(settings, CODEC, self._health, topology=topology)
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="processor")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.processor.stop()
        self._thread.join(SECONDS)
        # a processor keeps what it began with out of the collector's sight, here with what its
        # tests left
        gc.unfreeze()
        gc.collect()
        assert not self._thread.is_alive(), "a processor that was asked to stop goes on"
        if self.error is not None and kind is None:
            raise self.error

    def until(self, condition: Callable[[], bool]) -> None:
        """Waits for a condition; raises what ended the processor before it came about."""
        assert wait_until(lambda: self.error is not None or condition(), SECONDS), (
            "it never came about"
        )
        if self.error is not None:
            error, self.error = self.error, None
            raise error

    @property
    def ready(self) -> bool:
        return self._health.ready

    def takes_in(self, ends: Mapping[Place, int]) -> None:
        """Waits until everything before these offsets is committed; the last of each partition must
        be a record.
        """
        self.until(lambda: self.processor.progress(ends) >= sum(ends.values()))

    def _run(self) -> None:
        try:
            self.processor.run()
        except BaseException as error:  # noqa: BLE001 - the test says which it expects
            self.error = error


class Child:
    """`mendstream processor` in a process of its own, or another program of Python's with the same
    settings.
    """

    def __init__(self, settings: Settings, log: Path, *program: str) -> None:
        self.log = log
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                [sys.executable, *(program or ("-m", "streams", "processor"))],
                cwd=ROOT,
                env=environment(environment_of(settings)),
                stdout=file,
                stderr=file,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    @property
    def stopped(self) -> bool:
        """Whether SIGSTOP holds it."""
        options = os.WSTOPPED | os.WNOHANG | os.WNOWAIT
        return not self.ended and os.waitid(os.P_PID, self._process.pid, options) is not None

    @property
    def restored(self) -> list[str]:
        """The partitions that it restored, from the first time to the last."""
        lines = [line for line in self.log.read_text().splitlines() if " restored in " in line]
        return [line.split("partitions ")[1].split(" restored")[0] for line in lines]

    @property
    def state(self) -> str:
        """How it stands, in a line for a person who asks why something did not come about."""
        how = "ended" if self.ended else "stopped" if self.stopped else "runs"
        last = next(
            (line for line in reversed(self.log.read_text().splitlines()) if line.strip()),
            "nothing",
        )
        return f"{self.log.name}: {how}, restored {self.restored}, said last: {last}"

    def says(self, text: str, times: int = 1) -> bool:
        return self.log.read_text().count(text) >= times

    def awaits(self, text: str, times: int = 1) -> None:
        """Waits for a text in what it says."""
        assert wait_until(lambda: self.says(text, times) or self.ended, SECONDS), (
            self.log.read_text()
        )
        assert self.says(text, times), self.log.read_text()

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self, seconds: float = SECONDS) -> int:
        return self._process.wait(seconds)


def victim(settings: Settings, point: str, share: float, ends: Mapping[Place, int]) -> int:
    """Runs a processor that dies at a point; returns how it ended (see victim.py)."""
    given = [
        f"{name}={getattr(settings, name)}"
        for name in settings.model_fields_set
        if name != "bootstrap"
    ]
    command = [
        sys.executable,
        "-m",
        "tests.support.kafka.victim",
        settings.bootstrap,
        point,
        str(share),
        as_json(dict(ends)),
    ]
    done = subprocess.run(
        [*command, *given], cwd=ROOT, timeout=SECONDS, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr[-2000:]
    return done.returncode


class Feeder:
    """A producer under which things happen: a little is sent at each look at what is waited for."""

    def __init__(
        self,
        settings: Settings,
        topic: str,
        records: Iterator[ExperimentResult],
        each: int = 100,
        stamped: bool = False,
    ) -> None:
        """stamped: with the record's own time as the message's, as a producer would whose clock is
        wrong.
        """
        self._stamped = stamped
        self._settings, self._topic, self._records, self._each = settings, topic, records, each
        self._producer = backend_of(settings).producer(settings.client(**{"linger.ms": 5}))
        self.sent = 0

    def until(self, condition: Callable[[], bool], told: Callable[[], str] = lambda: "") -> None:
        """Sends until a condition holds. told: what stands in the way, for who reads that it never
        came about.
        """
        came = wait_until(lambda: self._feed() and condition(), SECONDS)
        assert came, (
            f"it never came about under load of {self.sent} records within {SECONDS:.0f} "
            f"s\n{told()}"
        )

    def feed(self, records: int) -> None:
        """Sends some more and waits until they are acknowledged."""
        goal = self.sent + records
        while self.sent < goal:
            self._feed()
        assert self._producer.flush(SECONDS) == 0

    def _feed(self) -> bool:
        for _ in range(self._each):
            record = next(self._records)
            partition = partition_of(record.subject, self._settings.partitions)
            stamp = record.occurred_at if self._stamped else 0  # 0: the time of this machine
            self._producer.produce(
                self._topic, CODEC.encode(record), record.subject, partition, timestamp=stamp
            )
            self.sent += 1
        self._producer.poll(0)
        return True
