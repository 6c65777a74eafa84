"""Folding is a function of the slices: nothing else goes in, nothing else is changed, and ids
follow from evidence.
"""

from collections import Counter
from copy import deepcopy

from hypothesis import example, given, settings

from agents.core.batch import Slice
from agents.flow.ingress import Input
from agents.flow.inputs import INPUTS_BY_TOPIC
from agents.flow.reopened_verdicts import RULE as UNSERVED
from schemas.catalog import (
    ADVICE,
    COMMANDS,
    DECISIONS,
    LEARNING_FACTS,
    PATTERN_FACTS,
    PROPOSALS,
    TICKS,
    TOPICS,
    TRUST_FACTS,
)
from schemas.ids import command_id, decision_id, event_uuid
from schemas.records import Command, Decision, Order, Status, Verdict
from tests.support.builders import CODEC
from tests.support.histories.chapters import Answers, Chapter, Metrics, People
from tests.support.histories.folding import Told, fresh_tables, snapshot, take_all
from tests.support.histories.history import History
from tests.support.histories.strategies import all_histories
from tests.support.histories.telling import TELLING

JUDGED = (Verdict.HARM, Verdict.GAIN, Verdict.SPLIT, Verdict.UNSTABLE)


@settings(max_examples=30)
@given(all_histories())
def test_the_same_slices_give_the_same_bytes_on_other_tables(chapters: list[Chapter]) -> None:
    history = History.of(chapters)
    tables = fresh_tables()
    assert take_all(history.steps, tables) == history.folded
    assert snapshot(tables) == snapshot(history.tables)


@settings(max_examples=20)
@given(all_histories())
def test_folding_leaves_its_slices_as_they_were(chapters: list[Chapter]) -> None:
    history = History.of(chapters)
    before = deepcopy([step if isinstance(step, Told) else step.records for step in history.steps])
    take_all(history.steps, fresh_tables())
    assert [step if isinstance(step, Told) else step.records for step in history.steps] == before


@settings(max_examples=30)
@given(all_histories())
def test_every_record_meets_exactly_one_fate(chapters: list[Chapter]) -> None:
    folded = History.of(
        chapters
    ).folded  # which counts the fates of each slice, and that none has two
    fates = folded.applied + folded.duplicates + len(folded.forwards) + len(folded.refused)
    assert fates == folded.records
    fated = Counter([(topic, offset) for topic, offset, *_ in (*folded.forwards, *folded.refused)])
    assert all(times == 1 for times in fated.values())


SHOWN_TWICE: list[Chapter] = [  # one record proves a drift in the whole and in a segment
    People(seed=358, n=12),
    Answers(status=Status.COMPLETED, attempt=2),
    Answers(status=Status.COMPLETED, attempt=1),
    Metrics(seed=14386529, n=499, change=0, version=0, versions=0, dirty=False),
    Metrics(seed=48717, n=340, change=1, version=1, versions=3, dirty=False),
]


@settings(max_examples=30)
@given(all_histories())
@example(SHOWN_TWICE)
def test_ids_follow_from_the_evidence_and_none_is_given_twice(chapters: list[Chapter]) -> None:
    history = History.of(chapters)
    outputs = history.folded.outputs
    slices = [step for step in history.steps if isinstance(step, Slice) and step.topic == TICKS]
    ticks = [record.offset() for piece in slices for record in piece.records]
    assert len({event_id for _, _, event_id, _ in outputs}) == len(outputs)
    decisions = {}
    for topic, key, event_id, value in outputs:
        if topic == DECISIONS:
            decision = CODEC.decode("Decision", value)
            assert isinstance(decision, Decision)
            decisions[decision.decision_id] = decision
            assert (key, event_id) == (decision.subject, decision.decision_id)
            if decision.verdict in JUDGED and decision.rule != UNSERVED:
                assert event_id in judged_ids(decision, ticks)
    for topic, key, event_id, value in outputs:
        if topic in COMMANDS.values():
            order = next(order for order, name in COMMANDS.items() if name == topic)
            command = CODEC.decode(f"{order.title()}Command", value)
            assert isinstance(command, Command)
            check_command(command, key, event_id, decisions[command.decision_id])


def judged_ids(decision: Decision, ticks: list[int]) -> list[str]:
    """The ids that a verdict of the judge may have: of its evidence, or of the tick that found an
    unserved one again.
    """
    at = decision.evidence[0]
    ordinal = f"{decision.variant}|{decision.verdict}"
    if decision.verdict == Verdict.UNSTABLE:
        ordinal += f"|{decision.metric}"
    elif decision.verdict == Verdict.GAIN and decision.order == Order.NONE:
        ordinal += f"|{decision.metric}|waits"
    again = f"{decision.experiment_id}|{ordinal}|again"
    return [
        decision_id(at.topic, at.partition, at.last_offset, "judge", ordinal),
        *(decision_id(TICKS, 0, offset, "judge", again) for offset in ticks),
    ]


def check_command(command: Command, key: str, event_id: str, decision: Decision) -> None:
    """A command's id and attempt follow from its decision; what undoes another says so."""
    assert key == decision.subject
    again = event_uuid("attempt", command.command_id, command.attempt)
    assert event_id == (command.command_id if command.attempt == 1 else again)
    if command.compensates is not None:
        assert command.command_id == command_id(command.compensates, "UNDO")
        assert command.reason.startswith("undoes ")
        return
    expected = command_id(decision.decision_id, decision.order)
    assert command.command_id == decision.command_id == expected
    assert command.reason == decision.reason


@settings(max_examples=30)
@given(all_histories())
def test_fencing_tokens_of_a_target_only_grow(chapters: list[Chapter]) -> None:
    latest: dict[str, int] = {}
    for topic, _, _, value in History.of(chapters).folded.outputs:
        if topic in COMMANDS.values():
            command = CODEC.decode(
                f"{next(o for o, t in COMMANDS.items() if t == topic).title()}Command", value
            )
            assert isinstance(command, Command)
            assert command.fencing_token > latest.get(command.target, 0)
            latest[command.target] = command.fencing_token


@settings(max_examples=30)
@given(all_histories())
def test_a_treatment_has_one_order_until_its_command_has_failed_it(chapters: list[Chapter]) -> None:
    """Or until what is deployed is found to harm; and nothing is found of what nobody has moved
    once its split broke.
    """
    standing: dict[tuple[str, str | None, str | None], Order] = {}
    moved: set[tuple[str, str | None, str | None]] = set()
    broken: set[tuple[str, str | None]] = set()
    for topic, _, _, value in History.of(chapters).folded.outputs:
        if topic != DECISIONS:
            continue
        decision = CODEC.decode("Decision", value)
        assert isinstance(decision, Decision)
        if decision.verdict not in JUDGED:
            continue
        experiment = (decision.subject, decision.experiment_id)
        arm = (*experiment, decision.variant)
        if decision.rule == UNSERVED:
            standing.pop(arm, None)
            continue
        assert experiment not in broken or arm in moved
        if decision.verdict == Verdict.SPLIT:
            broken.add(experiment)
        if decision.order != Order.NONE:
            assert standing.get(arm) in (None, Order.DEPLOY)
            assert (standing.get(arm), decision.order) != (Order.DEPLOY, Order.DEPLOY)
            standing[arm] = decision.order
            moved.add(arm)


def test_what_is_written_to_an_input_has_the_key_that_it_is_read_by() -> None:
    """Else it would be sent on to another partition, and to none that waits for it."""
    reached = set[str]()
    for chapters in TELLING.values():
        for topic, key, _, value in History.of(chapters).folded.outputs:
            source = INPUTS_BY_TOPIC.get(topic)
            if isinstance(source, Input):
                record = CODEC.decode(TOPICS[topic].record or "", value)
                assert source.key(record) == key, topic
                reached.add(topic)
    assert reached == {PROPOSALS, PATTERN_FACTS, TRUST_FACTS, LEARNING_FACTS, ADVICE}
