"""Clocks and senders that stand still, caused: Debian's Prometheus raises our alerts, and ends them
once it is over.
"""

import os
import re
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

from schemas.catalog import RESULTS, SPECS
from schemas.ids import event_uuid, partition_of
from schemas.records import ExperimentStatus
from streams.kafka.backend import backend_of
from streams.kafka.embedded.broker import EmbeddedKafka
from streams.runtime.clock import now_ms, wait_until
from streams.runtime.settings import Settings
from tests.support.builders import CODEC, result, spec
from tests.support.kafka.logs import send
from tests.support.kafka.prometheus import Prometheus, prometheus
from tests.support.kafka.running import STEADY, Child, own_kafka

pytestmark = pytest.mark.kafka
SILENT_MS = 3_000
BOUNDS = {
    "MendstreamTicksStopped": ("> 30", "> 6"),
    "MendstreamNoCommits": ("> 60", "> 6"),
    "MendstreamOpenTransaction": ("> 90", "> 3"),
}
SECONDS = 60.0


@dataclass(frozen=True)
class Watched:
    """A processor at work that Prometheus scrapes."""

    kafka: EmbeddedKafka
    settings: Settings
    worker: Child
    prometheus: Prometheus

    def caused(self, alert: str, meanwhile: Callable[[], bool] = lambda: True) -> None:
        """Waits for an alert. meanwhile: called at each look."""
        came = wait_until(lambda: meanwhile() and self.prometheus.firing(alert), SECONDS)
        assert came, f"{alert} does not come; {self.prometheus.state()}"


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    # A worker that is frozen for seconds keeps its partitions, so that it is the clock that stands
    # and nobody's else.
    with (
        own_kafka(
            STEADY, silent_ms=SILENT_MS, session_timeout_ms=60_000, transaction_timeout_ms=60_000
        ) as (
            kafka,
            own,
        ),
        Child(own, folder / "processor.log") as worker,
    ):
        worker.awaits(" restored in ")
        address = re.search(r"are at http://([\d.:]+)", worker.log.read_text())
        assert address is not None
        with prometheus(folder, address[1], BOUNDS) as looked:
            ticking = f"count(mendstream_last_tick_timestamp_seconds > 0) == {own.partitions}"
            assert wait_until(lambda: looked.knows(ticking), SECONDS), looked.state()
            yield Watched(kafka, own, worker, looked)


@pytest.fixture(autouse=True)
def _nothing_stands(watched: Watched) -> None:
    for alert in (*BOUNDS, "MendstreamArmsStopped", "MendstreamSubjectsStopped"):
        watched.prometheus.ends(alert)


class Sender:
    """Sends results of an experiment of its own, in which the arms are alike."""

    def __init__(self, settings: Settings, subject: str) -> None:
        self._settings, self._spec, self._number = (
            settings,
            spec(subject=subject, event_id=subject),
            0,
        )
        send(settings, SPECS, [self._spec], [subject])

    def sends(self, *arms: str) -> bool:
        self._number += 1
        subject = self._spec.subject
        records = [
            result(
                event_id=event_uuid(subject, arm, self._number), subject=subject, variant=arm,
                sum=float(self._number % 2), occurred_at=now_ms(),
            )
            for arm in arms
        ]  # fmt: skip
        send(self._settings, RESULTS, records)
        return True

    def stops(self) -> None:
        """By a person, so that its silence is no news."""
        stopped = replace(
            self._spec, event_id=f"{self._spec.subject} stops", status=ExperimentStatus.STOPPED
        )
        send(self._settings, SPECS, [stopped], [stopped.subject])


def test_ticks_that_stop_are_seen_though_the_worker_answers_nobody(watched: Watched) -> None:
    watched.worker.send(signal.SIGSTOP)
    try:
        watched.caused("MendstreamTicksStopped")
    finally:
        watched.worker.send(signal.SIGCONT)
    watched.prometheus.ends("MendstreamTicksStopped")


def test_commits_that_stop_are_seen(watched: Watched) -> None:
    assert watched.kafka.pid is not None
    os.kill(watched.kafka.pid, signal.SIGSTOP)
    try:
        watched.caused("MendstreamNoCommits")
    finally:
        os.kill(watched.kafka.pid, signal.SIGCONT)
    watched.prometheus.ends("MendstreamNoCommits")


def test_a_strangers_transaction_that_hangs_is_seen_while_the_lag_says_nothing(
    watched: Watched,
) -> None:
    stranger = backend_of(watched.settings).producer(
        watched.settings.client(**{"transactional.id": "a stranger"})
    )
    stranger.init_transactions(SECONDS)
    stranger.begin_transaction()
    home = partition_of("stranger", watched.settings.partitions)
    stranger.produce(RESULTS, CODEC.encode(result(subject="stranger")), "stranger", home)
    assert stranger.flush(SECONDS) == 0
    try:
        watched.caused("MendstreamOpenTransaction")
        assert not watched.prometheus.firing("MendstreamLag")
    finally:
        stranger.abort_transaction(SECONDS)
    watched.prometheus.ends("MendstreamOpenTransaction")


def test_an_arm_that_stops_is_seen_while_another_goes_on(watched: Watched) -> None:
    sender = Sender(watched.settings, "arms")
    sender.sends("control", "b")
    watched.caused("MendstreamArmsStopped", lambda: sender.sends("control"))
    assert not watched.prometheus.firing("MendstreamSubjectsStopped")
    firing = watched.prometheus.firing
    assert wait_until(
        lambda: sender.sends("control", "b") and not firing("MendstreamArmsStopped"), SECONDS
    )
    sender.stops()


def test_a_subject_that_stops_is_seen(watched: Watched) -> None:
    sender = Sender(watched.settings, "subjects")
    sender.sends("control", "b")
    watched.caused("MendstreamSubjectsStopped")
    assert watched.worker.says("subjects stopped sending: subjects")
    sender.stops()
    watched.prometheus.ends("MendstreamSubjectsStopped")
