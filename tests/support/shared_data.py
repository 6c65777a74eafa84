"""Reads the data sets that the project may not contain, and folds records through all agents
without a Kafka.
"""

import csv
import gzip
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from agents.core.effects import Output
from agents.flow.pipeline import fold
from schemas.catalog import COMMANDS, DECISIONS, RESULTS, SPECS
from schemas.records import Autonomy, Decision, ExperimentSpec, Order, Policy
from tests.support.builders import CODEC, Sent, apply_policy, piece, sent, tables

ROOT = Path(__file__).parents[2]
FOLDER = Path(os.environ.get("MENDSTREAM_TEST_DATA") or ROOT.parent / "shared" / "data")
COMMAND_TOPICS = frozenset(COMMANDS.values())
AUTO = Policy(
    event_id="auto", policy_id="all", deploy=Autonomy.AUTO
)  # a rollback is automatic by default


def rows_of(name: str) -> list[dict[str, str]]:
    """The rows of a data set; the test that asks for it says so with the marker
    `shared_data(name)`.
    """
    path = FOLDER / name
    with (
        gzip.open(path, "rt", encoding="utf-8")
        if path.suffix == ".gz"
        else path.open(encoding="utf-8") as text
    ):
        return list(csv.DictReader(text))


def outputs_of(spec: ExperimentSpec, results: Sequence[Sent], slices: int = 5) -> list[Output]:
    """What comes of an experiment where deployments are automatic too; none of its records may be
    refused.
    """
    state = tables()
    apply_policy(CODEC.encode(AUTO), state, CODEC)
    assert fold(piece(SPECS, sent([spec])), state, CODEC).refused == ()
    outputs: list[Output] = []
    for cut in np.array_split(np.arange(len(results)), slices):
        effects = fold(piece(RESULTS, results[cut[0] : cut[-1] + 1]), state, CODEC)
        assert effects.refused == ()
        outputs += effects.outputs
    return outputs


def decisions_of(outputs: Sequence[Output]) -> list[Decision]:
    return [
        one.record for one in outputs if one.topic == DECISIONS and isinstance(one.record, Decision)
    ]


def orders_of(outputs: Sequence[Output]) -> list[Order]:
    """The orders that became commands, in their order."""
    orders = {topic: Order(order) for order, topic in COMMANDS.items()}
    return [orders[one.topic] for one in outputs if one.topic in COMMAND_TOPICS]
