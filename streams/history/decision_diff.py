"""Lays two runs' decisions side by side: the same, decided otherwise, falling at another time, or
in one of them only.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from schemas.records import Decision, Outcome


class Comparison(StrEnum):
    """The fate of a decision in the other run."""

    SAME = "SAME"
    CHANGED = "CHANGED"
    EARLIER = "EARLIER"
    LATER = "LATER"
    ONLY_RECORDED = "ONLY_RECORDED"
    ONLY_OTHER = "ONLY_OTHER"


@dataclass(frozen=True, slots=True)
class DecisionPair:
    """One decision of both runs, or of one."""

    kind: Comparison
    recorded: Decision | None
    other: Decision | None

    @property
    def at(self) -> int:
        """The moment at which it first fell in either history, ms."""
        return min(each.decided_at for each in (self.recorded, self.other) if each is not None)


def paired(recorded: Iterable[Decision], other: Iterable[Decision]) -> list[DecisionPair]:
    """Pairs decisions by id, which the evidence gives; what is left by what it is about, in the
    order of time.
    """
    left, right = _by_id(recorded), _by_id(other)
    pairs = [
        DecisionPair(_unlike(left[name], right[name]), left[name], right[name])
        for name in left
        if name in right
    ]
    waiting: dict[tuple[object, ...], list[Decision]] = defaultdict(list)
    for name, decision in left.items():
        if name not in right:
            waiting[_about(decision)].append(decision)
    for name, decision in right.items():
        if name in left:
            continue
        if same := waiting[_about(decision)]:
            before = same.pop(0)
            pairs.append(
                DecisionPair(
                    Comparison.EARLIER if _moment(decision) < _moment(before) else Comparison.LATER,
                    before,
                    decision,
                )
            )
        else:
            pairs.append(DecisionPair(Comparison.ONLY_OTHER, None, decision))
    pairs += [
        DecisionPair(Comparison.ONLY_RECORDED, decision, None)
        for same in waiting.values()
        for decision in same
    ]
    return sorted(pairs, key=lambda pair: pair.at)


def issued(decision: Decision | None) -> bool:
    """Returns True if a command was written."""
    return decision is not None and decision.outcome == Outcome.ISSUED


def _by_id(decisions: Iterable[Decision]) -> dict[str, Decision]:
    """In the order of time; of several with one id the first, for the others are forgeries."""
    found: dict[str, Decision] = {}
    for decision in decisions:
        found.setdefault(decision.decision_id, decision)
    return dict(sorted(found.items(), key=lambda item: _moment(item[1])))


def _moment(decision: Decision) -> tuple[int, int]:
    return decision.decided_at, max(
        (evidence.last_offset for evidence in decision.evidence), default=-1
    )


def _about(decision: Decision) -> tuple[object, ...]:
    return (
        decision.subject,
        decision.experiment_id,
        decision.variant,
        decision.model_version,
        decision.metric,
        decision.order,
    )


def _unlike(one: Decision, other: Decision) -> Comparison:
    def outcome_of(decision: Decision) -> tuple[str, ...]:
        return decision.verdict, decision.order, decision.outcome, decision.rule

    return Comparison.SAME if outcome_of(one) == outcome_of(other) else Comparison.CHANGED
