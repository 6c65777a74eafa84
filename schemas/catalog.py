"""The topics: what each holds, how long it is kept, and how its schema may change."""

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from fastavro.schema import to_parsing_canonical_form

RESULTS = "experiments.results.v1"
METRICS = "models.metrics.v1"
SPECS = "experiments.specs.v1"
STATUS = "commands.status.v1"
TICKS = "ticks.v1"
POLICIES = "policies.v1"
RECOMMENDATIONS = "recommendations.v1"
OUTCOMES = "recommendations.outcomes.v1"
REQUESTS = "requests.v1"
REVIEWS = "reviews.v1"
PROPOSALS = "proposals.v1"
ADMISSIONS = "proposals.admissions.v1"
TRANSITIONS = "commands.transitions.v1"
TRUST_LEVELS = "trust.levels.v1"
PATTERN_FACTS = "patterns.facts.v1"
TRUST_FACTS = "trust.facts.v1"
LEARNING_FACTS = "learning.facts.v1"
ADVICE = "patterns.advice.v1"
DECISIONS = "decisions.v1"
FAILURES = "failures.v1"
CYCLES = "learning.cycles.v1"
ALERTS = "alerts.v1"
POINTS = "experiments.points.v1"
COMMANDS = {
    "ROLLBACK": "commands.rollback.v1",
    "DEPLOY": "commands.deploy.v1",
    "RETRAIN": "commands.retrain.v1",
    "IMPROVE": "commands.improve.v1",
}
TABLES_ARMS = "tables.arms.v1"
TABLES_EXPERIMENTS = "tables.experiments.v1"
TABLES_METRICS = "tables.metrics.v1"
TABLES_COMMANDS = "tables.commands.v1"
TABLES_SUBJECTS = "tables.subjects.v1"
TABLES_BURN_INS = "tables.burn-ins.v1"
TABLES_SNAPSHOTS = "tables.snapshots.v1"
TABLES_PATTERNS = "tables.failure-patterns.v1"
TABLES_SIGNALS = "tables.signals.v1"
TABLES_SIGHTINGS = "tables.sightings.v1"
TABLES_FOLLOWUPS = "tables.followups.v1"
TABLES_TRUST = "tables.trust-scores.v1"
TABLES_RUNS = "tables.runs.v1"
TABLES_AGENT_DAYS = "tables.agent-days.v1"
TABLES_LESSONS = "tables.lessons.v1"
TABLES_LEARNING = "tables.learning.v1"
TABLES_BUDGETS = "tables.budgets.v1"
TABLES_ALERTS = "tables.alerts.v1"
TABLES_POLICIES = "tables.policies.v1"
TABLES_ANOMALIES = "tables.anomalies.v1"
TABLES_TRUST_LEVELS = "tables.trust-levels.v1"
JOURNAL = "journal.v1"
TABLES_INGEST_UNITS = "tables.ingest-units.v1"
DEAD_LETTERS = "dead-letters.v1"
REDRIVES = "redrives.v1"

Writer = Literal[
    "processor", "producer", "recommender", "deployer", "operator", "approver", "redriver"
]
Compatibility = Literal["BACKWARD_TRANSITIVE", "FULL_TRANSITIVE"]
_LOCAL_IDS = 0x40000000  # a registry counts up from 1, so it cannot meet an id with this bit


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic.

    record: None where the bytes are not ours. retention_days: None keeps everything (a compacted
    topic: each key's last). partitions: "co" for the count that all co-partitioned topics share.
    writer: the role that writes it.
    """

    name: str
    record: str | None
    cleanup: Literal["delete", "compact"]
    retention_days: int | None
    partitions: Literal["co", 1] = "co"
    compatibility: Compatibility = "BACKWARD_TRANSITIVE"
    writer: Writer = "processor"


def _table(name: str, record: str) -> Topic:
    return Topic(name, record, "compact", None)


def _command(order: str, record: str) -> Topic:
    # Deployers and Mendstream are upgraded in any order, so each must read the other's older and
    # newer commands.
    return Topic(COMMANDS[order], record, "delete", 90, compatibility="FULL_TRANSITIVE")


TOPICS = {
    topic.name: topic
    for topic in (
        Topic(RESULTS, "ExperimentResult", "delete", 30, writer="producer"),
        Topic(METRICS, "ModelMetric", "delete", 30, writer="producer"),
        Topic(SPECS, "ExperimentSpec", "delete", None, writer="operator"),
        Topic(STATUS, "CommandStatus", "delete", 90, writer="deployer"),
        Topic(TICKS, "Tick", "delete", 7),
        Topic(POLICIES, "Policy", "compact", None, partitions=1, writer="operator"),
        Topic(RECOMMENDATIONS, "Recommendation", "delete", 180, writer="recommender"),
        Topic(OUTCOMES, "RecommendationOutcome", "delete", 180, writer="operator"),
        Topic(REQUESTS, "Request", "delete", 30, writer="operator"),
        Topic(REVIEWS, "Review", "delete", 365, writer="approver"),
        Topic(PROPOSALS, "Proposal", "delete", 30),
        Topic(ADMISSIONS, "Admission", "delete", 30),
        Topic(TRANSITIONS, "Transition", "delete", 365),
        Topic(TRUST_LEVELS, "TrustLevel", "compact", None, partitions=1),
        Topic(PATTERN_FACTS, "PatternFact", "delete", 30),
        Topic(TRUST_FACTS, "TrustFact", "delete", 30),
        Topic(LEARNING_FACTS, "LearningFact", "delete", 30),
        Topic(ADVICE, "Advice", "delete", 30),
        Topic(DECISIONS, "Decision", "delete", None),
        Topic(FAILURES, "FailureAnalysis", "delete", 365),
        Topic(CYCLES, "LearningCycle", "delete", 365),
        Topic(ALERTS, "Alert", "delete", 90),
        Topic(POINTS, "ArmPoint", "delete", 90),
        _command("ROLLBACK", "RollbackCommand"),
        _command("DEPLOY", "DeployCommand"),
        _command("RETRAIN", "RetrainCommand"),
        _command("IMPROVE", "ImproveCommand"),
        _table(TABLES_ARMS, "ArmRow"),
        _table(TABLES_EXPERIMENTS, "ExperimentRow"),
        _table(TABLES_METRICS, "MetricRow"),
        _table(TABLES_ANOMALIES, "AnomalyRow"),
        _table(TABLES_COMMANDS, "CommandRow"),
        _table(TABLES_SUBJECTS, "SubjectRow"),
        _table(TABLES_BURN_INS, "BurnInRow"),
        _table(TABLES_SNAPSHOTS, "SnapshotRow"),
        _table(TABLES_PATTERNS, "PatternRow"),
        _table(TABLES_SIGNALS, "SignalRow"),
        _table(TABLES_SIGHTINGS, "SightingsRow"),
        _table(TABLES_FOLLOWUPS, "FollowupRow"),
        _table(TABLES_TRUST, "TrustRow"),
        _table(TABLES_AGENT_DAYS, "AgentDayRow"),
        _table(TABLES_RUNS, "RunRow"),
        _table(TABLES_LESSONS, "LessonRow"),
        _table(TABLES_LEARNING, "LearningRow"),
        _table(TABLES_BUDGETS, "BudgetRow"),
        _table(TABLES_ALERTS, "AlertRow"),
        # What was accepted of the broadcast topics: their compaction keeps the last of a key, which
        # may be a refused one.
        _table(TABLES_POLICIES, "Policy"),
        _table(TABLES_TRUST_LEVELS, "TrustLevel"),
        Topic(JOURNAL, "JournalEntry", "delete", None),
        # Units that `mendstream ingest` waits for the outcomes of.
        _table(TABLES_INGEST_UNITS, "UnitRow"),
        Topic(DEAD_LETTERS, None, "delete", 30),
        # Must outlast every letter, or one could be redriven twice.
        Topic(REDRIVES, "Redrive", "delete", None, writer="redriver"),
    )
}
# What the deciding job folds, co-partitioned; those that others are judged by come first. What is
# broadcast is not among them.
INPUTS = (
    SPECS,
    STATUS,
    METRICS,
    RESULTS,
    RECOMMENDATIONS,
    OUTCOMES,
    REQUESTS,
    REVIEWS,
    PROPOSALS,
    ADMISSIONS,
    PATTERN_FACTS,
    TRUST_FACTS,
    LEARNING_FACTS,
    ADVICE,
    TICKS,
)
# Of these, what waits is folded before anything else: a spec that was there first must be in force
# first, and a person's word goes before what automation found.
FIRST_INPUTS = (SPECS, STATUS, REQUESTS, REVIEWS)
BROADCASTS = {POLICIES: "Policy", TRUST_LEVELS: "TrustLevel"}  # read whole by every worker
_OURS = ("processor", "redriver")
FOREIGN = frozenset(
    t.name for t in TOPICS.values() if t.writer not in _OURS
)  # so never to be trusted
RECORDS = tuple(
    dict.fromkeys(topic.record for topic in TOPICS.values() if topic.record is not None)
)


@cache
def schema_text(record: str) -> str:
    """The Avro schema of a record as written in schemas/avro, FileNotFoundError where there is
    none.
    """
    return files(__package__).joinpath("avro", f"{record}.avsc").read_text(encoding="utf-8")


def plain_schema(text: str) -> dict[str, Any]:
    """A schema as a dict without documentation and logical types: moments are the longs that they
    are on the wire.
    """
    schema: dict[str, Any] = _plain(json.loads(text))
    return schema


def _plain(schema: Any) -> Any:
    match schema:
        case dict():
            return {
                key: _plain(value)
                for key, value in schema.items()
                if key not in ("doc", "logicalType")
            }
        case list():
            return [_plain(item) for item in schema]
    return schema


@cache
def local_schema_id(record: str) -> int:
    """The schema id where there is no registry: 0x40000000 plus 30 bits of the canonical form's
    SHA-256.
    """
    return _local_id(schema_text(record))


def _local_id(text: str) -> int:
    canonical = to_parsing_canonical_form(json.loads(text))
    fingerprint = hashlib.sha256(canonical.encode()).digest()
    return _LOCAL_IDS | int.from_bytes(fingerprint[:4], "big") >> 2


def older_command_schemas() -> dict[int, str]:
    """By its local id, each schema by which an older release wrote a command: rows of commands hold
    copies that outlive an upgrade.
    """
    folder = files(__package__).joinpath("avro", "older")
    texts = [file.read_text(encoding="utf-8") for file in folder.iterdir()]
    return {_local_id(text): text for text in sorted(texts)}


def local_ids() -> dict[str, int]:
    """The local schema id of each record, for a Codec without a registry."""
    return {record: local_schema_id(record) for record in RECORDS}
