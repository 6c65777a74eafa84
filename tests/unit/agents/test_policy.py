"""The policy that names a subject most exactly governs it."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.policies import DEFAULT_POLICY, metric_spec, policy_for
from schemas.records import Direction, MetricKind, MetricSpec, Policy, Role
from state.policies_in_force import Policies
from tests.support.builders import CODEC, apply_policy, tables


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
def test_the_longest_match_governs_whatever_the_order_of_policies(
    subject: str, expected: str
) -> None:
    for some in permutations(POLICIES):
        assert policy_for(subject, some).policy_id == expected


def test_of_two_that_match_alike_the_first_by_its_id_governs() -> None:
    for some in permutations([policy("b", "bot*"), policy("a", "bot*"), policy("c", "bot*")]):
        assert policy_for("bot-1", some).policy_id == "a"


def plainly(subject: str, policies: Iterable[Policy]) -> str:
    """The same rule stated once more: every pattern of every policy is looked at."""
    fits = [
        (0 if pattern == subject else 1, -len(pattern), one.policy_id)
        for one in policies
        for pattern in one.subjects
        if pattern == subject or (pattern.endswith("*") and subject.startswith(pattern[:-1]))
    ]
    return min(fits, default=(0, 0, "default"))[2]


NAMES = st.text("ab/*", max_size=4)


@given(st.lists(st.tuples(st.sampled_from("pqrs"), st.lists(NAMES, max_size=3)), max_size=8), NAMES)
def test_what_is_found_by_patterns_is_what_a_look_at_all_policies_finds(
    written: list[tuple[str, list[str]]], subject: str
) -> None:
    """Policies that are replaced under their id among them."""
    policies = Policies()
    for name, subjects in written:
        policies[name] = policy(name, *subjects)
    assert policy_for(subject, policies).policy_id == plainly(subject, policies.values())


def test_the_work_does_not_grow_with_the_policies_of_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, naming = list[str](), Policies.naming
    policies = Policies(policy(f"p{n}", f"team-{n}/*", f"other-{n}") for n in range(5_000))

    def counted(self: Policies, pattern: str) -> Policy | None:
        asked.append(pattern)
        return naming(self, pattern)

    monkeypatch.setattr(Policies, "naming", counted)
    monkeypatch.setattr(Policies, "__iter__", lambda _: pytest.fail("all policies are looked at"))
    assert policy_for("team-4321/bot", policies).policy_id == "p4321"
    assert len(asked) <= len("team-4321/bot") + 2


def test_the_built_in_policy_governs_where_none_matches() -> None:
    assert policy_for("shop", [policy("bots", "bot*")]) == DEFAULT_POLICY


def test_an_exact_name_outranks_a_prefix_of_the_same_length() -> None:
    assert (
        policy_for("bot*", [policy("prefix", "bot*"), policy("exact", "bot*")]).policy_id == "exact"
    )
    assert (
        policy_for("bot", [policy("prefix", "bot*"), policy("exact", "bot")]).policy_id == "exact"
    )


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
