"""The one registry of inputs: how a record of each is checked, keyed and handled."""

from collections.abc import Mapping
from operator import attrgetter
from typing import Any

from agents.core.batch import Facts
from agents.drift import fold_metrics
from agents.experiments import fold_observations
from agents.flow import command_effects, findings, handlers
from agents.flow.ingress import ColumnarInput, Findings, Input
from schemas import catalog
from schemas.validation import recommendations, requests, results_and_metrics, specs_and_policies
from state.partition.partition_state import PartitionState


def _fold_results(facts: Facts, state: PartitionState) -> Findings:
    return fold_observations.fold(facts, state.experiments)


def _remember_results(facts: Facts, state: PartitionState) -> None:
    fold_observations.remember(facts, state.experiments)


def _fold_metrics(facts: Facts, state: PartitionState) -> Findings:
    return fold_metrics.fold(facts, state.drift)


def _remember_nothing(_facts: Facts, _state: PartitionState) -> None:
    """The ids are all that is to be known again."""


def _no_check(_record: Any) -> list[specs_and_policies.Fault]:
    """What the processor wrote makes sense."""
    return []


_SUBJECT, _AGENT, _TENANT = attrgetter("subject"), attrgetter("agent_id"), attrgetter("tenant")
_COLUMNAR = (
    ColumnarInput(
        catalog.RESULTS, results_and_metrics.check_results, _fold_results, _remember_results
    ),
    ColumnarInput(
        catalog.METRICS, results_and_metrics.check_metrics, _fold_metrics, _remember_nothing
    ),
)
_BY_RECORD: tuple[Input[Any], ...] = (
    Input(catalog.SPECS, _SUBJECT, specs_and_policies.check_spec, handlers.specified),
    Input(catalog.STATUS, _SUBJECT, specs_and_policies.check_status, command_effects.reported),
    Input(catalog.RECOMMENDATIONS, _AGENT, recommendations.check_recommendation, handlers.tracked),
    Input(catalog.OUTCOMES, _AGENT, recommendations.check_outcome, handlers.judged),
    Input(catalog.REQUESTS, _SUBJECT, requests.check_request, handlers.requested),
    Input(catalog.REVIEWS, _SUBJECT, requests.check_review, command_effects.reviewed),
    Input(catalog.PROPOSALS, _TENANT, _no_check, command_effects.admit),
    Input(catalog.ADMISSIONS, _SUBJECT, _no_check, command_effects.admitted),
    Input(catalog.PATTERN_FACTS, attrgetter("key"), _no_check, handlers.pattern_fact),
    Input(catalog.TRUST_FACTS, _AGENT, _no_check, handlers.trust_fact),
    Input(catalog.LEARNING_FACTS, _TENANT, _no_check, handlers.learning_fact),
    Input(catalog.ADVICE, _SUBJECT, _no_check, findings.follow),
    Input(catalog.TICKS, str, _no_check, handlers.ticked, is_new=True),
)
_ALL: tuple[Input[Any] | ColumnarInput, ...] = (*_COLUMNAR, *_BY_RECORD)
INPUTS_BY_TOPIC: Mapping[str, Input[Any] | ColumnarInput] = {
    source.topic: source for source in _ALL
}
assert set(INPUTS_BY_TOPIC) == set(catalog.INPUTS), "each input of the catalog is registered once"


def is_columnar(topic: str) -> bool:
    """Whether an input is folded a slice at once, not record by record."""
    return isinstance(INPUTS_BY_TOPIC[topic], ColumnarInput)
