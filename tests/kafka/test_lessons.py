"""Failures, patterns and trust over a real Kafka: facts that change partition, levels that every
worker hears, replays.
"""

from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from schemas.catalog import (
    DECISIONS,
    FAILURES,
    JOURNAL,
    TABLES_PATTERNS,
    TABLES_TRUST,
    TRUST_FACTS,
    TRUST_LEVELS,
)
from schemas.codec.framing import Record
from schemas.ids import event_uuid
from schemas.records import (
    AgentKind,
    Decision,
    FailureAnalysis,
    JournalEntry,
    Outcome,
    PatternRow,
    TrustFact,
    TrustRow,
    Verdict,
)
from state.partition.partition_state import PartitionState
from streams.history.replay import main as replay
from streams.runtime.clock import now_ms
from streams.runtime.settings import Settings
from tests.support.kafka.console import error, lines, output
from tests.support.kafka.logs import CODEC, commands, messages, send, send_planted
from tests.support.kafka.running import Threaded, changed, own_topics, where

pytestmark = pytest.mark.kafka


@pytest.fixture
def settings(kafka: str) -> Iterator[Settings]:
    with own_topics(kafka) as chosen:
        yield chosen


def decoded(settings: Settings, topic: str, name: str) -> list[Record]:
    return [
        CODEC.decode(name, message.value())
        for message in messages(settings, topic)
        if message.value() is not None
    ]


def rows(settings: Settings, topic: str, name: str) -> dict[str, Record]:
    """The last row of each key."""
    found: dict[str, Record] = {}
    for message in messages(settings, topic):
        key, value = (message.key() or b"").decode(), message.value()
        found.pop(key, None)
        if value is not None:
            found[key] = CODEC.decode(name, value)
    return found


def test_failures_of_several_partitions_meet_in_one_pattern_and_come_back_as_advice(
    settings: Settings, tmp_path: Path
) -> None:
    def advised() -> list[Decision]:
        found = decoded(settings, DECISIONS, "Decision")
        return [
            one for one in found if isinstance(one, Decision) and one.verdict == Verdict.FAILURE
        ]

    with Threaded(settings) as worker:
        worker.takes_in(send_planted(settings, 30_000))
        rollbacks = len(commands(settings))
        worker.until(lambda: len(advised()) >= rollbacks)
    failures = decoded(settings, FAILURES, "FailureAnalysis")
    assert len(failures) == len(advised()) == rollbacks > 4  # every third of 24 experiments loses
    assert len({message.partition() for message in messages(settings, FAILURES)}) > 1
    assert {one.outcome for one in advised()} == {Outcome.PROPOSED}
    patterns = rows(settings, TABLES_PATTERNS, "PatternRow")
    parent, own = (
        patterns["CONVERSION"],
        next(row for key, row in patterns.items() if key != "CONVERSION"),
    )
    assert isinstance(parent, PatternRow)
    assert isinstance(own, PatternRow)
    assert (parent.total, own.total, own.parent) == (rollbacks, rollbacks, "CONVERSION")
    assert {one.pattern for one in failures if isinstance(one, FailureAnalysis)} == {own.pattern}
    with (tmp_path / "replay.log").open("w") as said, redirect_stdout(said):
        assert replay(settings) == 0, (tmp_path / "replay.log").read_text()
    text = (tmp_path / "replay.log").read_text()
    assert f"{len(PartitionState(0, 1).all()) * settings.partitions} tables: byte-equal" in text


def on_planner(n: int, score: float) -> TrustFact:
    """The n-th fact on an agent that recommends."""
    return TrustFact(
        event_id=event_uuid("kafka trust", n),
        agent_id="planner",
        kind=AgentKind.RECOMMENDER,
        score=score,
        quality=score,
        about=str(n),
        occurred_at=now_ms(),
    )


def test_a_trust_level_is_heard_in_every_partition_and_outlives_a_restart(
    settings: Settings,
) -> None:
    facts = [on_planner(n, 1.0) for n in range(20)]

    def heard() -> bool:
        last = {
            one.partition: one
            for one in decoded(settings, JOURNAL, "JournalEntry")
            if isinstance(one, JournalEntry)
        }
        told = len(messages(settings, TRUST_LEVELS))
        return (
            bool(told)
            and len(last) == settings.partitions
            and all(one.levels_offset > 0 for one in last.values())
        )

    with Threaded(settings) as worker:
        worker.until(lambda: worker.ready)
        send(settings, TRUST_FACTS, facts, ["planner"] * len(facts))
        worker.until(heard)
    row = rows(settings, TABLES_TRUST, "TrustRow")["planner"]
    assert isinstance(row, TrustRow)
    assert row.outcomes == 20
    with Threaded(settings) as worker:
        worker.until(lambda: worker.ready)
        more = on_planner(20, 0.0)
        send(
            settings, TRUST_FACTS, [more, *facts[-1:]], ["planner"] * 2
        )  # the last one again is a duplicate

        def counted() -> bool:
            now = rows(settings, TABLES_TRUST, "TrustRow")["planner"]
            return isinstance(now, TrustRow) and now.outcomes == 21

        worker.until(counted)
    assert replay(settings) == 0


def test_what_people_say_at_the_command_line_becomes_trust(settings: Settings) -> None:
    at = where(settings)
    with Threaded(settings) as worker:
        worker.until(lambda: worker.ready)
        say = ("--kind", "strategy", "--content", "roll back", "--confidence", "0.9", *at)
        said = output("recommend", "acme/writer", "run-1", *say).strip()
        assert (
            output("recommend", "acme/writer", "run-1", *say).strip() == said
        )  # the same again is the same
        output("recommend", "acme/reader", "run-1", *say)
        judged = ("--quality", "0.8", "--by", "ann", *at)
        output("outcome", "acme/writer", "run-1", "approved", *judged)

        def trusted() -> dict[str, int]:
            return {
                row["agent_id"]: row["outcomes"]
                for row in lines("table", "trust-scores", *at)
                if row["agent_id"].startswith("acme/")
            }

        worker.until(lambda: trusted() == {"acme/writer": 1, "acme/reader": 1})
        (learning,) = (row for row in lines("table", "learning", *at) if row["tenant"] == "acme")
        assert (learning["outcomes"], learning["tracked"]) == (2, 0)
        consensus = {
            (row["category"], row["name"])
            for row in lines("table", "lessons", *at)
            if row["tenant"] == "acme"
        }
        assert ("CONSENSUS", "strategy") in consensus
        output("initialise-trust", "acme/writer", "--by", "ann", *at)
        worker.until(lambda: trusted() == {"acme/writer": 0, "acme/reader": 1})
    assert replay(settings) == 0
    wrong = error("recommend", "a\x07b", "run-1", *say)
    assert "The processor would refuse it" in wrong
    assert "agent_id" in wrong


def test_a_rank_is_asked_of_the_redis_that_is_named() -> None:
    assert "Set MENDSTREAM_REDIS_URL" in error("rank", "trust-scores")
    assert "no rank 'beauty'" in error("rank", "trust-scores", "--by", "beauty")
    nowhere = {"MENDSTREAM_REDIS_URL": "unix:///nonexistent/redis.sock"}
    assert "Redis does not answer" in error("rank", "trust-scores", env=nowhere)


def test_without_learning_recommendations_change_nothing_and_decisions_go_on(kafka: str) -> None:
    with own_topics(kafka, learning_enabled=False) as silent:
        facts = [on_planner(n, 1.0) for n in range(20)]
        with Threaded(silent) as worker:
            send(silent, TRUST_FACTS, facts, ["planner"] * len(facts))
            worker.takes_in(send_planted(silent, 30_000))
        assert len(messages(silent, FAILURES)) == len(commands(silent)) > 4
        assert messages(silent, TABLES_TRUST) == messages(silent, TRUST_LEVELS) == []
        with Threaded(
            changed(silent, learning_enabled=True)
        ) as worker:  # it may be turned on and off
            worker.until(lambda: worker.ready)
