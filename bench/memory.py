"""Measures what the rolling tables of failures and trust answer in, with 100 000 patterns and 10
000 agents in them.

A real Kafka with `mendstream processor` on it, a real Redis, and the fold itself. Times are the
95th percentile of many single calls, in ms: of tracking a recommendation from the call to Kafka's
acknowledgement, of an agent's trust asked of Redis by name, and of the 50 patterns with most
failures; a learning cycle is timed over 1 000 recommendations.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory

import numpy as np

from agents.core.batch import DeliveredRecord, Slice
from agents.flow.pipeline import fold
from bench.case import Figure
from bench.restore import Worker
from bench.statistics import table
from schemas.catalog import (
    LEARNING_FACTS,
    RECOMMENDATIONS,
    TABLES_PATTERNS,
    TABLES_TRUST,
    local_ids,
)
from schemas.codec.framing import Codec
from schemas.ids import event_uuid, partition_of
from schemas.records import (
    AgentKind,
    Bucket,
    Judgement,
    LearningFact,
    LearningFactKind,
    LessonCategory,
    LessonRow,
    LessonStatus,
    PatternRow,
    PatternStatus,
    Recommendation,
)
from state.partition.partition_state import PartitionState
from state.stores.redis import RedisStore
from state.stores.views import RANKS, VIEWS, Change
from streams.files.rendering import plain
from streams.kafka.admin.topics import create
from streams.kafka.embedded.broker import EmbeddedKafka
from streams.kafka.publisher import Publisher
from streams.kafka.reading import admin
from streams.runtime.clock import monotonic, now_ms, wait_until
from streams.runtime.settings import Settings

RESULT = Path(__file__).with_name("memory.json")
PATTERNS, AGENTS, RECOMMENDED = 100_000, 10_000, 1_000
CALLS = 1_000
BARS = {"track_ms": 10.0, "trust_ms": 50.0, "patterns_ms": 100.0, "cycle_seconds": 5.0}
WORDS = {
    "track_ms": "track a recommendation, to Kafka's acknowledgement, p95 ms",
    "trust_ms": "an agent's trust by name, p95 ms",
    "patterns_ms": "the 50 patterns with most failures, p95 ms",
    "cycle_seconds": "a learning cycle of 1 000 recommendations, seconds",
}
HOUR = 3_600_000
NOON = 1_700_049_600_000  # of a day in 2023, UTC: the nightly cycle is ten hours away


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.memory", description=__doc__)
    parser.add_argument("--json", type=Path, default=RESULT, help="where the figures are written")
    given = parser.parse_args()
    if "MENDSTREAM_BOOTSTRAP" in os.environ:
        parser.error("MENDSTREAM_BOOTSTRAP is set; the bench brings a broker of its own")
    redis = which("redis-server")
    if redis is None:
        parser.error(
            "there is no redis-server: install Redis (on Debian: apt-get install redis-server)"
        )
    with TemporaryDirectory(prefix="mendstream-memory-") as folder:
        found = {
            "track_ms": tracked(Path(folder)),
            **asked(redis, Path(folder)),
            "cycle_seconds": cycled(),
        }
    figures = [
        Figure(WORDS[name], round(value, 3), BARS[name], value <= BARS[name])
        for name, value in found.items()
    ]
    report = {name: round(value, 3) for name, value in found.items()}
    given.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(table(figures))
    return 0 if all(figure.holds for figure in figures) else 1


def tracked(folder: Path) -> float:
    """Recommendations published one by one, with a processor at work that takes them in."""
    with EmbeddedKafka(heap_mb=1024) as kafka:
        settings, codec = Settings(bootstrap=kafka.bootstrap), Codec(local_ids())
        create(admin(settings), settings)
        with Worker(settings, folder / "worker.log") as worker:
            worker.ready()
            publisher = Publisher(settings, codec, linger_ms=0)

            def track(n: int) -> None:
                record = recommendation(n)
                publisher.publish(RECOMMENDATIONS, record.agent_id, record)
                publisher.flush()

            return p95(track)


def asked(redis: str, folder: Path) -> dict[str, float]:
    """Rows by name and by rank, of a Redis that holds all of them."""
    socket = folder / "redis.sock"
    command = [
        redis,
        "--port",
        "0",
        "--unixsocket",
        str(socket),
        "--save",
        "",
        "--appendonly",
        "no",
    ]
    with (
        (folder / "redis.log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log) as server,
    ):
        try:
            assert wait_until(socket.exists, 10.0), (folder / "redis.log").read_text()
            store = RedisStore(f"unix://{socket}")
            tell(f"filling {AGENTS:,} agents and {PATTERNS:,} patterns in ...")
            trust, patterns = VIEWS[TABLES_TRUST].name, VIEWS[TABLES_PATTERNS].name
            store.apply([Change(trust, f"agent {n}", trusted(n)) for n in range(AGENTS)])
            store.apply(
                [Change(patterns, f"ACCURACY|m{n}||", plain(pattern(n))) for n in range(PATTERNS)]
            )
            found = {
                "trust_ms": p95(lambda n: store.get(trust, f"agent {n * 7_919 % AGENTS}")),
                "patterns_ms": p95(lambda n: store.top(patterns, RANKS[patterns][0], 50, start=n)),
            }
            store.close()
            return found
        finally:
            server.kill()


def cycled() -> float:
    """The fold of the outcome with which the cycle is due, among the lessons of all agents."""
    tables, codec, now = PartitionState(0, 1), Codec(local_ids()), NOON
    for n in range(AGENTS):
        tables.learning.lessons.put(lesson(n, now))
    facts = [fact for n in range(RECOMMENDED) for fact in judged(n, now)]
    step(facts[:-1], tables, codec, now)
    tables.now = now + HOUR
    began = monotonic()
    outputs = step(facts[-1:], tables, codec, now + HOUR)
    took = monotonic() - began
    assert any(topic == "learning.cycles.v1" for topic in outputs), "no cycle was due"
    return took


def step(facts: list[LearningFact], tables: PartitionState, codec: Codec, now: int) -> list[str]:
    first = 0 if len(facts) > 1 else 2 * RECOMMENDED
    piece = Slice.of(
        LEARNING_FACTS,
        0,
        [DeliveredRecord(codec.encode(fact), first + n, now) for n, fact in enumerate(facts)],
    )
    effects = fold(piece, tables, codec)
    assert effects.refused == ()
    return [output.topic for output in effects.outputs]


def p95(call: Callable[[int], object]) -> float:
    """Of single calls, ms."""
    took = []
    for n in range(CALLS):
        began = monotonic()
        call(n)
        took.append(monotonic() - began)
    return float(np.percentile(took[CALLS // 10 :], 95)) * 1_000


def recommendation(n: int) -> Recommendation:
    return Recommendation(
        event_id=event_uuid("bench", n),
        agent_id=f"agent-{n % AGENTS}",
        run_id=f"run-{n}",
        kind="strategy",
        content="roll back",
        confidence=0.8,
        made_at=now_ms(),
    )


def judged(n: int, now: int) -> list[LearningFact]:
    run, own = f"run-{n // 4}", f"recommendation-{n}"
    made = LearningFact(
        event_id=event_uuid("tracked", n),
        tenant="default",
        kind=LearningFactKind.TRACKED,
        agent_id=f"agent-{n % AGENTS}",
        run_id=run,
        recommendation_id=own,
        topic="strategy",
        digest=str(n % 3),
        confidence=0.8,
        occurred_at=now,
    )
    outcome = LearningFact(
        event_id=event_uuid("judged", n),
        tenant="default",
        kind=LearningFactKind.JUDGED,
        agent_id=f"agent-{n % AGENTS}",
        run_id=run,
        recommendation_id=own,
        judgement=Judgement.APPROVED,
        quality=0.9,
        occurred_at=now,
    )
    return [made, outcome]


def lesson(n: int, now: int) -> LessonRow:
    return LessonRow(
        tenant="default",
        category=LessonCategory.EXPERT,
        name=f"agent-{n}:strategy",
        outcomes=20 + n % 50,
        approved=10.0 + n % 20,
        predicted=0,
        correct=0.0,
        status=LessonStatus.CANDIDATE,
        touched_at=now,
        agents=(f"agent-{n}",),
        lower=0.3,
        first_at=now,
    )


def trusted(n: int) -> dict[str, object]:
    overall = partition_of(str(n), 1_000) / 1_000
    return {
        "agent_id": f"agent {n}",
        "kind": AgentKind.RECOMMENDER,
        "overall": overall,
        "boost": overall - 0.5,
        "outcomes": n,
    }


def pattern(n: int) -> PatternRow:
    now = now_ms()
    buckets = tuple(
        Bucket(now - now % (6 * HOUR) - k * 6 * HOUR, 1 + (n + k) % 3) for k in range(28, 0, -1)
    )
    return PatternRow(
        pattern=f"ACCURACY|m{n}||",
        parent="ACCURACY",
        status=PatternStatus.CONFIRMED,
        total=n,
        first_at=now,
        last_at=now,
        buckets=buckets,
        day=1,
        week=7,
        month=n % 977,
        subjects=tuple(f"bot-{k}" for k in range(8)),
        loss=0.2,
        actions=(),
        precursors=(),
        helped_at=-1,
    )


def tell(progress: str) -> None:
    print(progress, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
