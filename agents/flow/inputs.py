"""The one registry of inputs: how a record of each is checked, keyed and handled, and by which
tables.
"""

from collections.abc import Mapping
from operator import attrgetter
from typing import Any

from agents.commands import approvals, budget
from agents.failures.patterns import fold_facts as patterns
from agents.flow import command_effects, findings, fold_metrics, fold_results, handlers
from agents.flow.ingress import BatchInput, Input
from agents.learning import fold_recommendations as learning
from agents.trust import fold_outcomes as trust
from schemas import catalog
from schemas.validation.field_checks import Fault
from schemas.validation.requests_and_recommendations import (
    check_outcome,
    check_recommendation,
    check_request,
    check_review,
)
from schemas.validation.spec_checks import check_spec
from schemas.validation.status_checks import check_status


def _no_check(_record: Any) -> list[Fault]:
    """Returns no fault: what the processor wrote makes sense."""
    return []


_SUBJECT, _AGENT, _TENANT = attrgetter("subject"), attrgetter("agent_id"), attrgetter("tenant")
_HIGH_VOLUME: tuple[BatchInput, ...] = (
    BatchInput(
        catalog.RESULTS,
        fold_results.fold_results,
        fold_results.remember_results,
        fold_results.admitted_results,
    ),
    BatchInput(
        catalog.METRICS,
        fold_metrics.fold_metrics,
        fold_metrics.remember_metrics,
        fold_metrics.admitted_metrics,
    ),
)
_BY_RECORD: tuple[Input[Any, Any], ...] = (
    Input(
        catalog.SPECS,
        _SUBJECT,
        check_spec,
        handlers.specified,
        lambda state: state.experiments,
    ),
    Input(
        catalog.STATUS,
        _SUBJECT,
        check_status,
        command_effects.reported,
        lambda state: state,
    ),
    Input(
        catalog.RECOMMENDATIONS,
        _AGENT,
        check_recommendation,
        handlers.recommended,
        lambda state: (state.trust, state.learning),
    ),
    Input(
        catalog.OUTCOMES,
        _AGENT,
        check_outcome,
        learning.judged,
        lambda state: state.learning,
    ),
    Input(
        catalog.REQUESTS,
        _SUBJECT,
        check_request,
        handlers.requested,
        lambda state: state,
    ),
    Input(
        catalog.REVIEWS,
        _SUBJECT,
        check_review,
        command_effects.moving(approvals.reviewed),
        lambda state: state,
    ),
    Input(catalog.PROPOSALS, _TENANT, _no_check, budget.admit, lambda state: state.commands),
    Input(
        catalog.ADMISSIONS,
        _SUBJECT,
        _no_check,
        command_effects.moving(approvals.admitted),
        lambda state: state,
    ),
    Input(
        catalog.PATTERN_FACTS,
        attrgetter("key"),
        _no_check,
        patterns.fold_fact,
        lambda state: state.failures,
    ),
    Input(catalog.TRUST_FACTS, _AGENT, _no_check, trust.fold_fact, lambda state: state.trust),
    Input(
        catalog.LEARNING_FACTS,
        _TENANT,
        _no_check,
        learning.fold_fact,
        lambda state: state.learning,
    ),
    Input(catalog.ADVICE, _SUBJECT, _no_check, findings.follow, lambda state: state),
    Input(catalog.TICKS, str, _no_check, handlers.ticked, lambda state: state, is_new=True),
)
_ALL: tuple[Input[Any, Any] | BatchInput, ...] = (*_HIGH_VOLUME, *_BY_RECORD)
INPUTS_BY_TOPIC: Mapping[str, Input[Any, Any] | BatchInput] = {
    source.topic: source for source in _ALL
}
assert set(INPUTS_BY_TOPIC) == set(catalog.INPUTS), "each input of the catalog is registered once"


def is_columnar(topic: str) -> bool:
    """Returns whether an input is folded by a compiled loop."""
    return not isinstance(INPUTS_BY_TOPIC[topic], Input)
