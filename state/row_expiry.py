"""When rows leave their tables: each row tells the moment itself, so that a restart changes nothing
of it.

The moments are those of the broker's clock, but for patterns and signals, which go by event time as
their counts do. What they stand for is told by then; the topics of decisions, failures and
transitions keep the history.
"""

from schemas.records import (
    AgentDayRow,
    AlertRow,
    AlertState,
    AnomalyRow,
    BudgetRow,
    CommandRow,
    ExperimentRow,
    ExperimentStatus,
    LearningRow,
    LessonRow,
    MetricRow,
    Order,
    PatternRow,
    Phase,
    Priority,
    SightingsRow,
    SignalRow,
    TrustRow,
)

NEVER = -1
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
METRIC_MS = 30 * DAY_MS  # without a record; a segment that comes back later learns anew
# After it was stopped or ended and after the last that came of it; of one that no spec names after
# the latter alone.
EXPERIMENT_MS = 30 * DAY_MS
COMMAND_MS = 90 * DAY_MS  # from its last issue on, as long as the topics of commands keep it
SERVED_MS = (
    365 * DAY_MS
    # of a command that put a version in service: until then it may be gone back to without more
    # right
)
ALERT_MS = 30 * DAY_MS  # after it was raised last; a longer cooldown ends here
AGENT_DAYS_MS = 400 * DAY_MS  # a year, and the month it is compared with
LESSON_MS = 180 * DAY_MS  # without an outcome, as long as the topics of recommendations keep one
PATTERN_MS = (
    365 * DAY_MS
)  # of event time, without a failure; what helped against it is worth remembering for long
SIGHTINGS_MS = 7 * DAY_MS  # without a sighting; only those of a day before a failure are asked for
# outcomes that what is known of an agent amounts to; reached five months after the last of many
FADED = 0.01
OPEN = frozenset(
    {
        Phase.UNKNOWN,
        Phase.PROPOSED,
        Phase.PENDING_APPROVAL,
        Phase.ISSUED,
        Phase.ACKNOWLEDGED,
        Phase.IN_PROGRESS,
        Phase.RETRYING,
        Phase.COMPENSATING,
    }
)
AT_WORK = OPEN - {Phase.UNKNOWN, Phase.PROPOSED, Phase.PENDING_APPROVAL, Phase.COMPENSATING}


def metric(row: MetricRow) -> int:
    seen_at = max((version.seen_at for version in row.versions), default=-1)
    return seen_at + METRIC_MS if seen_at >= 0 else NEVER


def anomaly(row: AnomalyRow) -> int:
    return row.seen_at + METRIC_MS if row.seen_at >= 0 else NEVER


def experiment(row: ExperimentRow) -> int:
    """Returns when an experiment's row may leave. What an older Mendstream began, stopped or ended
    is looked at when a tick comes: its row tells no moment.

    A running experiment stays where a spec names it: what a person planned stands until a person
    stops it or its `ends_at` passes, for without its terms a later result would be judged by
    others. One that only its results brought about is named by whoever sends, so that such rows
    would be without an end.
    """
    planned = row.status == ExperimentStatus.RUNNING and row.specified
    return NEVER if planned or row.status == ExperimentStatus.UNKNOWN else max(0, row.leaves_at)


def rested(now: int) -> int:
    """When an experiment leaves of which this was the last that came: at a full hour, so that many
    leave at one tick.
    """
    return -(-(now + EXPERIMENT_MS) // HOUR_MS) * HOUR_MS


def served(row: CommandRow) -> bool:
    """Returns whether a command put a version in service, or took one out."""
    return row.phase == Phase.COMPLETED and row.order in (Order.DEPLOY, Order.ROLLBACK)


def command(row: CommandRow) -> int:
    if row.phase in OPEN:
        return NEVER
    return row.issued_at + (SERVED_MS if served(row) else COMMAND_MS)


def budget(row: BudgetRow) -> int:
    """Once nothing of it is of the last hour."""
    return max((*row.spent, *row.denied), default=0) + HOUR_MS


def alert(row: AlertRow) -> int:
    if row.state == AlertState.RAISED or row.broken_at >= 0:
        return NEVER
    last = max((row.raised_at, *row.recent))
    return last + ALERT_MS if last >= 0 else 0  # one that never was raised says nothing


def trust(row: TrustRow) -> int:
    """Once all that was known of an agent has faded; what a policy disabled stays so."""
    faded = row.outcomes > 0 and row.good + row.bad < FADED and row.priority != Priority.DISABLED
    return row.updated_at if faded else NEVER


def agent_day(row: AgentDayRow) -> int:
    return row.day + AGENT_DAYS_MS


def lesson(row: LessonRow) -> int:
    return row.touched_at + LESSON_MS


def learning(row: LearningRow) -> int:
    return NEVER if row.fresh or row.tracked or row.declining else row.cycled_at + LESSON_MS


def pattern(row: PatternRow) -> int:
    return row.last_at + PATTERN_MS


def signal(row: SignalRow) -> int:
    return row.last_at + PATTERN_MS


def sightings(row: SightingsRow) -> int:
    return row.touched_at + SIGHTINGS_MS if row.touched_at >= 0 else NEVER
