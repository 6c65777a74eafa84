"""Every field that others may send is read somewhere, or says why not: what is taken and does
nothing misleads who sends it.

The registry names for each field the file that acts on it. A field that is added fails here until
somebody says what it is for.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from schemas.catalog import SPECS, schema_text
from schemas.codec.framing import named_class
from schemas.records import (
    Autonomy,
    Direction,
    ExperimentRow,
    ExperimentSpec,
    ExperimentStatus,
    MetricKind,
    MetricSpec,
    Role,
    Share,
    ShareStep,
)
from state.storage.table import row_key
from tests.support.builders import NOON, spec
from tests.support.life import Life

ROOT = Path(__file__).parents[3]
SENT = (
    "ExperimentResult",
    "ModelMetric",
    "ExperimentSpec",
    "Policy",
    "CommandStatus",
    "Request",
    "Review",
    "Recommendation",
    "RecommendationOutcome",
)
# By record, which of its fields are acted on in which file; nested records have lines of their own.
READ: dict[str, dict[str, str]] = {
    "ExperimentResult": {
        "agents/core/entrance.py": "event_id subject",
        "agents/experiments/result_batch.py": "experiment_id variant unit_id metric kind count sum "
        "sum_squares segment occurred_at assigned_at covariate",
    },
    "ModelMetric": {
        "agents/core/entrance.py": "event_id subject",
        "agents/drift/step_through.py": "model_version metric segment count sum",
        "agents/drift/preparation.py": "occurred_at",
        "schemas/validation/results_and_metrics.py": "sum_squares",
    },
    "ExperimentSpec": {
        "agents/flow/ingress.py": "event_id",
        "agents/flow/inputs.py": "subject",
        "agents/experiments/plan/specs.py": "experiment_id status",
        "agents/experiments/plan/derived_columns.py": "alpha min_count",
        "agents/experiments/plan/terms.py": "treatments share_steps metrics follows_rollout "
        "ends_at control",
        "agents/commands/circumstances.py": "autonomy",
        "agents/experiments/verdicts/verdict_wording.py": "candidate_version baseline_version",
        "agents/flow/findings.py": "environment",
    },
    "ShareStep": {
        "agents/experiments/evidence/ramp_links.py": "from",
        "agents/experiments/plan/terms.py": "shares",
    },
    "Share": {"agents/experiments/plan/terms.py": "variant share"},
    "MetricSpec": {
        "agents/experiments/plan/terms.py": "name role kind",
        "agents/experiments/plan/derived_columns.py": "direction limit cap margin absolute_margin",
        "agents/failures/analysis/classify.py": "failure_threshold",
        "agents/experiments/oversight/periodic_checks.py": "expected_count",
    },
    "Policy": {
        "agents/commands/disposition.py": "event_id",
        "state/policies_in_force.py": "policy_id subjects",
        "agents/core/policies.py": "metrics autonomies rollback deploy retrain improve",
        "agents/experiments/plan/frozen_plan.py": "alpha min_count missing_after_ms",
        "agents/drift/rule.py": "reference_count false_alarm_records references season "
        "tolerance anomalies",
        "agents/experiments/verdicts/deploy_conditions.py": "deploy_after_days deploy_needs",
        "agents/failures/analysis/classify.py": "failure_threshold",
        "agents/alerts/rules.py": "alerts",
        "agents/trust/fold_outcomes.py": "disable_below",
        "agents/commands/budget.py": "commands_per_hour subjects_share",
        "agents/flow/findings.py": "max_age_ms",
        "agents/experiments/verdicts/reopening.py": "manual_lock_ms",
        "agents/commands/guards.py": "approvers",
        "agents/commands/ledger.py": "acknowledge_ms",
    },
    "Reference": {"agents/drift/rule.py": "metric segment count sum"},
    "AlertRule": {
        "agents/alerts/raising.py": "name metric operator threshold severity template duration_ms "
        "cooldown_ms"
    },
    "AutonomyRule": {"agents/core/policies.py": "autonomy order rule environment"},
    "Approver": {"agents/commands/guards.py": "name order"},
    "CommandStatus": {
        "agents/flow/ingress.py": "event_id",
        "agents/flow/inputs.py": "subject",
        "agents/commands/in_flight.py": "command_id attempt status detail reporter cause progress",
        "agents/failures/followups.py": "reported_at",
        "agents/experiments/plan/reported_shares.py": "traffic_share share_from share_until",
        "agents/flow/command_effects.py": "made_version",
    },
    "Request": {
        "agents/flow/ingress.py": "event_id",
        "agents/flow/inputs.py": "subject",
        "agents/flow/handlers.py": "kind",
        "agents/flow/findings.py": "detail requested_by experiment_id variant model_version "
        "to_version environment strategy max_retries",
        "agents/commands/compensation.py": "command_id",
    },
    "Review": {
        "agents/flow/ingress.py": "event_id",
        "agents/flow/inputs.py": "subject",
        "agents/commands/approvals.py": "command_id verdict comment reviewer",
        "agents/commands/guards.py": "digest",
    },
    "Recommendation": {
        "agents/flow/inputs.py": "agent_id",
        "agents/learning/fold_recommendations.py": "event_id run_id kind content "
        "confidence made_at due_at",
    },
    "RecommendationOutcome": {
        "agents/flow/ingress.py": "event_id",
        "agents/flow/inputs.py": "agent_id",
        "agents/learning/fold_recommendations.py": "run_id recommendation_id judgement "
        "quality failed judged_at",
    },
}
# Fields that nothing is decided by, and why they are there.
TOLD_ONLY = {
    (
        "CommandStatus",
        "fencing_token",
    ): "which attempt a status is of says `attempt`; the ledger of targets is checked by it",
    ("Request", "priority"): "for people, who see it on the command's row",
    ("Request", "failure_id"): "for people, who find the failure by it from the command's row",
    (
        "Request",
        "requested_at",
    ): "the broker's clock says when it was asked; this is for people who read the topic",
    (
        "Review",
        "reviewed_at",
    ): "the broker's clock says when it was reviewed; this is for people who read the topic",
    ("Recommendation", "reasoning"): "for people who read the topic",
    (
        "Recommendation",
        "subject",
    ): "for people who read the topic; trust is the agent's, whatever it recommends about",
    ("RecommendationOutcome", "feedback"): "for people who read the topic",
    ("RecommendationOutcome", "judged_by"): "for people who read the topic",
}


def fields_of(schema: Any) -> Iterator[tuple[str, str]]:
    """Every (record, field) of a schema, nested records included."""
    match schema:
        case {"type": "record", "name": record, "fields": listed}:
            for field in listed:
                yield record, field["name"]
                yield from fields_of(field["type"])
        case {"type": "array" | "map"}:
            yield from fields_of(schema.get("items") or schema.get("values"))
        case list():
            for part in schema:
                yield from fields_of(part)


ALL = sorted({one for record in SENT for one in fields_of(json.loads(schema_text(record)))})


def readers() -> dict[tuple[str, str], str]:
    return {
        (record, field): path
        for record, by in READ.items()
        for path, names in by.items()
        for field in names.split()
    }


def test_every_field_that_others_may_send_is_classified_once() -> None:
    known = [*readers(), *TOLD_ONLY]
    assert len(known) == len(set(known))
    assert sorted(known) == ALL


@pytest.mark.parametrize(("record", "field"), ALL)
def test_a_field_is_named_where_it_is_said_to_be_acted_on(record: str, field: str) -> None:
    if (record, field) in TOLD_ONLY:
        assert TOLD_ONLY[record, field]
        return
    text = (ROOT / readers()[record, field]).read_text(encoding="utf-8")
    python_name = next(
        each.name for each in fields(named_class(record)) if each.name.rstrip("_") == field
    )
    assert re.search(rf"\.{python_name}\b|\"{python_name}\"", text), (
        f"{python_name} is not read there"
    )


METRIC = MetricSpec("conversion", Role.GOAL, Direction.HIGHER_IS_BETTER, MetricKind.RATE)
OTHERWISE: dict[str, Any] = {
    "control": "old",
    "treatments": ("b", "c"),
    "share_steps": (ShareStep(shares=(Share("control", 0.9), Share("b", 0.1))),),
    "metrics": (replace(METRIC, expected_count=7),),
    "alpha": 0.01,
    "min_count": 7,
    "autonomy": Autonomy.AUTO,
    "status": ExperimentStatus.STOPPED,
    "ends_at": NOON + 1_000,
    "candidate_version": "v2",
    "baseline_version": "v1",
    "environment": "staging",
    "follows_rollout": True,
}


def kept(**terms: Any) -> ExperimentRow:
    life = Life()
    base = spec(share_steps=()) if terms.keys() & {"control", "follows_rollout"} else spec()
    life.send(SPECS, [replace(base, **terms)])
    assert life.refused == []
    row = life.tables.experiments.experiments.get(row_key("bot", "exp"))
    assert row is not None
    return row


def test_each_term_of_a_spec_is_tried() -> None:
    names = {each.name for each in fields(ExperimentSpec)}
    assert names - OTHERWISE.keys() == {"event_id", "experiment_id", "subject"}


@pytest.mark.parametrize("name", OTHERWISE)
def test_each_term_of_a_spec_stands_in_the_row_that_is_judged_by(name: str) -> None:
    assert getattr(kept(**{name: OTHERWISE[name]}), name) == OTHERWISE[name]
