"""Proposes what might mend a failure: strategies by what it fails at and by what explains it."""

from collections.abc import Iterable
from dataclasses import dataclass

from schemas.records import UNTRIED, Cause, CauseKind, FailureType, Hypothesis


@dataclass(frozen=True, slots=True)
class MendingStrategy:
    """hours: of work, at first; what it came to is for people to put into a policy."""

    name: str
    text: str
    hours: float


RETRAIN, TARGETED = "retrain", "targeted data"
_TARGETED = MendingStrategy(TARGETED, "more data and a better model for {where}", 16.0)
_RETRAIN = MendingStrategy(RETRAIN, "train it anew on recent data", 8.0)
_BY_TYPE = {
    FailureType.ACCURACY: (
        _RETRAIN,
        MendingStrategy("search hyperparameters", "a better fit on the same data", 12.0),
    ),
    FailureType.LATENCY: (
        MendingStrategy(
            "optimise serving", "batch, cache or quantise: it is slow, not wrong", 12.0
        ),
        MendingStrategy("smaller model", "a smaller model answers sooner", 20.0),
    ),
    FailureType.COST: (
        MendingStrategy("smaller model", "a smaller model costs less", 20.0),
        MendingStrategy("cache answers", "the same question is paid for once", 6.0),
    ),
    FailureType.SATISFACTION: (
        MendingStrategy("tune prompts", "answers that people rate higher", 6.0),
        _RETRAIN,
    ),
    FailureType.CONVERSION: (
        MendingStrategy("tune prompts", "answers that lead on", 6.0),
        _RETRAIN,
    ),
    FailureType.REVENUE: (
        MendingStrategy("tune thresholds", "decide otherwise where money is at stake", 4.0),
        _RETRAIN,
    ),
    FailureType.DATA_QUALITY: (
        MendingStrategy("mend the pipeline", "measure what is served", 8.0),
    ),
    FailureType.AVAILABILITY: (MendingStrategy("mend the errors", "the codes say where", 6.0),),
    FailureType.OTHER: (_RETRAIN,),
}


def hypotheses_of(
    kinds: Iterable[FailureType], causes: Iterable[Cause], loss: float
) -> tuple[Hypothesis, ...]:
    """One for each strategy, by expected gain for its cost; the gain is a share of what there was
    before.

    A strategy against a cause wins back at most what the cause explains; one against the type, the
    rest.
    """
    kinds, causes = tuple(kinds), tuple(causes)
    found: dict[str, Hypothesis] = {}
    where = [cause for cause in causes if cause.kind in (CauseKind.SEGMENT, CauseKind.MIX_SHIFT)]
    if where:
        _add(found, _TARGETED, where[0].share * loss, f"segment {where[0].name}")
    for kind in kinds:
        for strategy in _BY_TYPE[kind]:
            # More of the same data does not mend a mix: what a shift explains is left to the
            # targeted data.
            mix = sum(cause.share for cause in causes if cause.kind == CauseKind.MIX_SHIFT)
            _add(found, strategy, max(0.0, 1.0 - mix) * loss, "")
    return tuple(
        sorted(
            found.values(), key=lambda one: (-one.expected_gain / one.expected_cost, one.strategy)
        )
    )


def _add(
    found: dict[str, Hypothesis], strategy: MendingStrategy, winnable: float, where: str
) -> None:
    text = strategy.text.format(where=where)
    found.setdefault(
        strategy.name, Hypothesis(strategy.name, text, UNTRIED * winnable, strategy.hours)
    )
