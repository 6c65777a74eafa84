"""Fault 4, KAFKA-17754: an EndTxn is held up on the way and arrives while the next transaction is
open.
"""

import signal
from pathlib import Path

from confluent_kafka import TopicPartition

from schemas.catalog import JOURNAL, RESULTS
from streams.kafka.reading import admin, end_offsets
from streams.runtime.settings import Settings
from tests.support.faults.case import Case, Outcome, Setting
from tests.support.faults.judge import judged, replayed
from tests.support.faults.load import Recovery, announce, results, take_in
from tests.support.faults.proxy import (
    END_TXN,
    REFUSED,
    TXN_OFFSET_COMMIT,
    Proxy,
    kafka_behind_proxy,
)
from tests.support.faults.victim import Plan
from tests.support.kafka.logs import ends_of
from tests.support.kafka.running import Child, Feeder

WITHIN = 5.0
COMMIT_MS = 20


def delayed_end(setting: Setting) -> Outcome:
    runs = 20 if setting.full else 2
    with kafka_behind_proxy(commit_ms=COMMIT_MS, dedupe_window=100_000) as (proxy, settings):
        load = loaded(settings)
        slowest = 0.0
        for run in range(runs):
            answer, seconds = hold_up(
                proxy, settings, load, setting.directory / f"{run}.log", abort=run % 2 == 1
            )
            assert answer in REFUSED, f"the broker answered the late EndTxn with {answer}"
            slowest = max(slowest, seconds)
        load.feed(1_000)
        ends = ends_of(settings, RESULTS)
        take_in(settings, ends, setting.directory / "last.log")
        return Outcome(
            runs, judged(settings, ends).plus(replayed(settings, setting.directory)), slowest
        )


def loaded(settings: Settings) -> Feeder:
    """A load of which some is there before any worker."""
    announce(settings, 100)
    load = Feeder(settings, RESULTS, results(), each=15)
    load.feed(5_000)
    return load


def hold_up(
    proxy: Proxy, settings: Settings, load: Feeder, log: Path, abort: bool, plan: Plan | None = None
) -> tuple[int, float]:
    """Lets the late EndTxn arrive when the records of the next transaction stand, but not yet its
    offsets.

    A late commit would show what stands so far; the worker is then killed, and nothing of it may be
    seen. A late abort would take it away, while the worker goes on. Returns the broker's answer,
    and the seconds to the next commit.
    """
    with Child(settings, log, *(plan or Plan()).program()) as child:
        load.until(lambda: child.says("restored") or child.ended, lambda: child.state)
        begun = load.sent
        load.until(lambda: load.sent > begun + 300)
        proxy.hold(END_TXN, then_stop=TXN_OFFSET_COMMIT)
        load.until(lambda: (proxy.stopped and _open(settings)) or child.ended, lambda: child.state)
        assert not child.ended, log.read_text()
        answer = proxy.arrive(abort)
        with Recovery(settings) as recovery:
            if not abort:
                child.send(signal.SIGKILL)
                child.wait()
            proxy.go_on()
            recovery.ended()
            if abort:
                load.until(recovery.seen)
                child.send(signal.SIGKILL)
                child.wait()
            return answer, recovery.seconds or 0.0


def _open(settings: Settings) -> bool:
    """Whether records of an open transaction stand in the journal."""
    parts, client = (
        [TopicPartition(JOURNAL, p) for p in range(settings.partitions)],
        admin(settings),
    )
    return end_offsets(client, parts) != end_offsets(client, parts, committed_only=True)


CASES = (Case("an EndTxn delayed into the next transaction (KAFKA-17754)", delayed_end, WITHIN),)
