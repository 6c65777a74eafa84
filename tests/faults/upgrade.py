"""A rolling upgrade and the way back: workers of two releases in one group, with other schemas and
other agents.
"""

import signal

from schemas.catalog import JOURNAL, RESULTS
from schemas.codec.framing import unframe
from tests.faults.workers import ALL, BROKER, FAST, Fleet
from tests.support.faults.case import Case, Outcome, Setting
from tests.support.faults.judge import judged
from tests.support.faults.load import taken_in, under_load
from tests.support.faults.victim import Plan
from tests.support.kafka.logs import ends_of, standing
from tests.support.kafka.older import newer_codec, older_codec
from tests.support.kafka.running import Child

NEWER, OLDER = Plan(release="newer"), Plan(release="older")


def upgraded(setting: Setting) -> Outcome:
    """Older, both, newer, both, older; each handover is a kill, and a worker reads the rows that
    the other wrote.
    """
    rounds = 4 if setting.full else 1
    with (
        under_load(600 if setting.full else 200, 12, BROKER, **FAST) as (_, settings, load),
        Fleet(setting, settings, load) as fleet,
    ):
        worker, seconds = fleet.start("older-0", OLDER), []
        fleet.until(lambda: worker.restored[-1:] == [ALL])
        for turn in range(1, 2 * rounds + 1):
            name, plan = ("newer", NEWER) if turn % 2 else ("older", OLDER)
            other = fleet.start(f"{name}-{turn}", plan)
            seconds.append(_handed_over(fleet, worker, other))
            worker = other
        load.feed(1_000)
        ends = ends_of(settings, RESULTS)
        fleet.until(lambda: taken_in(settings, ends))
        fleet.close()
        written = {unframe(value)[0] for _, _, value in standing(settings, JOURNAL)}
        assert written == {
            codec.schema_id("JournalEntry") for codec in (newer_codec(), older_codec())
        }
        return Outcome(2 * rounds, judged(settings, ends), max(seconds))


def _handed_over(fleet: Fleet, worker: Child, other: Child) -> float:
    fleet.until(lambda: sorted(worker.restored[-1:] + other.restored[-1:]) == ["[0, 1]", "[2, 3]"])
    fleet.more(1_000)  # both at once
    worker.send(signal.SIGKILL)
    worker.wait()
    seconds = fleet.recovered(lambda: None, lambda: other.restored[-1] == ALL)
    fleet.more(1_000)
    return seconds


CASES = (Case("a rolling upgrade and the way back", upgraded, 12.0),)
