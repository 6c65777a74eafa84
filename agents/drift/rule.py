"""How one live metric is watched: by the policy and by what kind of metric it is."""

from dataclasses import dataclass
from enum import Enum, auto
from math import log

from agents.drift.evidence.notes import PointsOf
from agents.drift.evidence.thinning_and_limits import stated
from schemas.records import (
    AnomalyWatch,
    Direction,
    MetricKind,
    MetricSpec,
    Policy,
    Reference,
    Role,
    Season,
)
from schemas.validation.policy_checks import REFERENCE_COUNT_MIN


class BadWhen(Enum):
    """What makes a unit bad."""

    NOT = auto()  # nothing: added up and shown
    RATE = auto()  # the producer says so
    LIMIT = auto()  # a value beyond a limit


@dataclass(frozen=True, slots=True)
class Rule:
    """How a metric's streams are watched.

    SIGNAL metrics, metrics without a direction and COUNT metrics (units of exposure and events
    among them, without a share of bad ones) are added up and never command.
    """

    how: BadWhen
    upper: bool  # more is worse
    limit: float | None  # stated
    reference_count: int
    threshold: float  # log of the e-detector's alarm
    sound_count: int  # units on which a version must have been sound to be gone back to
    references: tuple[Reference, ...]
    margin: float = 0.0  # relative: what is within it of a constant is no harm
    is_count: bool = False  # a goal or guardrail that has no bad units
    is_rate: bool = False  # its sums are counts of units, whether or not it is watched
    season: Season = Season.WEEK  # what its rate may follow
    tolerance: float = 0.0  # relative rise of the odds of a bad unit that is no drift
    points: PointsOf = PointsOf.NOTHING  # of the series that is watched for what is unusual

    @staticmethod
    def of(spec: MetricSpec, policy: Policy) -> "Rule":
        return Rule(
            _how(spec),
            spec.direction == Direction.LOWER_IS_BETTER,
            stated(spec.limit),
            policy.reference_count,
            log(policy.false_alarm_records),
            policy.min_count,
            tuple(one for one in policy.references if one.metric == spec.name),
            spec.margin,
            spec.role in (Role.GOAL, Role.GUARDRAIL) and spec.kind == MetricKind.COUNT,
            spec.kind == MetricKind.RATE,
            policy.season,
            policy.tolerance,
            _points(spec, policy),
        )

    @property
    def compared(self) -> float | None:
        """The stated limit of a metric that has one."""
        return self.limit if self.how == BadWhen.LIMIT else None

    def needed(self, thin: int) -> int:
        """Judged units that freeze a reference: as many records as the policy says, thinned as the
        stream is.
        """
        if thin <= 1:
            return self.reference_count
        return min(self.reference_count, max(REFERENCE_COUNT_MIN, self.reference_count // thin))

    def reference(self, segment: str | None) -> Reference | None:
        """The stated reference, where it can be compared with.

        Of a RATE its sum is the producer's; where a limit is stated, its sum is the records beyond
        the limit. Without one a count and a sum say nothing of single records: such a metric learns
        its limit and its reference.
        """
        if self.how == BadWhen.NOT or (self.how == BadWhen.LIMIT and self.limit is None):
            return None
        return next((one for one in self.references if one.segment == segment), None)

    def bad_of(self, reference: Reference) -> int:
        """Its bad units; a sum out of range is taken at its end."""
        total = min(max(int(reference.sum), 0), reference.count)
        return total if self.upper or self.how == BadWhen.LIMIT else reference.count - total


def _how(spec: MetricSpec) -> BadWhen:
    if spec.role not in (Role.GOAL, Role.GUARDRAIL):
        return BadWhen.NOT
    if spec.direction not in (Direction.LOWER_IS_BETTER, Direction.HIGHER_IS_BETTER):
        return BadWhen.NOT
    if spec.kind in (MetricKind.MEAN, MetricKind.LATENCY):
        return BadWhen.LIMIT
    return BadWhen.RATE if spec.kind == MetricKind.RATE else BadWhen.NOT


def _points(spec: MetricSpec, policy: Policy) -> PointsOf:
    if policy.anomalies != AnomalyWatch.ALERT:
        return PointsOf.NOTHING
    alone = spec.kind in (MetricKind.MEAN, MetricKind.LATENCY)
    return PointsOf.RECORDS if alone else PointsOf.MINUTES
