"""Folds facts into failure patterns and signals; gives advice against failures, and warns before
them.

A pattern and its parent, the failure type, are folded in one partition, so that a new pattern
starts from its parent.
"""

from dataclasses import replace

from agents.alerts.raising import warning
from agents.core.effects import Output
from agents.core.provenance import Provenance
from agents.failures.patterns.precursors import followed as with_follower
from agents.failures.patterns.precursors import likely, listed, rate
from agents.failures.patterns.precursors import seen as with_sighting
from agents.failures.patterns.strategy_ranking import noted, ranked, specialist_for
from schemas.catalog import ADVICE, PATTERN_FACTS
from schemas.records import (
    Advice,
    Hypothesis,
    PatternFact,
    PatternFactKind,
    PatternRow,
    PatternStatus,
)
from state.partition.failure_tables import FailureTables
from state.rolling_windows import DAY_MS, counted, within
from state.storage.table import row_key

CONFIRMED_AT = 3  # failures within 30 days
DORMANT_MS = 7 * DAY_MS
SUBJECTS_KEPT = 32  # a person reads them
_ASLEEP = (PatternStatus.DORMANT, PatternStatus.RESOLVED)


def fold_fact(fact: PatternFact, place: Provenance, tables: FailureTables) -> list[Output]:
    """Folds one fact; the outputs are advice, warnings, and facts for other patterns."""
    match fact.kind:
        case PatternFactKind.FAILURE:
            return _failure(fact, place, tables)
        case PatternFactKind.ACTION:
            return _action(fact, tables)
        case PatternFactKind.SIGNAL:
            return _signal(fact, place, tables)
        case PatternFactKind.FOLLOWED:
            return _followed(fact, place, tables)
    assert fact.kind == PatternFactKind.PRECURSOR, f"no fold for {fact.kind}"
    row = tables.patterns.get(fact.pattern)
    if row is not None:
        tables.patterns.put(replace(row, precursors=listed(row.precursors, fact, fact.followed)))
    return []


def rebuild(tables: FailureTables) -> None:
    """Works out what is derived, after rows were restored."""
    rows = list(tables.patterns.rows())
    tables.event_time = max((row.last_at for row in rows), default=0)
    tables.dormant.rebuild(
        (row.pattern, row.last_at + DORMANT_MS) for row in rows if row.status not in _ASLEEP
    )


def _failure(fact: PatternFact, place: Provenance, tables: FailureTables) -> list[Output]:
    parent = _counted(tables, fact.key, "", fact)
    row = _counted(tables, fact.pattern, fact.key, fact)
    _fall_dormant(tables, fact.occurred_at)
    chosen = ranked(fact.hypotheses, row.actions, parent.actions)
    return [_advice(fact, row, chosen, place, tables)] if chosen else []


def _counted(tables: FailureTables, pattern: str, parent: str, fact: PatternFact) -> PatternRow:
    at = fact.occurred_at
    row = tables.patterns.get(pattern) or PatternRow(
        pattern=pattern, parent=parent, status=PatternStatus.EMERGING, total=0, first_at=at,
        last_at=at, buckets=(), day=0, week=0, month=0, subjects=(), loss=0.0, actions=(),
        precursors=(), helped_at=-1,
    )  # fmt: skip
    buckets, last = counted(row.buckets, at), max(row.last_at, at)
    spans = [within(buckets, last, days * DAY_MS) for days in (1, 7, 30)]
    subjects = (*(one for one in row.subjects if one != fact.subject), fact.subject)[
        -SUBJECTS_KEPT:
    ]
    row = replace(
        row,
        status=PatternStatus.CONFIRMED if spans[2] >= CONFIRMED_AT else PatternStatus.EMERGING,
        total=row.total + 1,
        first_at=min(row.first_at, at),
        last_at=last,
        buckets=buckets,
        day=spans[0],
        week=spans[1],
        month=spans[2],
        subjects=subjects,
        loss=row.loss + (fact.loss - row.loss) / (row.total + 1),
    )
    tables.patterns.put(row)
    tables.dormant.put(pattern, last + DORMANT_MS)
    return row


def _fall_dormant(tables: FailureTables, occurred_at: int) -> None:
    """Patterns without a failure for a week of event time sleep, or are resolved where an action
    helped since.
    """
    tables.event_time = max(tables.event_time, occurred_at)
    for pattern in tables.dormant.due(tables.event_time):
        row = tables.patterns.get(pattern)
        assert row is not None, f"{pattern} is due without a row"
        solved = row.helped_at >= row.last_at
        tables.patterns.put(
            replace(row, status=PatternStatus.RESOLVED if solved else PatternStatus.DORMANT)
        )


def _action(fact: PatternFact, tables: FailureTables) -> list[Output]:
    for pattern in (fact.key, fact.pattern):
        row = tables.patterns.get(pattern)
        if row is not None:
            helped_at = max(row.helped_at, fact.occurred_at) if fact.helped > 0.5 else row.helped_at
            tables.patterns.put(
                replace(
                    row, actions=noted(row.actions, fact.action, fact.helped), helped_at=helped_at
                )
            )
    return []


def _signal(fact: PatternFact, place: Provenance, tables: FailureTables) -> list[Output]:
    row = with_sighting(tables.signals.get(row_key(fact.signal)), fact)
    tables.signals.put(row)
    outputs = []
    for follower in likely(row):
        hours = follower.lead_ms / follower.followed / 3_600_000
        message = (
            f"{fact.subject}: {fact.signal} was followed by {follower.pattern} {follower.followed} "
            f"of {row.seen - 1} "
            f"times, {hours:.1f} hours later"
        )
        outputs.append(
            warning(
                place, fact.subject, fact.signal, follower.pattern, rate(row, follower), message
            )
        )
    return outputs


def _followed(fact: PatternFact, place: Provenance, tables: FailureTables) -> list[Output]:
    parent = fact.pattern.partition("|")[0]
    row = with_follower(tables.signals.get(row_key(fact.signal)), fact, parent)
    tables.signals.put(row)
    follower = row.followers[0]
    told = PatternFact(
        event_id=place.event_id("patterns", f"precursor|{fact.pattern}"),
        key=parent,
        kind=PatternFactKind.PRECURSOR,
        subject=fact.subject,
        pattern=fact.pattern,
        signal=fact.signal,
        lead_ms=follower.lead_ms // follower.followed,
        rate=rate(row, follower),
        followed=follower.followed,
        occurred_at=fact.occurred_at,
    )
    return [Output(PATTERN_FACTS, told.key, told.event_id, told, place.now)]


def _advice(
    fact: PatternFact,
    row: PatternRow,
    chosen: list[tuple[Hypothesis, float]],
    place: Provenance,
    tables: FailureTables,
) -> Output:
    (best, gain), kind = chosen[0], fact.key.rpartition("/")[2]
    tried = next((one.tried for one in row.actions if one.action == best.strategy), 0)
    known = f"it was tried {tried} times here" if tried else "nothing like it was tried here"
    advice = Advice(
        event_id=place.event_id("patterns", "advice"),
        subject=fact.subject,
        failure_id=fact.failure_id,
        pattern=fact.pattern,
        strategy=best.strategy,
        specialist=specialist_for(kind, fact.subject, tables.trust.in_force()),
        hypothesis=best.text,
        expected_gain=gain,
        expected_cost=best.expected_cost,
        reason=f"{best.strategy}: {gain:.1%} of {fact.metric} expected back for "
        f"{best.expected_cost:g} hours; {known}; "
        f"{row.month} failures like it within 30 days",
        experiment_id=fact.experiment_id,
        variant=fact.variant,
        model_version=fact.model_version,
        metric=fact.metric,
        segments=fact.segments,
        evidence=fact.evidence,
        occurred_at=fact.occurred_at,
    )
    return Output(ADVICE, fact.subject, advice.event_id, advice, place.now)
