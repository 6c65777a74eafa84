"""Which action against a failure promises most for its cost, by how often each has helped, and
which specialist is sent to carry it out.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import sqrt

from agents.core.provenance import beside
from schemas.records import UNTRIED, ActionRecord, FailureType, Hypothesis, Priority, TrustLevel

PARENT_WEIGHT = (
    4.0  # outcomes that the parent pattern's experience counts for in a pattern of its own
)
TRIED_ENOUGH = 20  # outcomes after which an action is taken for what it showed
ACTIONS_KEPT = 32  # of one pattern; strategies are few, but a person may name any
SPECIALISTS = {  # who is asked first, and who else could
    FailureType.ACCURACY: ("ai-ml-debugger", "qa-automation"),
    FailureType.LATENCY: ("backend-architect", "ai-ml-debugger"),
    FailureType.COST: ("backend-architect", "bi-engineer"),
    FailureType.SATISFACTION: ("bi-engineer", "ai-ml-debugger"),
    FailureType.CONVERSION: ("bi-engineer", "ai-ml-debugger"),
    FailureType.REVENUE: ("bi-engineer", "ai-ml-debugger"),
    FailureType.DATA_QUALITY: ("qa-automation", "backend-architect"),
    FailureType.AVAILABILITY: ("backend-architect", "qa-automation"),
    FailureType.OTHER: ("ai-ml-debugger", "qa-automation"),
}


def success(
    action: str, own: Sequence[ActionRecord], parents: Sequence[ActionRecord]
) -> tuple[float, int]:
    """The posterior mean of an action's helping, and how often it was tried here.

    A Beta posterior whose prior is the parent pattern's, which begins at 1/1: a pattern that is new
    starts from what helped against others of its type, and its own outcomes outweigh that after a
    few.
    """
    mean, _ = _posterior(_record(action, parents), UNTRIED, 2.0)
    return _posterior(_record(action, own), mean, PARENT_WEIGHT)


def ranked(
    hypotheses: Iterable[Hypothesis], own: Sequence[ActionRecord], parents: Sequence[ActionRecord]
) -> list[tuple[Hypothesis, float]]:
    """Hypotheses with their expected gain, that which promises most for its cost first.

    What was tried less than 20 times is taken at its posterior mean and a part of a standard
    deviation more, so that it is tried.
    """
    found = []
    for one in hypotheses:
        mean, tried = success(one.strategy, own, parents)
        hope = max(0.0, 1.0 - tried / TRIED_ENOUGH) * sqrt(
            mean * (1.0 - mean) / (tried + PARENT_WEIGHT + 1.0)
        )
        winnable = one.expected_gain / UNTRIED
        found.append((one, mean * winnable, (mean + hope) * winnable / one.expected_cost))
    found.sort(key=lambda each: (-each[2], each[0].strategy))
    return [(one, gain) for one, gain, _ in found]


def noted(actions: Sequence[ActionRecord], action: str, helped: float) -> tuple[ActionRecord, ...]:
    """The records with one outcome more; helped: 0 to 1."""
    old = _record(action, actions)
    new = ActionRecord(action, old.helped + helped, old.failed + 1.0 - helped, old.tried + 1)
    others = sorted(
        (one for one in actions if one.action != action), key=lambda one: (-one.tried, one.action)
    )
    return tuple(sorted((*others[: ACTIONS_KEPT - 1], new), key=lambda one: one.action))


def _record(action: str, records: Sequence[ActionRecord]) -> ActionRecord:
    return next((one for one in records if one.action == action), ActionRecord(action, 0.0, 0.0, 0))


def _posterior(record: ActionRecord, mean: float, weight: float) -> tuple[float, int]:
    return (mean * weight + record.helped) / (weight + record.helped + record.failed), record.tried


def specialist_for(kind: str, subject: str, levels: Mapping[str, TrustLevel]) -> str:
    """The specialist with the highest boost among those who mend such failures; of equals the one
    named first.
    """
    able = SPECIALISTS[FailureType(kind)]
    heard = [
        name for name in able if _level(name, subject, levels)[0] != Priority.DISABLED
    ] or list(able)
    return max(heard, key=lambda name: (_level(name, subject, levels)[1], -able.index(name)))


def _level(name: str, subject: str, levels: Mapping[str, TrustLevel]) -> tuple[Priority, float]:
    level = levels.get(beside(subject, f"specialist:{name}"))
    return (level.priority, level.boost) if level is not None else (Priority.NORMAL, 0.0)
