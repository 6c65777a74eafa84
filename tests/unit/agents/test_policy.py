"""The policy that names a subject most exactly governs it."""

from dataclasses import replace
from itertools import permutations

import pytest

from agents.fold import apply_policy
from agents.policy import DEFAULT_POLICY, metric_spec, policy_for
from schemas.records import Direction, MetricKind, MetricSpec, Policy, Role
from tests.builders import CODEC, tables


def policy(name: str, *subjects: str) -> Policy:
    return Policy(event_id=name, policy_id=name, subjects=subjects)


POLICIES = [
    policy("all", "*"),
    policy("team", "acme/*"),
    policy("bots", "acme/bot*"),
    policy("one", "acme/bot", "other/bot"),
    policy("star", "acme/bot-*", "nobody"),
]


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("acme/bot", "one"),
        ("other/bot", "one"),
        ("acme/bot-2", "star"),
        ("acme/bots", "bots"),
        ("acme/shop", "team"),
        ("shop", "all"),
        ("Acme/bot", "all"),
    ],
)
def test_the_longest_match_governs_whatever_the_order_of_policies(subject: str, expected: str) -> None:
    for some in permutations(POLICIES):
        assert policy_for(subject, some).policy_id == expected


def test_of_two_that_match_alike_the_first_by_its_id_governs() -> None:
    for some in permutations([policy("b", "bot*"), policy("a", "bot*"), policy("c", "bot*")]):
        assert policy_for("bot-1", some).policy_id == "a"


def test_the_built_in_policy_governs_where_none_matches() -> None:
    assert policy_for("shop", [policy("bots", "bot*")]) == DEFAULT_POLICY


def test_an_exact_name_outranks_a_prefix_of_the_same_length() -> None:
    assert policy_for("bot*", [policy("prefix", "bot*"), policy("exact", "bot*")]).policy_id == "exact"
    assert policy_for("bot", [policy("prefix", "bot*"), policy("exact", "bot")]).policy_id == "exact"


def test_a_metric_is_judged_by_the_spec_then_the_policy_then_the_default_else_not_at_all() -> None:
    mine = MetricSpec("error", Role.GOAL, Direction.LOWER_IS_BETTER, MetricKind.COUNT)
    own = replace(policy("own", "*"), metrics=(replace(mine, kind=MetricKind.MEAN),))
    assert metric_spec("error", [mine], own) == mine
    assert metric_spec("error", [], own).kind == MetricKind.MEAN
    assert metric_spec("error", [], DEFAULT_POLICY).kind == MetricKind.RATE
    assert metric_spec("mood", [], DEFAULT_POLICY).role == Role.SIGNAL


def test_a_policy_that_makes_no_sense_is_refused_and_changes_nothing() -> None:
    state = tables()
    assert apply_policy(CODEC.encode(policy("good", "*")), state, CODEC) is None
    for value in (b"garbage", None, CODEC.encode(replace(policy("bad", "*"), alpha=0.9))):
        assert apply_policy(value, state, CODEC) is not None
    assert list(state.policies) == ["good"]
