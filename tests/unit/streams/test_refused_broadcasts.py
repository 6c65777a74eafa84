"""What was refused of a broadcast topic has no effect, whatever compaction leaves of the log."""

from dataclasses import replace

import pytest

from agents.commands.disposition import VERSION
from schemas.catalog import (
    DEAD_LETTERS,
    DECISIONS,
    JOURNAL,
    POLICIES,
    RESULTS,
    SPECS,
    TABLES_POLICIES,
    TRUST_LEVELS,
)
from schemas.ids import event_uuid
from schemas.records import (
    AgentKind,
    AlertRule,
    Autonomy,
    JournalEntry,
    Operator,
    Outcome,
    Policy,
    Priority,
    Severity,
    TrustLevel,
)
from streams.kafka.memory.log import Fate
from tests.support.builders import CODEC, NOON, result, spec
from tests.support.still import Still, still

RESTRAINING = Policy(event_uuid("good"), "all", ("*",), rollback=Autonomy.OBSERVE)
WRONG = replace(RESTRAINING, event_id=event_uuid("wrong"), alpha=7.0)
LEVEL = TrustLevel("planner", AgentKind.RECOMMENDER, 0.1, 0.0, Priority.DISABLED, NOON)
HARM = [
    result(
        n, variant=("control", "b")[n % 2], sum=float(n % 4 == 0 or n % 20 == 1), occurred_at=NOON
    )
    for n in range(1_200)
]


def compact(one: Still, topic: str) -> None:
    """Leaves the last record of each key, as Kafka's cleaner does; the others are nothing to any
    reader.
    """
    met = set()
    for entry in reversed(one.kafka.logs[topic, 0].entries):
        if entry.fate == Fate.COMMITTED and entry.key in met:
            entry.fate = Fate.ABORTED
        met.add(entry.key)


@pytest.mark.parametrize(
    "wrong", [WRONG, b"garbage", None], ids=["senseless", "garbage", "tombstone"]
)
def test_a_refused_policy_under_the_key_of_a_good_one_restrains_nothing_less_after_a_restart(
    wrong: Policy | bytes | None,
) -> None:
    with still() as one:
        one.send(POLICIES, RESTRAINING, "all")
        one.worker().until(lambda: len(one.values(JOURNAL)) > 0)
        one.send(POLICIES, wrong, "all")
        one.worker().until(lambda: len(one.values(DEAD_LETTERS)) == 1)
        compact(one, POLICIES)
        one.send(SPECS, spec())
        for each in HARM:
            one.send(RESULTS, each)
        one.worker().takes_in(RESULTS)
        found = [each.outcome for each in one.records(DECISIONS) if each.variant == "b"]
        assert found == [Outcome.OBSERVED]
        assert one.records(TABLES_POLICIES) == [RESTRAINING]


def test_what_an_older_mendstream_applied_and_kept_no_rows_of_stays_in_force() -> None:
    with still() as one:
        one.send(POLICIES, RESTRAINING, "all")
        one.worker().until(lambda: len(one.values(JOURNAL)) > 0)
        rows = one.kafka.logs[TABLES_POLICIES, 0].entries
        for entry in rows:
            entry.fate = Fate.ABORTED
        (last,) = [e for e in one.kafka.logs[JOURNAL, 0].entries if e.fate == Fate.COMMITTED][-1:]
        last.value = without_rows(last.value)
        one.send(SPECS, spec())
        for each in HARM:
            one.send(RESULTS, each)
        one.worker().takes_in(RESULTS)
        assert [each.outcome for each in one.records(DECISIONS) if each.variant == "b"] == [
            Outcome.OBSERVED
        ]
        assert one.records(TABLES_POLICIES) == [RESTRAINING]  # and it is kept from here on


def without_rows(value: bytes | None) -> bytes:
    """A journal entry that counts no rows, as an older Mendstream wrote it."""
    entry = CODEC.decode("JournalEntry", value)
    assert isinstance(entry, JournalEntry)
    return CODEC.encode(replace(entry, rows=-1, agents=f"5{entry.agents.removeprefix(VERSION)}"))


def test_a_policy_refused_for_what_its_alerts_are_about_is_none_after_a_restart_either() -> None:
    rule = AlertRule("own", "heat", Operator.ABOVE, 0.0, Severity.HIGH, "{key}")
    with still() as one:
        one.send(POLICIES, replace(RESTRAINING, alerts=(rule,)), "all")
        one.worker().until(lambda: len(one.values(DEAD_LETTERS)) == 1)
        worker = one.worker()
        worker.until(lambda: bool(worker.worker._member.owned))
        assert worker.worker._member.owned[0].tables.policies == {}


def test_a_refused_level_gives_no_agent_its_voice_back() -> None:
    with still() as one:
        one.send(TRUST_LEVELS, LEVEL, "planner")
        one.worker().until(lambda: len(one.values(JOURNAL)) > 0)
        one.send(TRUST_LEVELS, b"garbage", "planner")
        one.worker().until(lambda: len(one.values(DEAD_LETTERS)) == 1)
        compact(one, TRUST_LEVELS)
        worker = one.worker()
        worker.until(lambda: bool(worker.worker._member.owned))
        assert worker.worker._member.owned[0].tables.trust.levels == {"planner": LEVEL}
