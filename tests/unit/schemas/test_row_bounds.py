"""Every list, map and blob of every table row has a bound, and the largest row that they allow is
one that Kafka takes.

Bounds stand here a second time, in bytes of Avro, beside the place that enforces them; a list that
a schema gains and this table does not name fails.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from agents.alerts.events import EARLIER_MAX
from agents.commands.ledger import FLOOR, locked, next_number
from agents.drift.version_limits import VERSIONS_MAX
from agents.experiments.oversight.periodic_checks import LACKS_MAX
from agents.failures.followups import FOLLOWED_KEPT, SIGHTINGS_KEPT
from agents.failures.patterns.fold_facts import SUBJECTS_KEPT
from agents.failures.patterns.precursors import FOLLOWERS_KEPT, PRECURSORS_KEPT
from agents.learning.fold_recommendations import MEMBERS_MAX, VERDICTS_MAX
from agents.learning.recommendation_patterns import AGENTS_KEPT
from ingest.join import EXPOSURES_MAX, OUTCOMES_MAX
from ingest.mapping import METRIC_CHARACTERS
from schemas import row_limits
from schemas.catalog import TOPICS, plain_schema, schema_text
from schemas.codec.framing import MAX_BYTES
from schemas.validation.policy_checks import COMMANDS_MAX
from schemas.validation.spec_checks import STEPS_MAX
from schemas.validation.text import MAX_CHARACTERS
from state.metrics.open_point import OPEN_POINT_WIDTH
from state.metrics.series_layout import WIDTH
from state.metrics.usual import USUAL_WIDTH
from streams.runtime.message_sizes import RECORD_BYTES

NAME = 4 * MAX_CHARACTERS + 3  # four bytes a character, and how long it is
TEXT = MAX_BYTES  # of a stranger's record, at most
NUMBER = 10  # of a varint, at most; a double has 8
TARGET = 2 * NAME + NUMBER
UUID = 37
AROUND = 8_192  # key, headers, framing

# Bytes of each list, map or blob, at most.
MOST: dict[str, int] = {
    # A spec has 64 KiB, whatever is in it.
    "ExperimentRow.share_steps": MAX_BYTES,
    "ExperimentRow.treatments": MAX_BYTES,
    "ExperimentRow.metrics": row_limits.METRIC_BYTES_MAX + 80 * row_limits.METRICS_MAX,
    "ExperimentRow.pairs": row_limits.PAIR_BYTES_MAX + 6 * row_limits.PAIRS_MAX,
    "ExperimentRow.adjustments": 56 * row_limits.METRICS_MAX,
    "ExperimentRow.frozen": row_limits.METRIC_BYTES_MAX + 48 * row_limits.METRICS_MAX,
    # One of each variant, with the metric of one of its pairs.
    "ExperimentRow.decided": row_limits.PAIR_BYTES_MAX + 80 * row_limits.PAIRS_MAX,
    "ExperimentRow.rollout_steps": STEPS_MAX * (2 * (NAME + 8) + 2 * NUMBER),
    # A treatment with a share is named twice in its spec.
    "ExperimentRow.split_starts": MAX_BYTES // 2 + row_limits.VARIANTS_MAX * 3 * NUMBER,
    "ExperimentRow.lacks": LACKS_MAX * (2 * NAME + 3 * NUMBER),
    "MetricRow.open_point": 8 * OPEN_POINT_WIDTH + NUMBER,
    "AnomalyRow.numbers": 8 * WIDTH + NUMBER,
    "MetricRow.usual": 8 * USUAL_WIDTH + NUMBER,
    "MetricRow.values": 8 * row_limits.REFERENCE_COUNT_MAX + NUMBER,
    "MetricRow.versions": VERSIONS_MAX * (2 * NAME + 30 * NUMBER + 32 * 8),
    "CommandRow.command": 4 * MAX_BYTES,
    "SubjectRow.tokens": (row_limits.TARGETS_MAX + 1) * TARGET,
    "SubjectRow.locks": row_limits.TARGETS_MAX * TARGET,
    "SubjectRow.orders": (row_limits.TARGETS_MAX + 1) * TARGET,
    "BurnInRow.values": MAX_BYTES,
    "BurnInRow.covariates": MAX_BYTES,
    "SnapshotRow.parts": row_limits.SNAPSHOT_BYTES_MAX,
    "PatternRow.buckets": 30 * 4 * 2 * NUMBER + 2 * NUMBER,
    "PatternRow.subjects": SUBJECTS_KEPT * NAME,
    "PatternRow.actions": 32 * (NAME + 3 * NUMBER),
    "PatternRow.precursors": PRECURSORS_KEPT * (NAME + 3 * NUMBER),
    "SignalRow.followers": FOLLOWERS_KEPT * (2 * NAME + 2 * NUMBER),
    "SightingsRow.signals": SIGHTINGS_KEPT * (NAME + NUMBER + FOLLOWED_KEPT * NAME),
    "TrustRow.levels": 7 * 4 * (NUMBER + 8) + 2 * NUMBER,
    "RunRow.members": row_limits.RUN_BYTES_MAX + MEMBERS_MAX * 60,
    "RunRow.verdicts": VERDICTS_MAX * (NAME + 4 * NUMBER),
    "LessonRow.agents": AGENTS_KEPT * NAME,
    "LearningRow.accuracies": 30 * 8 + NUMBER,
    "LearningRow.declining": 100 * NAME,
    "BudgetRow.spent": COMMANDS_MAX * NUMBER,
    "BudgetRow.denied": 1_000 * NUMBER,
    "AlertRow.recent": 1_000 * NUMBER,
    "UnitRow.exposures": EXPOSURES_MAX * (5 * NAME + 3 * NUMBER),
    "UnitRow.outcomes": OUTCOMES_MAX * (4 * METRIC_CHARACTERS + 3 + UUID + 3 * NUMBER),
    "AlertRow.earlier": EARLIER_MAX * (NAME + NUMBER),
}
ROWS = [
    topic.record for topic in TOPICS.values() if topic.name.startswith("tables.") and topic.record
]


def held(record: str) -> Iterator[tuple[str, str]]:
    """Each field of a row with its kind: a list, map or blob, a text, or a number."""
    for field in plain_schema(schema_text(record))["fields"]:
        kinds = field["type"] if isinstance(field["type"], list) else [field["type"]]
        names = {kind["type"] if isinstance(kind, dict) else kind for kind in kinds}
        yield (
            field["name"],
            "many"
            if names & {"array", "map", "bytes"}
            else "text"
            if "string" in names
            else "number",
        )


@pytest.mark.parametrize("record", ROWS)
def test_the_largest_row_is_one_that_kafka_takes(record: str) -> None:
    if record == "Policy":  # as it was accepted, with the defaults of fields that it did not have
        assert 2 * MAX_BYTES < RECORD_BYTES
        return
    size = AROUND
    for name, kind in held(record):
        if kind == "many":
            size += MOST[f"{record}.{name}"]
        else:
            size += (TEXT if name in ("reason", "detail") else NAME) if kind == "text" else NUMBER
    assert size < RECORD_BYTES


def test_every_bound_is_of_a_field_that_there_is() -> None:
    fields = {
        f"{record}.{name}" for record in ROWS for name, kind in held(record) if kind == "many"
    }
    assert {name for name in fields if not name.startswith("Policy.")} == MOST.keys()


def test_numbers_of_a_target_grow_whatever_is_forgotten() -> None:
    numbers: dict[str, int] = {}
    given: dict[str, list[int]] = {}
    order = [f"bot/{n % 7 if n % 3 else n}" for n in range(900)]
    for target in order:
        number, numbers = next_number(numbers, target)
        given.setdefault(target, []).append(number)
    assert len(numbers) == row_limits.TARGETS_MAX + 1
    assert FLOOR in numbers
    assert all(before < after for each in given.values() for before, after in pairwise(each))


def test_locks_that_end_last_are_kept() -> None:
    locks: dict[str, Any] = {}
    for n in range(200):
        locks = locked(locks, f"bot/{n}", 1_000 - n if n % 2 else 1_000 + n)
    assert len(locks) == row_limits.TARGETS_MAX
    assert min(locks.values()) > 1_000
