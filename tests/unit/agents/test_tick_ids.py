"""At one tick much is found of many subjects, and each has an id of its own."""

from collections import Counter
from dataclasses import replace

from schemas.catalog import RESULTS, SPECS
from schemas.records import Decision, ExperimentResult, Policy, Proposal, RollbackCommand, Verdict
from streams.bench.probes import spec_of
from tests.support.builders import result
from tests.support.loop import Loop

EXPERIMENTS = 12
UNITS = 16  # the last block of which nothing closes but the clock
MINUTE = 60_000


def nearly_proved(number: int) -> list[ExperimentResult]:
    """Results of which all of the treatment fail, one more of which would prove it."""
    name = spec_of(number).subject
    return [
        result(
            UNITS * number + at,
            subject=name,
            experiment_id=name,
            metric="conversion",
            variant=("control", "treatment")[at % 2],
            sum=float(at % 2 == 0),
        )
        for at in range(UNITS)
    ]


def ids_of_each_topic(loop: Loop) -> dict[str, list[str]]:
    found = dict[str, list[str]]()
    for one in loop.outputs:
        found.setdefault(one.topic, []).append(one.event_id)
    return found


def assert_all_differ(loop: Loop) -> None:
    for topic, ids in ids_of_each_topic(loop).items():
        repeated = [one for one, count in Counter(ids).items() if count > 1]
        assert repeated == [], topic


def test_verdicts_of_blocks_that_the_clock_closes_have_commands_of_their_own() -> None:
    policy = Policy(event_id="p", policy_id="p", commands_per_hour=8, subjects_share=1.0)
    loop = Loop(policy)
    loop.send(SPECS, [spec_of(number) for number in range(EXPERIMENTS)])
    for number in range(EXPERIMENTS):
        loop.send(RESULTS, nearly_proved(number))
    assert [one for one in loop.outputs if isinstance(one.record, Decision)] == []
    loop.wait(MINUTE + 1_000)
    decided = [one.record for one in loop.outputs if isinstance(one.record, Decision)]
    assert sum(one.verdict == Verdict.HARM for one in decided) == EXPERIMENTS
    commands = [one.record for one in loop.outputs if isinstance(one.record, RollbackCommand)]
    asked = [one.record for one in loop.outputs if isinstance(one.record, Proposal)]
    named = {one.command_id for one in commands} | {one.command_id for one in asked}
    assert len(named) == EXPERIMENTS
    assert_all_differ(loop)


def test_what_is_missing_in_experiments_of_one_name_is_told_of_each() -> None:
    loop = Loop(Policy(event_id="p", policy_id="p"))
    subjects = [f"tenant-{number}/bot" for number in range(EXPERIMENTS)]
    spec = replace(spec_of(0), experiment_id="checkout")
    loop.send(SPECS, [replace(spec, subject=one, event_id=one) for one in subjects])
    for _ in range(4):
        loop.wait(30 * MINUTE)
    missing = [
        one.record
        for one in loop.outputs
        if isinstance(one.record, Decision) and one.record.verdict == Verdict.MISSING
    ]
    assert {one.subject for one in missing} == set(subjects)
    assert len({one.decision_id for one in missing}) == len(missing)
    assert_all_differ(loop)
