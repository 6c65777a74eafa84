"""The Schema Registry goes away: a processor goes on with the ids that it knows, and a new one
waits until it is back.
"""

from contextlib import ExitStack
from pathlib import Path

from schemas.catalog import local_ids, schema_text
from streams.kafka.schema_ids import register
from streams.runtime.clock import wait_until
from tests.support.faults.case import Case, Outcome, Setting
from tests.support.faults.judge import judged
from tests.support.faults.work import Work, at_work
from tests.support.kafka.registry import Registry, serving
from tests.support.kafka.running import SECONDS, STEADY, changed, own_kafka

WITHIN = 10.0


class Absent:
    """A registry that comes and goes, always at the same address. It gives the ids that the tests'
    codec knows.
    """

    def __init__(self) -> None:
        self._first = Registry()
        for record, schema_id in local_ids().items():
            self._first.ids[schema_text(record)] = schema_id
        self._there = ExitStack()
        self._there.enter_context(serving(self._first))

    @property
    def url(self) -> str:
        return self._first.url

    def leaves(self) -> None:
        self._there.close()

    def returns(self) -> None:
        again = Registry(self._first.server_address[1])
        again.ids, again.versions = self._first.ids, self._first.versions
        self._there.enter_context(serving(again))


def go_away(setting: Setting) -> Outcome:
    """Several times under a processor that works, once under one that dies and cannot start while
    nobody answers.
    """
    times = 10 if setting.full else 2
    registry = Absent()
    try:
        with own_kafka(STEADY, dedupe_window=1_000_000) as (_, plain):
            settings = changed(plain, registry_url=registry.url)
            register(settings)
            with at_work(settings, setting.directory) as work:
                slowest = max(_at_work(work, registry) for _ in range(times))
                slowest = max(
                    slowest, _at_the_start(work, registry, setting.directory / "processor.log")
                )
                ends = work.finishes()
            return Outcome(times + 1, judged(settings, ends), slowest)
    finally:
        registry.leaves()


def _at_work(work: Work, registry: Absent) -> float:
    restarts = work.restarts
    seconds = work.suffers(registry.leaves)
    assert work.restarts == restarts, "it crashed because a registry that it does not need was away"
    registry.returns()
    return seconds


def _at_the_start(work: Work, registry: Absent, log: Path) -> float:
    def dies() -> None:
        """It ends when the registry is back."""
        registry.leaves()
        begun = log.stat().st_size
        work.kills()
        said = b"No Schema Registry answers"
        assert wait_until(lambda: said in log.read_bytes()[begun:], SECONDS), (
            "it started without a registry"
        )
        registry.returns()

    return work.suffers(dies)


CASES = (Case("schema registry away", go_away, WITHIN, quick=False),)
