"""Fault 23: a record that ends the process three times becomes a dead letter, and the others are
applied.
"""

import signal
from collections.abc import Iterator, Mapping

from schemas.catalog import RESULTS
from schemas.records import ExperimentResult
from streams.runtime.clock import wait_until
from streams.runtime.settings import Settings
from tests.support.builders import result
from tests.support.faults.case import Case, Harm, Outcome, Setting
from tests.support.faults.load import SECONDS, Recovery, announce, ended_well, results, taken_in
from tests.support.faults.reference import set_aside
from tests.support.faults.victim import Plan
from tests.support.kafka.logs import CODEC, Place, ends_of
from tests.support.kafka.running import STEADY, Child, Feeder, changed, own_kafka

WITHIN = 5.0
ENDS = 3  # of workers, by one record
EACH = 3_000  # records from one poisoned to the next


def quarantined(setting: Setting) -> Outcome:
    poisons = [
        result(subject=f"bot-{n}", event_id=f"poison {n} {'raise' if n % 2 else ''}")
        for n in range(6 if setting.full else 2)
    ]
    with own_kafka(STEADY, commit_ms=20, dedupe_window=200_000) as (_, own):
        settings = changed(own, crash_directory=str(setting.directory))
        announce(settings, 100)
        load = Feeder(settings, RESULTS, _among(poisons))
        load.feed((len(poisons) + 1) * EACH)
        lives = [_life(settings, setting, ends_of(settings, RESULTS))]
        while lives[-1][0]:
            lives.append(_life(settings, setting, ends_of(settings, RESULTS)))
        harm = ended_well(settings, load, setting.directory)
        deaths = sum(died for died, _ in lives)
        letters = sorted(letter.value() or b"" for letter in set_aside(settings).values())
        if deaths != ENDS * len(poisons) or letters != sorted(map(CODEC.encode, poisons)):
            print(f"{deaths} workers died of {len(poisons)} records; set aside are {letters}")
            harm = harm.plus(Harm(wrong=1))
        return Outcome(len(poisons), harm, max(seconds for _, seconds in lives))


def _life(settings: Settings, setting: Setting, ends: Mapping[Place, int]) -> tuple[bool, float]:
    """Whether a worker died before it had taken all in, and the seconds from its start to a commit,
    if there was one.

    One that took it in is started once more: what was set aside may not end a restore either.
    """
    log, program = setting.directory / "lives.log", Plan(poison=True).program()
    with Recovery(settings) as recovery, Child(settings, log, *program) as child:
        recovery.ended()
        assert wait_until(
            lambda: any((child.ended, recovery.seen() and taken_in(settings, ends))), SECONDS
        )
        if child.ended:
            assert child.wait() in (1, -signal.SIGSEGV), log.read_text()
            return True, recovery.seconds or 0.0
    before = len(child.restored)
    with Child(settings, log, *program) as again:
        assert wait_until(lambda: again.ended or len(again.restored) > before, SECONDS)
        assert not again.ended, log.read_text()
    return False, recovery.seconds or 0.0


def _among(poisons: list[ExperimentResult]) -> Iterator[ExperimentResult]:
    source, waiting = results(), list(poisons)
    for n, record in enumerate(source, 1):
        yield record
        if waiting and n % EACH == 0:
            yield waiting.pop()


CASES = (Case("a record that ends the process three times", quarantined, WITHIN, quick=False),)
