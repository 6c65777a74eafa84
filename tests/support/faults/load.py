"""What every case does: writes input with planted harm, lets a processor take it in, and times a
recovery.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Self

import numpy as np
from confluent_kafka import TopicPartition

from schemas.catalog import JOURNAL, POLICIES, RESULTS, SPECS
from schemas.records import ExperimentResult, ExperimentSpec, Policy
from schemas.validation.policy_checks import COMMANDS_MAX
from streams.kafka.backend import backend_of
from streams.kafka.embedded.broker import EmbeddedKafka
from streams.kafka.reading import admin, end_offsets
from streams.runtime.clock import monotonic, wait_until
from streams.runtime.settings import Settings
from tests.support.builders import result, spec
from tests.support.faults.case import Harm
from tests.support.faults.judge import group_offsets, judged, replayed
from tests.support.kafka.logs import Place, ends_of, send
from tests.support.kafka.running import Child, Feeder, own_kafka

# What is compared with a run without faults must not depend on what fell into an hour, or on who
# answers in time.
UNBOUND = Policy(
    event_id="unbound",
    policy_id="unbound",
    commands_per_hour=COMMANDS_MAX,
    subjects_share=1.0,
    acknowledge_ms=86_400_000,
)
SECONDS = 90.0  # the deadline of everything that is waited for


def specs(experiments: int = 400) -> list[ExperimentSpec]:
    return [
        spec(event_id=f"spec-{e}", subject=f"bot-{e % 12}", experiment_id=f"exp-{e}", min_count=50)
        for e in range(experiments)
    ]


def announce(settings: Settings, experiments: int = 400) -> None:
    """Writes the specs, and a policy under which every finding becomes a command."""
    send(settings, POLICIES, [UNBOUND], [UNBOUND.policy_id])
    send(settings, SPECS, specs(experiments))


def results(seed: int = 11) -> Iterator[ExperimentResult]:
    """Endless results of one experiment after the other, of which every second must be rolled back.

    Four at a time, 300 records each: so decisions fall all along the log, two among some 600
    records.
    """
    rng = np.random.default_rng(seed)
    for block in count():
        treated, luck = rng.random(1_200) < 0.5, rng.random(1_200)
        for i in range(1_200):
            e = block * 4 + i % 4
            rate = 0.1 if treated[i] and e % 8 < 4 else 0.5
            yield result(
                block * 1_200 + i,
                subject=f"bot-{e % 12}",
                experiment_id=f"exp-{e}",
                variant="b" if treated[i] else "control",
                sum=float(luck[i] < rate),
            )


@contextmanager
def under_load(
    experiments: int, each: int, broker: Mapping[str, str] | None = None, **given: Any
) -> Iterator[tuple[EmbeddedKafka, Settings, Feeder]]:
    """A broker of one case's own, with specs and a load that sends so many results at each look."""
    given = {"dedupe_window": 200_000, "commit_ms": 20} | given
    with own_kafka(broker, **given) as (embedded, settings):
        announce(settings, experiments)
        load = Feeder(settings, RESULTS, results(), each)
        load.feed(1_000)
        yield embedded, settings, load


def ended_well(settings: Settings, load: Feeder, directory: Path) -> Harm:
    """Has everything taken in that was sent, and judges it."""
    load.feed(1_000)
    ends = ends_of(settings, RESULTS)
    take_in(settings, ends, directory / "last.log")
    return judged(settings, ends).plus(replayed(settings, directory))


def taken_in(settings: Settings, ends: Mapping[Place, int]) -> bool:
    """Whether the group has committed everything before these offsets."""
    offsets = group_offsets(settings)
    return all(offsets.get(place, 0) >= end for place, end in ends.items())


def take_in(
    settings: Settings,
    ends: Mapping[Place, int],
    log: Path,
    meanwhile: Callable[[], object] = lambda: None,
    seconds: float = SECONDS,
) -> None:
    """Runs a processor until everything before these offsets is committed; it must not end before.

    meanwhile: called at each look.
    """
    with Child(settings, log) as child:

        def done() -> bool:
            meanwhile()
            return child.ended or taken_in(settings, ends)

        assert wait_until(done, seconds), log.read_text()
        assert not child.ended, log.read_text()


class Recovery:
    """Times from the end of a fault to the next commit. Make it while the fault lasts, after the
    last commit before.
    """

    def __init__(self, settings: Settings, every: bool = False) -> None:
        """every: until each partition had its commit; there are ticks in each once a second."""
        self._awaited = set(range(settings.partitions if every else 1))
        self._every = every
        parts = [TopicPartition(JOURNAL, p) for p in range(settings.partitions)]
        ends = end_offsets(admin(settings), parts)
        self._journal = backend_of(settings).consumer(
            settings.client(
                **{
                    "group.id": "recovery",
                    "enable.auto.commit": False,
                    "isolation.level": "read_committed",
                }
                | {
                    "auto.offset.reset": "earliest",
                    "fetch.wait.max.ms": 20,
                    "reconnect.backoff.max.ms": 100,
                }
            )
        )
        # A transaction that was open lies before these ends, so that its end alone is no recovery.
        self._journal.assign(
            [TopicPartition(part.topic, part.partition, ends[part]) for part in parts]
        )
        self._ended = monotonic()
        self.seconds: float | None = None  # None while no commit came

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._journal.close()

    def ended(self) -> None:
        """The fault is over from here on."""
        self._ended = monotonic()

    def seen(self) -> bool:
        """Whether a commit came; to be called often."""
        while self.seconds is None and (message := self._journal.poll(0.0)) is not None:
            if message.error() is None:
                self._awaited.discard((message.partition() or 0) if self._every else 0)
            if not self._awaited:
                self.seconds = monotonic() - self._ended
        return self.seconds is not None
