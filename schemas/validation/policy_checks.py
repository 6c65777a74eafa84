"""Finds well-formed policies that make no sense, with the value in the sentence."""

from collections.abc import Iterator
from math import isfinite
from string import Formatter

from schemas.records import Order, Policy
from schemas.refusals import Reason
from schemas.row_limits import METRICS_MAX, REFERENCE_COUNT_MAX
from schemas.validation.field_checks import (
    Fault,
    environments_at_fault,
    levels_at_fault,
    metrics_at_fault,
    names_at_fault,
    persons_at_fault,
    repeated_names,
    symbols_at_fault,
)

REFERENCE_COUNT_MIN = 100  # fewer records are no reference
FALSE_ALARM_RECORDS_MIN = 1e3
ACKNOWLEDGE_MS_MIN, ACKNOWLEDGE_MS_MAX = 5_000, 7 * 86_400_000  # ticks come each second
MISSING_MS_MIN, MISSING_MS_MAX = (
    60_000,
    30 * 86_400_000,
)  # each experiment is looked at once a minute at most
DEPLOY_DAYS_MAX = 365
TOLERANCE_MAX = 10.0  # relative; a rise to more than tenfold odds is no tolerable one
COMMANDS_MAX = 1_000  # an hour; when each was issued is kept for as long


def check_policy(policy: Policy) -> list[Fault]:
    """Returns the reasons why a policy is refused; empty where it is not."""
    faults = [
        *names_at_fault(event_id=policy.event_id, policy_id=policy.policy_id),
        *(fault for subject in policy.subjects for fault in names_at_fault(subject=subject)),
        *symbols_at_fault(
            rollback=policy.rollback,
            deploy=policy.deploy,
            retrain=policy.retrain,
            improve=policy.improve,
            season=policy.season,
        ),
        *levels_at_fault(policy.alpha, policy.min_count),
        *metrics_at_fault(policy.metrics),
    ]
    if policy.reference_count < REFERENCE_COUNT_MIN:
        faults.append(
            (
                Reason.BAD_COUNT,
                f"reference_count {policy.reference_count} is less than {REFERENCE_COUNT_MIN}",
            )
        )
    if policy.reference_count > REFERENCE_COUNT_MAX:
        faults.append(
            (
                Reason.BAD_COUNT,
                f"reference_count {policy.reference_count} is more than {REFERENCE_COUNT_MAX}",
            )
        )
    if not FALSE_ALARM_RECORDS_MIN <= policy.false_alarm_records < float("inf"):
        sentence = (
            f"false_alarm_records {policy.false_alarm_records:g} is not in "
            f"[{FALSE_ALARM_RECORDS_MIN:g}, inf)"
        )
        faults.append((Reason.OUT_OF_RANGE, sentence))
    faults.extend(_alert_rules(policy))
    if not 0 < policy.failure_threshold < float("inf"):
        faults.append(
            (Reason.OUT_OF_RANGE, f"failure_threshold {policy.failure_threshold:g} is not above 0")
        )
    faults.extend(_autonomies(policy))
    faults.extend(_bounds(policy))
    if policy.disable_below is not None and not 0 <= policy.disable_below <= 1:
        faults.append(
            (Reason.OUT_OF_RANGE, f"disable_below {policy.disable_below:g} is not in [0, 1]")
        )
    for reference in policy.references:
        faults.extend(
            names_at_fault(reference_metric=reference.metric, reference_segment=reference.segment)
        )
        if reference.count < 1:
            faults.append(
                (
                    Reason.BAD_COUNT,
                    f"the reference of {reference.metric!r} has count {reference.count}, less than "
                    "1",
                )
            )
        if not isfinite(reference.sum):
            faults.append(
                (
                    Reason.NOT_FINITE,
                    f"the reference of {reference.metric!r} has sum {reference.sum}, which is no "
                    "finite number",
                )
            )
    return faults


def _alert_rules(policy: Policy) -> Iterator[Fault]:
    yield from repeated_names("alert", (rule.name for rule in policy.alerts))
    for rule in policy.alerts:
        yield from names_at_fault(alert=rule.name, alert_metric=rule.metric)
        yield from symbols_at_fault(operator=rule.operator, severity=rule.severity)
        if not isfinite(rule.threshold):
            yield (
                Reason.NOT_FINITE,
                f"the threshold of {rule.name!r} is {rule.threshold}, which is no finite number",
            )
        if min(rule.duration_ms, rule.cooldown_ms) < 0:
            yield Reason.OUT_OF_RANGE, f"the duration or cooldown of {rule.name!r} is negative"
        if not _fillable(rule.template):
            sentence = (
                f"the template of {rule.name!r} may name {{key}}, {{value}} and "
                "{threshold} and nothing else"
            )
            yield Reason.BAD_TEMPLATE, sentence


def _autonomies(policy: Policy) -> Iterator[Fault]:
    for rule in policy.autonomies:
        yield from symbols_at_fault(autonomy=rule.autonomy, order=rule.order or Order.NONE)
        yield from names_at_fault(autonomy_rule=rule.rule)
        yield from environments_at_fault(autonomy_environment=rule.environment)
    for each in policy.approvers:
        yield from symbols_at_fault(order=each.order or Order.NONE)
        yield from persons_at_fault(approver=each.name)


def _bounds(policy: Policy) -> Iterator[Fault]:
    """Of what may happen without a person."""
    if not 0 <= policy.commands_per_hour <= COMMANDS_MAX:
        sentence = (
            f"commands_per_hour {policy.commands_per_hour} is not between 0 and {COMMANDS_MAX}"
        )
        yield Reason.OUT_OF_RANGE, sentence
    if not 0 <= policy.subjects_share <= 1:
        yield Reason.OUT_OF_RANGE, f"subjects_share {policy.subjects_share:g} is not in [0, 1]"
    if min(policy.max_age_ms, policy.manual_lock_ms) < 0:
        yield Reason.OUT_OF_RANGE, "max_age_ms or manual_lock_ms is negative"
    if not 0 <= policy.deploy_after_days <= DEPLOY_DAYS_MAX:
        sentence = (
            f"deploy_after_days {policy.deploy_after_days} is not between 0 and {DEPLOY_DAYS_MAX}"
        )
        yield Reason.OUT_OF_RANGE, sentence
    if len(policy.deploy_needs) > METRICS_MAX:
        sentence = f"deploy_needs has {len(policy.deploy_needs)} metrics, more than {METRICS_MAX}"
        yield Reason.OUT_OF_RANGE, sentence
    for metric in policy.deploy_needs:
        yield from names_at_fault(metric=metric)
    if not 0 <= policy.tolerance <= TOLERANCE_MAX:
        sentence = f"tolerance {policy.tolerance:g} is not between 0 and {TOLERANCE_MAX:g}"
        yield Reason.OUT_OF_RANGE, sentence
    if not MISSING_MS_MIN <= policy.missing_after_ms <= MISSING_MS_MAX:
        sentence = (
            f"missing_after_ms {policy.missing_after_ms} is not between {MISSING_MS_MIN} "
            f"and {MISSING_MS_MAX}"
        )
        yield Reason.OUT_OF_RANGE, sentence
    if not ACKNOWLEDGE_MS_MIN <= policy.acknowledge_ms <= ACKNOWLEDGE_MS_MAX:
        sentence = (
            f"acknowledge_ms {policy.acknowledge_ms} is not between {ACKNOWLEDGE_MS_MIN} "
            f"and {ACKNOWLEDGE_MS_MAX}"
        )
        yield Reason.OUT_OF_RANGE, sentence


def _fillable(template: str) -> bool:
    try:
        named = {name for _, name, _, _ in Formatter().parse(template) if name is not None}
        template.format(key="", value=0.0, threshold=0.0)
    except (ValueError, LookupError, AttributeError):
        return False
    return named <= {"key", "value", "threshold"}
