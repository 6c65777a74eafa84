"""Faults 12, 16 and 17: records that come several times, out of order and late; clocks that
jump.
"""

import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from heapq import heappop, heappush
from itertools import count, islice

import numpy as np

from schemas.catalog import RESULTS, TABLES_ARMS
from schemas.ids import partition_of
from schemas.records import ArmRow, ExperimentResult
from streams.runtime.clock import now_ms
from streams.runtime.settings import Settings
from tests.support.builders import NOON
from tests.support.faults.case import Case, Harm, Outcome, Setting
from tests.support.faults.load import Recovery, announce, ended_well, results
from tests.support.faults.victim import Plan
from tests.support.kafka.logs import table
from tests.support.kafka.running import STEADY, Child, Feeder, own_kafka

WITHIN = 5.0
DAY_MS = 86_400_000
NEAR = 3_000  # places within which a record is moved or comes again
IDLE = 2  # a partition that gets no record
Applied = Callable[[Feeder], int]


class Repeated:
    """Each record two to five times: at once, and at places among the next ones."""

    def __init__(self, seed: int = 5) -> None:
        self.distinct = 0
        self._rng = np.random.default_rng(seed)

    def records(self) -> Iterator[ExperimentResult]:
        again: list[
            tuple[int, int, ExperimentResult]
        ] = []  # when, a number that tells equal times apart, what
        number, at = count(), 0
        for record in results():
            self.distinct += 1
            for later in self._rng.integers(1, NEAR, size=self._rng.integers(1, 5)):
                heappush(again, (at + int(later), next(number), record))
            yield record
            at += 1
            while again and again[0][0] <= at:
                yield heappop(again)[2]
                at += 1


def repeated(setting: Setting) -> Outcome:
    source = Repeated()
    return _fed(setting, source.records(), None, lambda _load: source.distinct)


def out_of_order(seed: int = 6) -> Iterator[ExperimentResult]:
    """Shuffled among their neighbours, every twentieth by days late, one partition idle."""
    rng, source = np.random.default_rng(seed), results()
    late: list[ExperimentResult] = []
    for block in count():
        records = [
            replace(record, occurred_at=NOON + block * 3_600_000 + i * 1_000)
            for i, record in enumerate(islice(source, NEAR))
            if partition_of(record.subject, 4) != IDLE
        ]
        held = rng.random(len(records)) < 0.05
        waiting, late = late, [record for record, wait in zip(records, held, strict=True) if wait]
        mixed = [record for record, wait in zip(records, held, strict=True) if not wait] + waiting
        yield from (mixed[i] for i in rng.permutation(len(mixed)))


def disordered(setting: Setting) -> Outcome:
    return _fed(setting, out_of_order(), None, lambda load: load.sent)


def at_odd_times(seed: int = 8) -> Iterator[ExperimentResult]:
    """What producers send whose clocks jump; those beyond the broker's next five minutes are dead
    letters.
    """
    rng = np.random.default_rng(seed)
    for record in results():
        jump = int(rng.choice([0, 240_000, 3_600_000, -3_600_000, -365 * DAY_MS, 10_000 * DAY_MS]))
        yield replace(
            record,
            occurred_at=max(0, now_ms() + jump) if rng.random() < 0.05 else record.occurred_at,
        )


def clocks_jump(setting: Setting) -> Outcome:
    return _fed(setting, at_odd_times(), Plan(jumps=True), None)


def _fed(
    setting: Setting,
    records: Iterator[ExperimentResult],
    plan: Plan | None,
    applied: Applied | None,
) -> Outcome:
    """Workers killed and started again while such records come.

    applied: how many records the arms must have counted of what was sent.
    """
    runs = 6 if setting.full else 1
    with own_kafka(STEADY, commit_ms=20, dedupe_window=200_000) as (_, settings):
        announce(settings, 600 if setting.full else 200)
        load = Feeder(settings, RESULTS, records, each=60, stamped=plan is not None)
        load.feed(2_000)
        seconds = [_life(setting, settings, load, plan, run) for run in range(runs + 1)]
        harm = ended_well(settings, load, setting.directory)
        if applied is not None and (rows := _counted(settings)) != applied(load):
            print(f"the arms count {rows} records, {applied(load)} came")
            harm = harm.plus(Harm(wrong=1))
        return Outcome(runs, harm, max(seconds[1:]))


def _life(setting: Setting, settings: Settings, load: Feeder, plan: Plan | None, run: int) -> float:
    """A worker's life under load until it is killed; the seconds from its start until every
    partition had a commit.
    """
    program = plan.program() if plan else ()
    with (
        Recovery(settings, every=True) as recovery,
        Child(settings, setting.directory / f"{run}.log", *program) as child,
    ):
        recovery.ended()
        begun = load.sent
        load.until(lambda: recovery.seen() and load.sent > begun + 6_000)
        child.send(signal.SIGKILL)
        child.wait()
        return recovery.seconds or 0.0


def _counted(settings: Settings) -> int:
    rows = [row for row in table(settings, TABLES_ARMS).values() if isinstance(row, ArmRow)]
    return sum(row.count for row in rows if row.segment is None and row.step is None)


CASES = (
    Case("every record two to five times, also across a restart", repeated, WITHIN, quick=False),
    Case("clocks of producers and of the worker jump", clocks_jump, WITHIN, quick=False),
    Case("records out of order and days late, a partition idle", disordered, WITHIN, quick=False),
)
