"""Finds well-formed specs, policies and statuses that make no sense, one by one, with the value in
the sentence.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from enum import StrEnum
from itertools import pairwise
from math import isfinite
from string import Formatter

from schemas.persons import person_fault
from schemas.records import (
    Autonomy,
    CommandStatus,
    ExperimentSpec,
    ExperimentStatus,
    MetricSpec,
    Order,
    Policy,
    ShareStep,
)
from schemas.refusals import Reason
from schemas.row_limits import (
    METRIC_BYTES_MAX,
    METRICS_MAX,
    PAIR_BYTES_MAX,
    PAIRS_MAX,
    REFERENCE_COUNT_MAX,
    VARIANTS_MAX,
    bytes_of,
)
from schemas.validation.text import environment_fault, parts_fault, text_fault

Fault = tuple[Reason, str]

SHARES_TOLERANCE = 1e-6
ALPHA_MAX = 0.5  # at more, a coin is better evidence
STEPS_MAX = 64  # of a ramp; totals of each arm are kept for each
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


def check_spec(spec: ExperimentSpec) -> list[Fault]:
    """Returns the reasons why a spec is refused; empty where it is not."""
    arms = (spec.control, *spec.treatments)
    faults = [
        *names_at_fault(
            event_id=spec.event_id, experiment_id=spec.experiment_id, control=spec.control
        ),
        *keys_at_fault(subject=spec.subject),
        *names_at_fault(
            candidate_version=spec.candidate_version, baseline_version=spec.baseline_version
        ),
        *environments_at_fault(environment=spec.environment),
        *(fault for arm in spec.treatments for fault in names_at_fault(treatment=arm)),
        *_levels(spec.alpha, spec.min_count),
        *_metrics(spec.metrics),
        *_shares(spec.share_steps, arms),
        *_followed(spec),
        *_room(spec),
        *_known(status=spec.status, autonomy=spec.autonomy or Autonomy.AUTO),
    ]
    if spec.status == ExperimentStatus.ENDED:
        faults.append(
            (
                Reason.UNKNOWN_SYMBOL,
                "status ENDED is what ends_at leads to: send STOPPED to end it before",
            )
        )
    if not spec.treatments:
        faults.append((Reason.NO_TREATMENTS, "treatments is empty"))
    if spec.control in spec.treatments:
        faults.append((Reason.CONTROL_TREATED, f"control {spec.control!r} is among the treatments"))
    faults.extend(_repeated("treatment", spec.treatments))
    return faults


def check_status(status: CommandStatus) -> list[Fault]:
    """Returns the reasons why a status is refused; empty where it is not."""
    faults = [
        *names_at_fault(event_id=status.event_id, command_id=status.command_id),
        *keys_at_fault(subject=status.subject),
        *names_at_fault(reporter=status.reporter, made_version=status.made_version),
        *_known(status=status.status),
    ]
    if status.attempt < 1:
        faults.append((Reason.BAD_COUNT, f"attempt {status.attempt} is less than 1"))
    faults.extend(_reported_share(status))
    return faults


def check_policy(policy: Policy) -> list[Fault]:
    """Returns the reasons why a policy is refused; empty where it is not."""
    faults = [
        *names_at_fault(event_id=policy.event_id, policy_id=policy.policy_id),
        *(fault for subject in policy.subjects for fault in names_at_fault(subject=subject)),
        *_known(
            rollback=policy.rollback,
            deploy=policy.deploy,
            retrain=policy.retrain,
            improve=policy.improve,
            season=policy.season,
        ),
        *_levels(policy.alpha, policy.min_count),
        *_metrics(policy.metrics),
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


def names_at_fault(**texts: str | None) -> Iterator[Fault]:
    for name, text in texts.items():
        fault = text_fault(name, text)
        if fault is not None:
            yield fault


def keys_at_fault(**names: str) -> Iterator[Fault]:
    """Of names [tenant/]line that records are keyed by."""
    for name, text in names.items():
        fault = text_fault(name, text) or parts_fault(name, text)
        if fault is not None:
            yield fault


def environments_at_fault(**names: str | None) -> Iterator[Fault]:
    for name, text in names.items():
        fault = environment_fault(name, text)
        if fault is not None:
            yield fault


def persons_at_fault(**names: str) -> Iterator[Fault]:
    for name, text in names.items():
        fault = person_fault(name, text)
        if fault is not None:
            yield fault


def _known(**symbols: StrEnum) -> Iterator[Fault]:
    for name, symbol in symbols.items():
        if symbol == "UNKNOWN":
            yield Reason.UNKNOWN_SYMBOL, f"{name} is UNKNOWN"


def _levels(alpha: float, min_count: int) -> Iterator[Fault]:
    if not 0 < alpha <= ALPHA_MAX:
        yield Reason.OUT_OF_RANGE, f"alpha {alpha:g} is not in (0, {ALPHA_MAX}]"
    if min_count < 1:
        yield Reason.BAD_COUNT, f"min_count {min_count} is less than 1"


def _repeated(what: str, names: Iterable[str]) -> Iterator[Fault]:
    for name, times in Counter(names).items():
        if times > 1:
            yield Reason.DUPLICATE_NAME, f"{what} {name!r} is named {times} times"


def _metrics(metrics: Iterable[MetricSpec]) -> Iterator[Fault]:
    metrics = tuple(metrics)
    yield from _repeated("metric", (metric.name for metric in metrics))
    for metric in metrics:
        yield from names_at_fault(metric=metric.name)
        yield from _known(role=metric.role, direction=metric.direction, kind=metric.kind)
        if metric.limit is not None and not isfinite(metric.limit):
            yield (
                Reason.NOT_FINITE,
                f"the limit of {metric.name!r} is {metric.limit}, which is no finite number",
            )
        if metric.cap is not None and not isfinite(metric.cap):
            yield (
                Reason.NOT_FINITE,
                f"the cap of {metric.name!r} is {metric.cap}, which is no finite number",
            )
        if not 0 <= metric.margin < float("inf"):
            sentence = (
                f"the margin of {metric.name!r} is {metric.margin}, not a finite number from 0 on"
            )
            yield Reason.OUT_OF_RANGE, sentence
        if metric.absolute_margin is not None and not 0 <= metric.absolute_margin < float("inf"):
            sentence = (
                f"the absolute_margin of {metric.name!r} is {metric.absolute_margin}, not a "
                "finite number from 0 on"
            )
            yield Reason.OUT_OF_RANGE, sentence
        if metric.expected_count is not None and metric.expected_count < 1:
            yield (
                Reason.BAD_COUNT,
                f"the expected_count of {metric.name!r} is {metric.expected_count}, less than 1",
            )


def _alert_rules(policy: Policy) -> Iterator[Fault]:
    yield from _repeated("alert", (rule.name for rule in policy.alerts))
    for rule in policy.alerts:
        yield from names_at_fault(alert=rule.name, alert_metric=rule.metric)
        yield from _known(operator=rule.operator, severity=rule.severity)
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
        yield from _known(autonomy=rule.autonomy, order=rule.order or Order.NONE)
        yield from names_at_fault(autonomy_rule=rule.rule)
        yield from environments_at_fault(autonomy_environment=rule.environment)
    for each in policy.approvers:
        yield from _known(order=each.order or Order.NONE)
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


def _room(spec: ExperimentSpec) -> Iterator[Fault]:
    """Of a row that holds each treatment with each judged metric, and is written whole."""
    if len(spec.treatments) >= VARIANTS_MAX:
        yield (
            Reason.TOO_MANY_NAMES,
            f"{len(spec.treatments)} treatments and a control are more than {VARIANTS_MAX} arms",
        )
    names = [metric.name for metric in spec.metrics]
    if len(names) > METRICS_MAX or bytes_of(*names) > METRIC_BYTES_MAX:
        sentence = (
            f"{len(names)} metrics are more than {METRICS_MAX}, or their names more than "
            f"{METRIC_BYTES_MAX} bytes"
        )
        yield Reason.TOO_MANY_NAMES, sentence
    arms = (spec.control, *spec.treatments)
    pairs, size = (
        len(arms) * len(names),
        len(names) * bytes_of(*arms) + len(arms) * bytes_of(*names),
    )
    if pairs > PAIRS_MAX or size > PAIR_BYTES_MAX:
        sentence = (
            f"{len(arms)} arms with {len(names)} metrics are {pairs} pairs of {size} bytes of "
            f"names, more than {PAIRS_MAX} "
            f"or {PAIR_BYTES_MAX}"
        )
        yield Reason.TOO_MANY_NAMES, sentence


def _followed(spec: ExperimentSpec) -> Iterator[Fault]:
    if spec.follows_rollout and spec.share_steps:
        yield (
            Reason.BAD_SHARES,
            "the shares are stated, and reported as well by follows_rollout: only one may be",
        )
    if spec.follows_rollout and len(spec.treatments) > 1:
        yield (
            Reason.BAD_SHARES,
            f"a rollout moves one treatment's share, and there are {len(spec.treatments)}",
        )


def _reported_share(status: CommandStatus) -> Iterator[Fault]:
    share, since, until = status.traffic_share, status.share_from, status.share_until
    if share is None:
        if since is not None or until is not None:
            yield Reason.BAD_SHARES, "share_from or share_until is there without a traffic_share"
        return
    if not 0 <= share <= 1:
        yield Reason.BAD_SHARES, f"traffic_share {share:g} is not in [0, 1]"
    since = status.reported_at if since is None else since
    if until is not None and until <= since:
        yield (
            Reason.BAD_SHARES,
            f"share_until {until} is not after {since}, from when on the share holds",
        )


def _shares(steps: Iterable[ShareStep], arms: tuple[str, ...]) -> Iterator[Fault]:
    steps = tuple(steps)
    if len(steps) > STEPS_MAX:
        yield Reason.BAD_SHARES, f"{len(steps)} share steps are more than {STEPS_MAX}"
    for step in steps:
        total = sum(share.share for share in step.shares)
        if not abs(total - 1) <= SHARES_TOLERANCE:
            yield Reason.BAD_SHARES, f"the shares from {step.from_} add up to {total:g}, not 1"
        yield from _repeated("share of", (share.variant for share in step.shares))
        for share in step.shares:
            if share.variant not in arms:
                yield (
                    Reason.BAD_SHARES,
                    f"a share names {share.variant!r}, which is not among {arms}",
                )
            if not 0 < share.share <= 1:
                yield (
                    Reason.BAD_SHARES,
                    f"the share of {share.variant!r} is {share.share:g}, not above 0 and at most 1",
                )
    for before, after in pairwise(steps):
        if after.from_ is None or after.from_ <= (before.from_ or 0):
            yield Reason.BAD_SHARES, f"share step from {after.from_} does not follow {before.from_}"
