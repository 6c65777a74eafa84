"""One broker that restarts, dies, freezes: the processor waits or crashes, and goes on where its
commits ended.
"""

import os
import signal
from collections.abc import Callable

from streams.kafka.embedded.broker import EmbeddedKafka
from streams.runtime.clock import wait_until
from tests.support.faults.case import Case, Outcome, Setting
from tests.support.faults.judge import judged
from tests.support.faults.work import at_work
from tests.support.kafka.running import own_kafka

FREEZE_SECONDS = 15.0
WITHIN_SECONDS = 10.0
REMEMBERED = (
    1_000_000  # offsets: a load that comes again after a broker's death is known for what it is
)


def restarts(broker: EmbeddedKafka) -> None:
    """It ends when Kafka answers again."""
    broker.restart()


def dies(broker: EmbeddedKafka) -> None:
    """It ends when Kafka answers again."""
    broker.kill()
    broker.restart()


def freezes(broker: EmbeddedKafka) -> None:
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGSTOP)
    wait_until(lambda: False, FREEZE_SECONDS)
    os.kill(broker.pid, signal.SIGCONT)


def case(name: str, fault: Callable[[EmbeddedKafka], None], times: int) -> Case:
    """A fault done so many times; the tests of rebalance and restore do it once."""

    def run(setting: Setting) -> Outcome:
        with own_kafka(dedupe_window=REMEMBERED) as (broker, settings):
            with at_work(settings, setting.directory) as work:
                slowest = max(work.suffers(lambda: fault(broker)) for _ in range(times))
                ends = work.finishes()
            return Outcome(times, judged(settings, ends), slowest)

    return Case(name, run, WITHIN_SECONDS, quick=False)


CASES = (
    case("broker restarts cleanly under load", restarts, times=10),
    case("broker dies by kill -9 under load", dies, times=10),
    case("broker frozen for 15 s", freezes, times=4),
)
