"""Every bound on what is remembered or judged is known here with how it is told; a new one has to
say so.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from agents.core.provenance import Provenance
from agents.failures.followups import SIGHTINGS_KEPT, sight, sightings_of
from agents.failures.patterns.precursors import FOLLOWERS_KEPT, followed
from agents.learning.fold_recommendations import MEMBERS_MAX, VERDICTS_MAX
from schemas.catalog import LEARNING_FACTS
from schemas.ids import event_uuid
from schemas.records import (
    Judgement,
    LearningFact,
    LearningFactKind,
    PatternFact,
    PatternFactKind,
    SignalRow,
)
from state.partition.partition_state import PartitionState
from tests.support.builders import NOON
from tests.support.loop import Loop

_ROOT = Path(__file__).parents[2]
_ROOMS = ("agents", "ingest", "state")
_NAMED = re.compile(r"(^|_)(MOST|MAX|KEPT|HELD|WINDOW|SHOWN|INSIGHTS|RATED|STORM)$")

# What a bound does to what does not fit: REFUSED (a dead letter with a reason), TOLD (a decision,
# an alert, a field of a
# row), EXACT (nothing is lost by it), SHOWN (a person is shown part; what counts is counted whole),
# SCALE (of a formula).
BOUNDS = {
    "agents/anomalies/tails.py POINTS_MOST": "SCALE: the points of which a chance is worked out",
    "agents/anomalies/levels.py _CORRELATION_MOST": "SCALE: of the weight of a point",
    "agents/drift/version_limits.py "
    "VERSIONS_KEPT": "EXACT: only versions out of service give way to others",
    "agents/drift/version_limits.py "
    "VERSIONS_MAX": "TOLD: a decision MISSING, and unwatched, unwatched_at of the row",
    "agents/drift/evidence/thinning_and_limits.py "
    "THIN_MAX": "TOLD: what follows further is a decision MISSING, and unjudged of the row",
    "agents/statistics/bursts.py PAIRS_MOST": "SCALE: what the dispersion is worked out of",
    "agents/statistics/dispersion.py PAIRS_MOST": "SCALE: what the dispersion is worked out of",
    "agents/experiments/verdicts/split_hold.py "
    "WINDOW": "SCALE: of so many units a split is told to be sound again",
    "agents/flow/row_removal.py LEAVE_MAX": "EXACT: the others leave at the next ticks",
    "agents/experiments/evidence/pair_points.py POINTS_MAX": "EXACT: the loop stops and goes on",
    "agents/experiments/oversight/open_blocks.py CLOSED_MAX": "EXACT: the others at the next tick",
    "agents/experiments/removal.py LOOKED_AT_MAX": "EXACT: the others leave at the next ticks",
    "agents/experiments/removal.py ROWS_MAX": "EXACT: the others leave at the next ticks",
    "agents/learning/fold_recommendations.py MEMBERS_MAX": "REFUSED: RUN_FULL",
    "agents/learning/fold_recommendations.py VERDICTS_MAX": "REFUSED: RUN_FULL",
    "agents/learning/fold_recommendations.py "
    "DECLINING_MAX": "TOLD: the alert is raised from the third on",
    "agents/learning/cycle.py ACCURACIES_KEPT": "SCALE: the months a trend is worked out of",
    "agents/learning/recommendation_patterns.py "
    "AGENTS_KEPT": "SHOWN: outcomes are counted whole; the trust of each agent has its own row",
    "agents/learning/cycle.py INSIGHTS": "SHOWN: lessons are all in their table",
    "agents/failures/patterns/precursors.py FOLLOWERS_KEPT": "TOLD: left_out of the signal's row",
    "agents/failures/patterns/precursors.py "
    "PRECURSORS_KEPT": "SHOWN: signals keep their followers themselves",
    "agents/failures/patterns/fold_facts.py SUBJECTS_KEPT": "SHOWN: failures are counted whole",
    "agents/failures/followups.py "
    "SIGHTINGS_KEPT": "EXACT: the oldest of the signal seen most often gives way, never the last "
    "of one",
    "agents/commands/ledger.py ATTEMPTS_MAX": "TOLD: the command ends FAILED or TIMED_OUT",
    "agents/commands/budget.py _DENIED_MAX": "TOLD: the alert is raised from the first on",
    "agents/commands/in_flight.py RATED": "SCALE: the last commands whose failures are counted",
    "agents/commands/in_flight.py _RATED": "SCALE: the phases of those",
    "agents/alerts/events.py "
    "EARLIER_MAX": "TOLD: the oldest alert is over, and later ones of the same are open",
    "agents/alerts/raising.py STORM": "TOLD: an alert says that more are held, held counts them",
    "agents/alerts/raising.py _STORM": "SCALE: a name",
    "agents/trust/agent_days.py "
    "DAYS_MAX": "SHOWN: the earliest days leave; trust counts all outcomes of an agent",
    "ingest/join.py EXPOSURES_MAX": "REFUSED: TOO_MANY_EXPOSURES",
    "ingest/join.py OUTCOMES_MAX": "REFUSED: TOO_MANY_OUTCOMES",
    "ingest/reading.py RECORDS_MAX": "REFUSED: TOO_LARGE",
    "agents/trust/score.py MOST": "SCALE: outcomes at full weight",
    "agents/trust/score.py BOOST_MAX": "SCALE",
    "agents/statistics/variance_inflation.py MOST": "SCALE",
    "agents/experiments/oversight/missing_data.py CROSSED_MAX": "SCALE: a share of units",
    "agents/experiments/oversight/periodic_checks.py "
    "LACKS_MAX": "SHOWN: the next is told as one of these is mended",
    "agents/experiments/totals/additions.py _MOST": "SCALE: counts of records are refused above it",
    "agents/experiments/evidence/pair_needs.py MOST": "SCALE",
    "agents/experiments/verdicts/verdict_wording.py "
    "SEGMENTS_SHOWN": "SHOWN: segments are all in their table",
    "agents/failures/analysis/causes.py "
    "CAUSES_SHOWN": "SHOWN: of an analysis, those that explain most",
    "agents/drift/preparation.py "
    "_SHOWN": "SHOWN: characters of a name in the sentence that refuses it",
    "agents/experiments/plan/name_limits.py "
    "_SHOWN": "SHOWN: characters of a name in the sentence that refuses it",
    "agents/failures/followups.py "
    "FOLLOWED_KEPT": "SHOWN: what so many patterns followed tells of none of them",
    "agents/failures/patterns/strategy_ranking.py "
    "ACTIONS_KEPT": "SHOWN: actions that were tried least give way; strategies are fewer",
    "agents/flow/newcomers.py NEWCOMERS_MAX": "REFUSED: with the tenant's name",
    "agents/statistics/late_odds.py _MOST": "EXACT: more is as good as that",
    "agents/statistics/variance_inflation.py "
    "IN_TURN_MOST": "TOLD: docs/judge.md says how many hosts",
    "state/seen_ids.py WINDOW": "TOLD: docs/limits.md says how long a duplicate is known",
    "state/seen_ids.py _HELD": "EXACT: a sweep takes only what is out of the window",
    "state/partition/experiment_tables.py SLICE_MAX": "EXACT: slices are shorter",
    "state/experiment_arms.py HELD": "EXACT: a cache, gathered anew",
    "state/experiment_arms.py SLICE_HELD": "EXACT: a cache, gathered anew",
    "state/silent_senders.py SUBJECTS_MAX": "TOLD: a metric counts the unwatched",
    "state/silent_senders.py LOOKED_AT_MAX": "SHOWN: of more no exact count is needed",
}


def _bounds() -> Iterator[str]:
    for room in _ROOMS:
        for path in sorted((_ROOT / room).rglob("*.py")):
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                targets = (
                    node.targets
                    if isinstance(node, ast.Assign)
                    else [getattr(node, "target", None)]
                )
                for target in targets:
                    if isinstance(target, ast.Name) and _NAMED.search(target.id):
                        yield f"{path.relative_to(_ROOT).as_posix()} {target.id}"


def test_every_bound_says_what_becomes_of_what_does_not_fit() -> None:
    found = set(_bounds())
    assert found - BOUNDS.keys() == set(), (
        "say here how it is told; a bound without a word is a fault"
    )
    assert BOUNDS.keys() - found == set(), "it is gone, or has another name"
    assert {text.partition(":")[0] for text in BOUNDS.values()} <= {
        "REFUSED",
        "TOLD",
        "EXACT",
        "SHOWN",
        "SCALE",
    }


def test_a_list_that_is_cut_is_cut_at_a_bound_that_is_known() -> None:
    """`[:9]` and `[-9:]` with a number in them would be a bound without a name."""
    for room in _ROOMS:
        for path in sorted((_ROOT / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if (
                    isinstance(node, ast.Slice)
                    and node.upper is None
                    and isinstance(node.lower, ast.UnaryOp)
                ):
                    assert not isinstance(node.lower.operand, ast.Constant), (
                        f"{path}:{node.lower.lineno}"
                    )


def fact(n: int, kind: LearningFactKind, **fields: str) -> LearningFact:
    return LearningFact(
        event_id=event_uuid("fact", n),
        tenant="t",
        kind=kind,
        agent_id="t/bob",
        run_id="r",
        topic="x",
        digest="d",
        judgement=Judgement.APPROVED,
        quality=1.0,
        confidence=0.5,
        occurred_at=NOON,
        recommendation_id=fields.get("recommendation_id", str(n)),
    )


def test_a_recommendation_past_those_of_a_run_is_refused_and_tracked_by_nobody() -> None:
    loop = Loop()
    loop.send(LEARNING_FACTS, [fact(n, LearningFactKind.TRACKED) for n in range(MEMBERS_MAX + 2)])
    assert (
        loop.refused
        == [f"RUN_FULL: run r has {MEMBERS_MAX} recommendations already: begin another"] * 2
    )
    (row,) = loop.tables.learning.tenants.rows()
    assert row.tracked == MEMBERS_MAX


def test_outcomes_of_more_than_are_kept_are_all_folded_and_that_of_the_run_stays() -> None:
    """Each judges a recommendation that is there; only those that wait are bounded."""
    loop, n = Loop(), 2 * VERDICTS_MAX
    loop.send(LEARNING_FACTS, [fact(at, LearningFactKind.TRACKED) for at in range(n)])
    judged = [
        fact(1_000 + at, LearningFactKind.JUDGED, recommendation_id=str(at)) for at in range(n)
    ]
    loop.send(LEARNING_FACTS, [*judged, fact(5_000, LearningFactKind.JUDGED, recommendation_id="")])
    loop.send(LEARNING_FACTS, [fact(6_000, LearningFactKind.TRACKED)])
    (row,) = loop.tables.learning.tenants.rows()
    assert (loop.refused, row.outcomes, row.tracked) == ([], n + 1, 0)


def test_outcomes_that_wait_for_nothing_that_comes_are_refused() -> None:
    loop = Loop()
    loop.send(LEARNING_FACTS, [fact(n, LearningFactKind.JUDGED) for n in range(VERDICTS_MAX + 1)])
    (refused,) = loop.refused
    assert refused.startswith(f"RUN_FULL: run r has {VERDICTS_MAX} outcomes that wait")


def test_a_signal_that_comes_again_and_again_pushes_out_no_other() -> None:
    failures = PartitionState(0, 1).failures
    for n in range(3 * SIGHTINGS_KEPT):
        signal = "rare" if n == 0 else "frequent"
        sight("bot", signal, NOON + n, Provenance("t", 0, n, NOON + n), failures)
    kept = sightings_of("bot", failures)
    assert len(kept) == SIGHTINGS_KEPT
    assert [one.signal for one in kept].count("rare") == 1
    assert kept[-1].occurred_at == NOON + 3 * SIGHTINGS_KEPT - 1


def test_followers_that_give_way_are_counted_and_those_seen_most_stay() -> None:
    row: SignalRow | None = None
    for n in [0] * 5 + list(range(1, FOLLOWERS_KEPT + 3)):
        told = PatternFact(
            event_id=event_uuid(n),
            key="s",
            kind=PatternFactKind.FOLLOWED,
            subject="bot",
            pattern=f"p{n}",
            signal="s",
            lead_ms=1,
            occurred_at=NOON,
        )
        row = followed(row, told, "ACCURACY")
    assert row is not None
    assert (len(row.followers), row.left_out) == (FOLLOWERS_KEPT, 3)
    assert ("p0", 5) in [(one.pattern, one.followed) for one in row.followers]
