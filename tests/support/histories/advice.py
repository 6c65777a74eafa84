"""Recommendations, outcomes, requests and facts for the laws: few names, so that they meet."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from schemas.catalog import (
    LEARNING_FACTS,
    OUTCOMES,
    PATTERN_FACTS,
    RECOMMENDATIONS,
    REQUESTS,
    TRUST_FACTS,
)
from schemas.codec.framing import Record
from schemas.ids import event_uuid, partition_of
from schemas.records import (
    AgentKind,
    FailureType,
    Hypothesis,
    Judgement,
    LearningFact,
    LearningFactKind,
    PatternFact,
    PatternFactKind,
    Recommendation,
    RecommendationOutcome,
    Request,
    RequestKind,
    Trend,
    TrustFact,
)
from tests.support.builders import CODEC, NOON, Sent

PARTITIONS = 3
_NAMES = [f"bot-{n}" for n in range(20)]
HOME = [name for name in _NAMES if partition_of(name, PARTITIONS) == 0]
AWAY = next(name for name in _NAMES if partition_of(name, PARTITIONS) != 0)
TENANTS = [
    name for name in (f"tenant-{n}" for n in range(20)) if partition_of(name, PARTITIONS) == 0
][:2]
AGENTS = [
    next(
        agent
        for agent in (f"{tenant}/{n}" for n in range(at, 100))
        if partition_of(agent, PARTITIONS) == 0
    )
    for tenant in TENANTS
    for at in (0, 20, 40)
]
PARENTS = [kind for kind in FailureType if partition_of(kind, PARTITIONS) == 0]
SIGNALS = [
    name for name in (f"m{n} DRIFT" for n in range(20)) if partition_of(name, PARTITIONS) == 0
][:3]
HOUR, DAY = 3_600_000, 24 * 3_600_000
T = TypeVar("T")
Sendable = Record | bytes | Sent | None


def advice(seed: int, n: int, number: int) -> dict[str, list[Sendable]]:
    """n records by topic, some of them duplicates, strays or wrong."""
    rng, found = np.random.default_rng([seed, number]), dict[str, list[Sendable]]()
    for at in range(n):
        topic, record = _one(rng, event_uuid("advice", seed, number, at), at)
        records = found.setdefault(topic, [])
        records.append(record)
        if rng.random() < 0.05:
            records.append(record if rng.random() < 0.5 else CODEC.encode(record)[:-1])
    return found


def _one(rng: np.random.Generator, event_id: str, at: int) -> tuple[str, Record]:
    agent, when = _of(AGENTS, rng), NOON + int(rng.integers(0, 40 * DAY))
    agent = AWAY if rng.random() < 0.02 else agent
    match int(rng.integers(0, 6)):
        case 0:
            return RECOMMENDATIONS, _recommendation(rng, event_id, agent, at)
        case 1:
            return OUTCOMES, _outcome(rng, event_id, agent, at)
        case 2:
            return TRUST_FACTS, _trust_fact(rng, event_id, agent, when)
        case 3:
            return PATTERN_FACTS, _pattern_fact(rng, event_id, when)
        case 4:
            return LEARNING_FACTS, _level(rng, event_id, agent, when)
    kind = RequestKind.INITIALISE_TRUST if rng.random() < 0.7 else RequestKind.UNKNOWN
    return REQUESTS, Request(
        event_id=event_id, subject=agent, kind=kind, requested_by="ann", requested_at=when
    )


def _recommendation(rng: np.random.Generator, event_id: str, agent: str, at: int) -> Recommendation:
    return Recommendation(
        event_id=event_id,
        agent_id=agent,
        run_id=f"run {at // 6}",
        kind=_of(("strategy", "rollout"), rng),
        content=_of(("do it", "leave it"), rng),
        confidence=float(rng.random()) * (1.0 if rng.random() < 0.97 else 3.0),
        made_at=NOON,
        due_at=NOON - int(rng.integers(-HOUR, HOUR)) if rng.random() < 0.5 else None,
    )


def _outcome(rng: np.random.Generator, event_id: str, agent: str, at: int) -> RecommendationOutcome:
    return RecommendationOutcome(
        event_id=event_id,
        agent_id=agent,
        run_id=f"run {(at + int(rng.integers(0, 4))) // 6}",
        judgement=_of(list(Judgement), rng),
        quality=float(rng.random()),
        failed=bool(rng.random() < 0.2),
        judged_by="ann",
        judged_at=NOON,
    )


def _trust_fact(rng: np.random.Generator, event_id: str, agent: str, when: int) -> TrustFact:
    return TrustFact(
        event_id=event_id,
        agent_id=agent,
        kind=AgentKind.DEPLOYER,
        score=float(rng.choice([0.0, 0.5, 1.0])),
        quality=float(rng.random()),
        lateness_ms=int(rng.integers(0, 2 * HOUR)),
        failed=bool(rng.random() < 0.3),
        about="",
        occurred_at=when,
    )


def _level(rng: np.random.Generator, event_id: str, agent: str, when: int) -> LearningFact:
    return LearningFact(
        event_id=event_id,
        tenant=_of(TENANTS, rng),
        kind=LearningFactKind.LEVEL,
        agent_id=agent,
        trend=_of(list(Trend), rng),
        occurred_at=when,
    )


def _pattern_fact(rng: np.random.Generator, event_id: str, when: int) -> PatternFact:
    kind = _of([kind for kind in PatternFactKind if kind != PatternFactKind.UNKNOWN], rng)
    parent, signal = _of(PARENTS, rng), _of(SIGNALS, rng)
    about_signal = kind in (PatternFactKind.SIGNAL, PatternFactKind.FOLLOWED)
    choices = (
        Hypothesis("retrain", "train it", 0.1, 8.0),
        Hypothesis("targeted data", "more data", 0.2, 16.0),
    )
    return PatternFact(
        event_id=event_id,
        key=signal if about_signal else parent,
        kind=kind,
        subject=_of(HOME, rng),
        pattern=f"{parent}|m||{int(rng.integers(0, 3))}",
        metric="m",
        signal=signal,
        lead_ms=int(rng.integers(0, DAY)),
        action=_of([one.strategy for one in choices], rng),
        helped=float(rng.random() < 0.6),
        loss=float(rng.random()),
        rate=float(rng.random()),
        followed=int(rng.integers(0, 9)),
        hypotheses=choices if rng.random() < 0.8 else (),
        occurred_at=when,
    )


def _of(some: Sequence[T], rng: np.random.Generator) -> T:
    return some[int(rng.integers(0, len(some)))]
