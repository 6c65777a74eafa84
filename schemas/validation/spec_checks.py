"""Finds well-formed specs of experiments that make no sense, with the value in the sentence."""

from collections.abc import Iterable, Iterator
from itertools import pairwise

from schemas.records import Autonomy, ExperimentSpec, ExperimentStatus, ShareStep
from schemas.refusals import Reason
from schemas.row_limits import (
    METRIC_BYTES_MAX,
    METRICS_MAX,
    PAIR_BYTES_MAX,
    PAIRS_MAX,
    VARIANTS_MAX,
    bytes_of,
)
from schemas.validation.field_checks import (
    Fault,
    environments_at_fault,
    keys_at_fault,
    levels_at_fault,
    metrics_at_fault,
    names_at_fault,
    repeated_names,
    symbols_at_fault,
)

SHARES_TOLERANCE = 1e-6
STEPS_MAX = 64  # of a ramp; totals of each arm are kept for each


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
        *levels_at_fault(spec.alpha, spec.min_count),
        *metrics_at_fault(spec.metrics),
        *_shares(spec.share_steps, arms),
        *_followed(spec),
        *_room(spec),
        *symbols_at_fault(status=spec.status, autonomy=spec.autonomy or Autonomy.AUTO),
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
    faults.extend(repeated_names("treatment", spec.treatments))
    return faults


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


def _shares(steps: Iterable[ShareStep], arms: tuple[str, ...]) -> Iterator[Fault]:
    steps = tuple(steps)
    if len(steps) > STEPS_MAX:
        yield Reason.BAD_SHARES, f"{len(steps)} share steps are more than {STEPS_MAX}"
    for step in steps:
        total = sum(share.share for share in step.shares)
        if not abs(total - 1) <= SHARES_TOLERANCE:
            yield Reason.BAD_SHARES, f"the shares from {step.from_} add up to {total:g}, not 1"
        yield from repeated_names("share of", (share.variant for share in step.shares))
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
