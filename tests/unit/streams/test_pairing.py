"""Two runs' decisions lie side by side: by id, else by what they are about."""

from dataclasses import replace
from typing import Any

from schemas.records import Decision, Order, Outcome, Verdict
from streams.history.decision_diff import Comparison, DecisionPair, issued, paired
from tests.unit.streams.test_compare import DECISION, EVIDENCE


def decision(name: str, at: int = 0, offset: int = 0, **fields: Any) -> Decision:
    proof = replace(EVIDENCE, last_offset=offset)
    return replace(DECISION, decision_id=name, decided_at=at, evidence=(proof,), **fields)


def test_the_same_decision_of_another_policy_is_the_same() -> None:
    one, other = decision("a"), decision("a", policy_id="other")
    assert paired([one], [other]) == [DecisionPair(Comparison.SAME, one, other)]


def test_one_that_was_decided_otherwise_is_changed() -> None:
    one = decision("a")
    for fields in (
        {"outcome": Outcome.OBSERVED},
        {"order": Order.RETRAIN},
        {"verdict": Verdict.SPLIT},
        {"rule": "another"},
    ):
        other = decision("a", **fields)
        assert paired([one], [other]) == [DecisionPair(Comparison.CHANGED, one, other)]


def test_one_that_falls_at_another_moment_is_one_decision() -> None:
    early, late = decision("a", at=1, offset=10), decision("b", at=5, offset=90)
    assert paired([early], [late]) == [DecisionPair(Comparison.LATER, early, late)]
    assert paired([late], [early]) == [DecisionPair(Comparison.EARLIER, late, early)]


def test_within_a_millisecond_the_offset_tells_which_is_earlier() -> None:
    early, late = decision("a", offset=10), decision("b", offset=11)
    assert paired([late], [early]) == [DecisionPair(Comparison.EARLIER, late, early)]


def test_what_is_about_something_else_stands_alone() -> None:
    one = decision("a", at=2)
    for fields in (
        {"subject": "pub"},
        {"experiment_id": "e"},
        {"variant": "c"},
        {"model_version": "v2"},
        {"metric": "n"},
        {"order": Order.DEPLOY},
    ):
        other = decision("b", at=1, **fields)
        assert paired([one], [other]) == [
            DecisionPair(Comparison.ONLY_OTHER, None, other),
            DecisionPair(Comparison.ONLY_RECORDED, one, None),
        ]


def test_several_about_the_same_are_paired_in_the_order_of_time() -> None:
    first, second, third = decision("a", at=1), decision("b", at=2), decision("c", at=9)
    moved = decision("x", at=4)
    assert paired([third, second, first], [third, moved]) == [
        DecisionPair(Comparison.LATER, first, moved),
        DecisionPair(Comparison.ONLY_RECORDED, second, None),
        DecisionPair(Comparison.SAME, third, third),
    ]


def test_a_forgery_that_came_after_counts_for_nothing() -> None:
    one, forged = decision("a"), decision("a", outcome=Outcome.HELD)
    assert paired([one, forged], [one]) == [DecisionPair(Comparison.SAME, one, one)]


def test_only_what_was_issued_wrote_a_command() -> None:
    assert issued(decision("a"))
    assert not issued(decision("a", outcome=Outcome.AWAITING_APPROVAL, command_id="c"))
    assert not issued(None)
