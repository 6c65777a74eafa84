"""Fault 1: kill -9 at every named point of a commit, and at any time."""

import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from schemas.catalog import RESULTS
from streams.runtime.clock import monotonic
from streams.runtime.settings import Settings
from tests.support.faults.case import Case, Outcome, Setting
from tests.support.faults.judge import judged, replayed
from tests.support.faults.load import Recovery, announce, results, take_in
from tests.support.faults.victim import POINTS, Plan
from tests.support.kafka.logs import ends_of
from tests.support.kafka.running import STEADY, Child, Feeder, own_kafka

# a stable slot: the old self is fenced, so neither its session nor its transaction is waited for
WITHIN = 5.0
AT_ANY_TIME = 3.0  # seconds of a life, most of it start and restore
# More than the load comes to, 300 records each and at most 500 records a second: a kill in a commit
# that holds decisions
# never comes about once there is nothing left to decide.
EXPERIMENTS = 2_000
COMMIT_MS = 5  # small transactions: a kill hits the one that it is meant for


def kill(setting: Setting) -> Outcome:
    kills = 112 if setting.full else 8
    with own_kafka(STEADY, commit_ms=COMMIT_MS, dedupe_window=200_000) as (_, settings):
        announce(settings, EXPERIMENTS if setting.full else 400)
        load = Feeder(settings, RESULTS, results(), each=10 if setting.full else 25)
        load.feed(1_000)
        slowest = 0.0
        for number, plan in enumerate(plans(kills, np.random.default_rng(3))):
            with Recovery(settings) as recovery:
                _live(settings, plan, load, recovery, setting.directory / f"{number}.log")
            if number:
                slowest = max(
                    slowest, recovery.seconds or 0.0
                )  # 0: killed again before it had recovered
        load.feed(1_000)
        ends = ends_of(settings, RESULTS)
        with Recovery(settings) as recovery:
            take_in(settings, ends, setting.directory / "last.log", recovery.seen)
        harm = judged(settings, ends).plus(replayed(settings, setting.directory))
        return Outcome(kills, harm, max(slowest, recovery.seconds or 0.0))


def plans(kills: int, rng: np.random.Generator) -> Iterator[Plan | float]:
    """Each point in turn, every other time in a commit that holds decisions; between them lives of
    some length.
    """
    for turn in range(kills):
        if turn % 4 < 3:
            point = POINTS[(turn // 4 * 3 + turn % 4) % len(POINTS)]
            yield Plan(point, after=int(rng.integers(4)), decisive=bool(rng.integers(2)))
        else:
            yield float(rng.uniform(0.5, AT_ANY_TIME))


def _live(
    settings: Settings, plan: Plan | float, load: Feeder, recovery: Recovery, log: Path
) -> None:
    """One life under load, until it kills itself or its time is over."""
    program = plan.program() if isinstance(plan, Plan) else ()
    recovery.ended()
    began = monotonic()
    with Child(settings, log, *program) as child:

        def over() -> bool:
            recovery.seen()
            return child.ended or (isinstance(plan, float) and monotonic() - began > plan)

        load.until(over, lambda: f"{plan}\n{child.state}")
        child.send(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL, log.read_text()


CASES = (Case("kill -9 at every point of a commit and at any time", kill, WITHIN),)
