"""One run from one seed: what is sent, how many work, what goes wrong; and what came of it.

Of two jobs on the same engine: the whole of deciding, judged as a run on a real Kafka is; and
counting, whose runs are so cheap that thousands are had.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from schemas.catalog import DECISIONS, JOURNAL, RESULTS, SPECS, TABLES_ARMS
from schemas.ids import event_uuid, partition_of
from schemas.records import ExperimentResult, ExperimentSpec
from streams.engine.topology import DECIDING
from streams.kafka.backend import register_backend, remove_backend
from streams.kafka.memory.log import Fate
from tests.simulation.calm import CalmBackend
from tests.simulation.counting import COUNTING
from tests.simulation.world import GROUP, PARTITIONS, Faults, Sent, World
from tests.support.builders import result, spec
from tests.support.faults.case import Harm
from tests.support.faults.judge import judged
from tests.support.kafka.logs import CODEC

EXPERIMENTS = 12
RECORDS = 110


@dataclass(frozen=True, slots=True)
class Run:
    """happened: every fault, with the step at which it came."""

    harm: Harm
    steps: int
    happened: tuple[str, ...]


def count(seed: int, faults: Faults | None = None, workers: int = 0) -> Run:
    """A run of counting; workers 0: as many as the seed says, one to three."""
    rng = np.random.default_rng([seed, 2])
    workers = workers or int(rng.choice([1, 1, 2, 3]))
    sent: list[Sent] = [
        ((RESULTS, int(rng.integers(PARTITIONS))), b"key-%d" % rng.integers(5))
        for _ in range(RECORDS)
    ]
    world = World(seed, COUNTING, CODEC, sent, workers, faults or Faults())
    for at in range(6):
        world.kafka.write((SPECS, at % PARTITIONS), None, b"key-%d" % at)
    world.run()
    harm = Harm()
    for partition in range(PARTITIONS):
        harm = harm.plus(_counted(world, partition))
    return Run(harm, world.strands.steps, tuple(world.happened))


def _counted(world: World, partition: int) -> Harm:
    """What stands in one partition against a count of its inputs, specs first."""
    expected, counts = list[bytes](), defaultdict[str, int](int)
    for topic, worth in ((SPECS, 10), (RESULTS, 1)):
        for offset, value in _standing(world, topic, partition):
            counts[value.decode()] += worth
            expected.append(f"{topic}/{offset} {value.decode()} {counts[value.decode()]}".encode())
    found = [value for _, value in _standing(world, DECISIONS, partition)]
    log = world.kafka.logs[TABLES_ARMS, partition]
    rows = {
        (each.key or b"").decode(): int(each.value or b"")
        for each in log.entries
        if each.fate == Fate.COMMITTED
    }
    numbers = [
        CODEC.decode("JournalEntry", value) for _, value in _standing(world, JOURNAL, partition)
    ]
    nexts = numbers[-1].next_offsets if numbers else {}  # type: ignore[attr-defined]
    offsets = world.kafka.group(GROUP).offsets
    wrong = [
        *(value for value in found if value not in expected),
        *(key for key in rows.keys() | counts.keys() if rows.get(key) != counts.get(key)),
        *(topic for topic in nexts if nexts[topic] != offsets.get((topic, partition))),
        *(entry for number, entry in enumerate(numbers, 1) if entry.number != number),  # type: ignore[attr-defined]
    ]
    return Harm(len(set(expected) - set(found)), len(found) - len(set(found)), len(wrong))


def _standing(world: World, topic: str, partition: int) -> list[tuple[int, bytes]]:
    """(offset, value) of the records that a reader of committed records finds."""
    entries = world.kafka.logs[topic, partition].entries
    return [
        (at, each.value or b"") for at, each in enumerate(entries) if each.fate == Fate.COMMITTED
    ]


def inputs_of(seed: int, partition: int) -> dict[str, list[bytes | None]]:
    """What a run of the whole of deciding is sent in one partition, by topic: specs first."""
    rng = np.random.default_rng([seed, 1])
    rng.choice([1, 1, 2, 3])  # how many work, which is drawn first
    results = [value for (_, home), value in _results(rng) if home == partition]
    specs = [spec_of(experiment) for experiment in range(EXPERIMENTS)]
    home = [terms for terms in specs if partition_of(terms.subject, PARTITIONS) == partition]
    return {SPECS: [CODEC.encode(terms) for terms in home], RESULTS: results}


def spec_of(experiment: int) -> ExperimentSpec:
    return spec(event_id=event_uuid("spec", experiment), min_count=20, **_names(experiment))


def deciding(seed: int, faults: Faults | None = None, workers: int = 0) -> World:
    """The whole of deciding, ready to run; workers 0: as many as the seed says, one to three."""
    rng = np.random.default_rng([seed, 1])
    workers = workers or int(rng.choice([1, 1, 2, 3]))
    world = World(seed, DECIDING, CODEC, list(_results(rng)), workers, faults or Faults())
    for experiment in range(EXPERIMENTS):
        terms = spec_of(experiment)
        world.kafka.write(
            (SPECS, partition_of(terms.subject, PARTITIONS)), None, CODEC.encode(terms)
        )
    return world


def simulate(seed: int, faults: Faults | None = None, workers: int = 0) -> Run:
    """A run; workers 0: as many as the seed says, one to three."""
    world = deciding(seed, faults, workers)
    settings = world.run()
    reader = settings.model_copy(update={"bootstrap": f"{settings.bootstrap}/reader"})
    register_backend(reader.bootstrap, CalmBackend(world.kafka))
    try:
        ends = {
            place: log.last_end
            for place, log in world.kafka.logs.items()
            if place[0] in (SPECS, RESULTS)
        }
        return Run(judged(reader, ends), world.strands.steps, tuple(world.happened))
    finally:
        remove_backend(reader.bootstrap)


def _names(experiment: int) -> dict[str, str]:
    return {"subject": f"bot-{experiment % 4}", "experiment_id": f"exp-{experiment}"}


def _results(rng: np.random.Generator) -> Iterator[Sent]:
    """Results of experiments of which two in three lose, some of them twice, late, at the wrong
    place, or no records.
    """
    records: list[ExperimentResult] = []
    for at in range(RECORDS):
        experiment, treated = int(rng.integers(EXPERIMENTS)), bool(rng.random() < 0.5)
        count = int(rng.integers(20, 120))
        rate = 0.05 if treated and experiment % 3 else 0.4
        variant, lucky = "b" if treated else "control", float(rng.binomial(count, rate))
        records.append(result(at, variant=variant, count=count, sum=lucky, **_names(experiment)))
    for record in records:
        home = partition_of(record.subject, PARTITIONS)
        value, luck = CODEC.encode(record), rng.random()
        if luck < 0.05:
            yield (RESULTS, home), value[: int(rng.integers(len(value)))]
        if luck < 0.1:
            home = 1 - home
        yield (RESULTS, home), value
        if luck > 0.85:
            again = records[int(rng.integers(len(records)))]
            yield (RESULTS, partition_of(again.subject, PARTITIONS)), CODEC.encode(again)
