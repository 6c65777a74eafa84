"""A training that is completed is no cure before the version that it made serves."""

from dataclasses import replace

import pytest

from agents.commands.ledger import content
from agents.core.effects import Output
from agents.failures.followups import FORGOTTEN_MS, RECOVERY_MS
from schemas.catalog import METRICS, PATTERN_FACTS, STATUS
from schemas.ids import event_uuid
from schemas.records import (
    Command,
    CommandStatus,
    Decision,
    FollowupRow,
    MetricRow,
    ModelMetric,
    Order,
    Outcome,
    PatternFact,
    PatternFactKind,
    RequestKind,
    ReviewVerdict,
    State,
    Status,
    Verdict,
)
from state.storage.table import row_key
from tests.support.builders import metric
from tests.support.life import Life
from tests.support.loop import rows
from tests.support.watching import AUTO

RATES = {"good": 20, "bad": 2}  # each how-manyeth record is bad


class Model(Life):
    """A live model whose error is watched, in the whole and in a segment."""

    def __init__(self) -> None:
        super().__init__(replace(AUTO, false_alarm_records=1e6))
        self._sent = 0

    def serve(self, n: int, how: str, version: str = "v1") -> list[Output]:
        return self.send(METRICS, self.made(n, how, version))

    def made(self, n: int, how: str, version: str = "v1") -> list[ModelMetric]:
        start, self._sent = self._sent, self._sent + n
        return [
            metric(
                at,
                model_version=version,
                sum=float(at % RATES[how] == 0),
                segment="de" if at % 3 else None,
                occurred_at=self.now,
            )
            for at in range(start, start + n)
        ]

    def decay(self) -> Command:
        self.serve(4_000, "good")
        self.serve(500, "bad")
        (ordered, *_) = self.issued()
        return ordered

    def end(self, ordered: Command, made: str | None = None) -> None:
        self.report(ordered, Status.COMPLETED, made_version=made)

    def metric_row(self, segment: str | None = None) -> MetricRow:
        row = self.tables.drift.metrics.get(row_key("bot", "error", segment))
        assert row is not None
        return row

    def state_of(self, version: str) -> State:
        return next(one.state for one in self.metric_row().versions if one.model_version == version)

    def followup(self, ordered: Command) -> FollowupRow | None:
        return self.tables.failures.followups.get(ordered.command_id)

    def said(self) -> list[Decision]:
        found = [one.record for one in self.outputs if isinstance(one.record, Decision)]
        return [one for one in found if one.verdict == Verdict.MISSING]

    def found(self) -> list[str | None]:
        found = [one.record for one in self.outputs if isinstance(one.record, Decision)]
        return [one.model_version for one in found if one.verdict == Verdict.DRIFT]

    def helped(self) -> list[float]:
        facts = [one for one in self.records(PATTERN_FACTS) if isinstance(one, PatternFact)]
        return [one.helped for one in facts if one.kind == PatternFactKind.ACTION]


def test_a_training_that_is_not_in_service_leaves_the_reference_and_the_finding_as_they_are() -> (
    None
):
    model = Model()
    ordered = model.decay()
    before = model.metric_row()
    assert (ordered.model_version, model.state_of("v1")) == ("v1", State.HARM)
    model.end(ordered, "v2")
    assert model.metric_row() == replace(before, awaits_version="v2")
    model.serve(3_000, "bad")
    assert (model.state_of("v1"), model.metric_row().reference_bad) == (
        State.HARM,
        before.reference_bad,
    )
    (said,) = model.said()
    assert (said.order, said.outcome) == (Order.NONE, Outcome.HELD)
    assert said.reason == (
        f"bot v1: retrain {ordered.command_id} is completed and made v2: what was found in error "
        "stands until v2 serves; "
        "deploy it"
    )


def test_with_the_first_record_of_the_version_made_the_reference_begins_anew_from_it_alone() -> (
    None
):
    model = Model()
    ordered = model.decay()
    model.end(ordered, "v2")
    model.serve(700, "bad")
    for _ in range(5):  # a canary: the version found bad serves on beside it, and teaches nothing
        model.serve(300, "good", "v2")
        model.serve(300, "bad")
    row = model.metric_row()
    assert (row.awaits_version, row.frozen, row.reference_count) == ("", True, 1_000)
    assert row.reference_bad / row.reference_count == pytest.approx(1 / RATES["good"], rel=0.1)
    assert row.reference_from == "v2, which a completed training made, serves"
    assert model.state_of("v1") == State.HARM
    model.serve(2_000, "good", "v2")
    assert set(model.found()) == {"v1"}
    model.serve(500, "bad", "v2")
    assert model.found()[-1] == "v2"


def test_a_training_that_names_no_version_keeps_the_rule_and_says_so() -> None:
    model = Model()
    ordered = model.decay()
    model.end(ordered)
    row = model.metric_row()
    assert (row.frozen, row.reference_count, row.awaits_version) == (False, 0, "")
    assert row.reference_from.endswith("names no version that it made: learned from what serves")
    (said,) = model.said()
    assert (
        "names no version that it made: error learn their reference anew from what serves, be it "
        "as bad" in said.reason
    )
    followup = model.followup(ordered)
    assert followup is not None
    assert followup.ends_at == model.now + RECOVERY_MS


def test_a_training_of_the_same_name_is_in_service_at_once() -> None:
    model = Model()
    model.end(model.decay(), "v1")
    assert (model.metric_row().reference_count, model.state_of("v1"), model.said()) == (
        0,
        State.WAIT,
        [],
    )


def test_a_version_that_serves_already_is_no_more_waited_for() -> None:
    model = Model()
    ordered = model.decay()
    model.serve(50, "good", "v2")
    model.end(ordered, "v2")
    row = model.metric_row()
    assert (row.reference_count, row.awaits_version, model.state_of("v1")) == (0, "", State.HARM)
    followup = model.followup(ordered)
    assert followup is not None
    assert followup.ends_at == model.now + RECOVERY_MS


@pytest.mark.parametrize("by_record", [True, False])
def test_whether_it_helped_is_looked_at_from_when_the_version_serves(by_record: bool) -> None:
    model = Model()
    ordered = model.decay()
    model.end(ordered, "v2")
    model.wait(2 * RECOVERY_MS)
    assert model.helped() == []
    if by_record:
        model.serve(10, "good", "v2")
    else:
        model.ask(RequestKind.DEPLOY, model_version="v2", to_version="v2")
        (row,) = [one for one in model.rows() if one.order == Order.DEPLOY]
        _complete_deployment(model, row.command_id)
        assert model.metric_row().reference_from.startswith("v2, which")
    model.wait(RECOVERY_MS - 1)
    assert model.helped() == []
    model.wait(2)
    assert model.helped() == [1.0]


def _complete_deployment(model: Model, command_id: str) -> None:
    model.review(model.row(command_id), ReviewVerdict.APPROVE)
    deployment = next(one for one in model.issued() if one.command_id == command_id)
    model.report(deployment, Status.COMPLETED)


def test_a_version_that_never_serves_tells_nothing_of_whether_it_helped() -> None:
    model = Model()
    ordered = model.decay()
    model.end(ordered, "v2")
    model.wait(FORGOTTEN_MS + 1)
    assert (model.followup(ordered), model.helped()) == (None, [])


@pytest.mark.parametrize("cut", [1, 7, 400, 401, 402, 900])
def test_where_the_log_is_cut_changes_nothing(cut: int) -> None:
    """What follows from a finding comes back as records of other topics, sooner between the cuts,
    so that the order is another.
    """
    whole, parted = Model(), Model()
    for model in (whole, parted):
        model.end(model.decay(), "v2")
        records = [
            *model.made(400, "bad"),
            *model.made(700, "good", "v2"),
            *model.made(300, "bad", "v2"),
        ]
        size = len(records) if model is whole else cut
        for first in range(0, len(records), size):
            model.send(METRICS, records[first : first + size])
    assert rows(whole.tables) == rows(parted.tables)
    assert {one.event_id: one for one in whole.outputs} == {
        one.event_id: one for one in parted.outputs
    }


def test_a_dry_run_mends_nothing() -> None:
    model = Model()
    model.serve(4_000, "good")
    model.now += 2 * 86_400_000
    late = [metric(at + 100_000, sum=1.0, occurred_at=model.now) for at in range(200)]
    model.send(METRICS, late)
    (ordered, *_) = model.issued()
    dry = CommandStatus(
        event_id=event_uuid("dry"),
        command_id=ordered.command_id,
        subject="bot",
        status=Status.COMPLETED,
        fencing_token=ordered.fencing_token,
        reported_at=model.now,
        reporter="trainer",
    )
    row = model.row(ordered.command_id)
    model.tables.commands.commands.put(
        replace(row, command=content(replace(ordered, dry_run=True))[0])
    )
    before = model.metric_row()
    model.send(STATUS, [dry])
    after = model.metric_row()
    assert (
        replace(after, versions=before.versions) == before
    )  # the reference stands; the finding is open again
    assert (after.frozen, after.reference_from) == (True, "")
