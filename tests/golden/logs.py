"""The recorded logs: histories of the laws, the data sets of the demo, and seeds of the simulation.

A log is generated from a seed or read from `data/`, so it need not be stored; its digest is, so
that a changed generator is told from a changed decision.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from agents.core.batch import Slice
from schemas.catalog import DEAD_LETTERS, POLICIES, SPECS
from schemas.ids import event_uuid
from schemas.records import ExperimentSpec, Policy
from state.partition.partition_state import PartitionState
from streams.cli.apply_commands import read_policies, read_specs
from streams.demo import datasets
from streams.demo.datasets import DATA, DemoEvent
from streams.kafka.memory.log import Fate
from tests.golden.behaviour import Behaviour, Written
from tests.simulation.seeds import deciding, inputs_of
from tests.simulation.world import PARTITIONS
from tests.support.builders import CODEC, NOON, Sent
from tests.support.histories.folding import Folded, Step, Told, snapshot, take_all
from tests.support.histories.history import History
from tests.support.histories.telling import TELLING

SEEDS = 200
ENGINE_SEEDS = 20
QUICK_ENGINE_SEEDS = 4
FromFile = TypeVar("FromFile", Policy, ExperimentSpec)
_SLICE = 2_000  # records, as a poll brings them
_DATA_SETS: dict[str, Callable[[], Iterable[DemoEvent]]] = {
    "employment": datasets.employment,
    "shop": datasets.shop,
    "car-loan": datasets.car_loan,
}


@dataclass(frozen=True)
class Recording:
    """A log and how to play it. quick: whether `make test` plays it too."""

    name: str
    play: Callable[[], Behaviour]
    quick: bool


def recordings() -> list[Recording]:
    """All of them, in the order in which they are stored."""
    laws = [Recording(f"law: {name}", partial(_play_law, name), True) for name in TELLING]
    demo = [Recording(f"demo: {name}", partial(_play_data_set, name), True) for name in _DATA_SETS]
    simulated = [
        Recording(f"simulation: {seed}", partial(_play_inputs, seed), seed % 10 == 0)
        for seed in range(SEEDS)
    ]
    engine = [
        Recording(f"engine: {seed}", partial(_play_engine, seed), seed < QUICK_ENGINE_SEEDS)
        for seed in range(ENGINE_SEEDS)
    ]
    return [*laws, *demo, *simulated, *engine]


def _play_law(name: str) -> Behaviour:
    history = History.of(TELLING[name])
    return _folded_behaviour(f"law: {name}", history.steps, history.folded, history.tables)


def _play_data_set(name: str) -> Behaviour:
    """A whole data set in one partition, after the policies and specs of the demo."""
    policies = _with_fixed_ids(read_policies(DATA / "demo-policies.yaml"))
    steps: list[Step] = [Told(POLICIES, CODEC.encode(policy)) for policy in policies]
    specs = _with_fixed_ids(read_specs(DATA / "demo-specs.yaml"))
    sent_specs = [Sent(CODEC.encode(spec), at) for at, spec in enumerate(specs)]
    steps.append(Slice.of(SPECS, 0, sent_specs))
    events = list(_DATA_SETS[name]())
    for start in range(0, len(events), _SLICE):
        some = events[start : start + _SLICE]
        sent = [
            Sent(CODEC.encode(event.record), at, NOON + at) for at, event in enumerate(some, start)
        ]
        steps.append(Slice.of(some[0].topic, 0, sent))
    tables = PartitionState(0, 1)
    folded = take_all(steps, tables)
    return _folded_behaviour(f"demo: {name}", steps, folded, tables)


def _with_fixed_ids(records: Sequence[FromFile]) -> list[FromFile]:
    """Records from a file get an id of the moment at which they are read; here they get the same in
    each run.
    """
    return [replace(record, event_id=event_uuid("golden", at)) for at, record in enumerate(records)]


def _folded_behaviour(
    name: str, steps: Iterable[Step], folded: Folded, tables: PartitionState
) -> Behaviour:
    log = [value for step in steps for value in _values(step)]
    return Behaviour.of(name, log, _written(folded, tables))


def _written(folded: Folded, tables: PartitionState) -> dict[str, list[Written]]:
    written: dict[str, list[Written]] = defaultdict(list)
    for topic, key, event_id, value in folded.outputs:
        written[topic].append((f"{key} {event_id}".encode(), value))
    for refusal in folded.refused:
        written[DEAD_LETTERS].append((None, repr(refusal).encode()))
    for forwarded in folded.forwards:
        written["forwarded"].append((None, repr(forwarded).encode()))
    for topic, rows in snapshot(tables).items():
        written[topic] += [(key.encode(), row) for key, row in rows.items()]
    return written


def _values(step: Step) -> list[bytes | None]:
    return [step.value] if isinstance(step, Told) else [record.value() for record in step.records]


def _play_inputs(seed: int) -> Behaviour:
    """What a run of the simulation is sent, folded in one piece for each partition."""
    sent: list[bytes | None] = []
    written: dict[str, list[Written]] = defaultdict(list)
    for partition in range(PARTITIONS):
        inputs = inputs_of(seed, partition)
        steps: list[Step] = [
            Slice.of(
                topic, partition, [Sent(value, at, NOON + at) for at, value in enumerate(values)]
            )
            for topic, values in inputs.items()
            if values
        ]
        sent += [value for values in inputs.values() for value in values]
        tables = PartitionState(partition, PARTITIONS)
        for topic, records in _written(take_all(steps, tables), tables).items():
            written[topic] += records
    return Behaviour.of(f"simulation: {seed}", sent, written)


def _play_engine(seed: int) -> Behaviour:
    """What stands on all topics after a run of the simulation under the faults of its seed.

    When a fault comes depends on how many records were written before it, so whatever writes one
    record more gives another run: this tells whether the engine does exactly what it did.
    """
    world = deciding(seed)
    sent = [value for _, value in world.inputs]
    logger = logging.getLogger("mendstream")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # what each fault says is of no use here
    try:
        world.run()
    finally:
        logger.setLevel(level)  # what tests after this one look for
    written: dict[str, list[Written]] = defaultdict(list)
    for (topic, _), log in sorted(world.kafka.logs.items()):
        committed = [entry for entry in log.entries if entry.fate == Fate.COMMITTED]
        written[topic] += [(entry.key, entry.value) for entry in committed]
    return Behaviour.of(f"engine: {seed}", sent, written)
