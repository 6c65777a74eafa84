"""Names that are joined can be told apart again, and people by who they are instead of how they are
spelt.
"""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.failures.followups import version_agent
from schemas.ids import environment_of, target_of, tenant_of
from schemas.persons import person, person_fault
from schemas.records import (
    Approver,
    Autonomy,
    AutonomyRule,
    CommandStatus,
    Policy,
    Request,
    RequestKind,
    Review,
    ReviewVerdict,
    Status,
)
from schemas.validation.policy_checks import check_policy
from schemas.validation.requests_and_recommendations import check_request, check_review
from schemas.validation.spec_checks import check_spec
from schemas.validation.status_checks import check_status
from schemas.validation.text import environment_fault, parts_fault
from state.storage.table import row_key
from tests.support.builders import NOON, spec

_TEXTS = st.text(st.sampled_from("ab/|%@*:"), min_size=1, max_size=6)
_SUBJECTS = _TEXTS.filter(lambda text: parts_fault("subject", text) is None)
_ENVIRONMENTS = _TEXTS.filter(lambda text: environment_fault("environment", text) is None)
REQUEST = Request(
    event_id="e", subject="bot", kind=RequestKind.DEPLOY, requested_by="ann", requested_at=NOON
)
REVIEW = Review(
    event_id="e",
    subject="bot",
    command_id="c",
    verdict=ReviewVerdict.APPROVE,
    digest="d",
    reviewer="bob",
    reviewed_at=NOON,
)
STATUS = CommandStatus(
    event_id="e",
    command_id="c",
    subject="bot",
    status=Status.FAILED,
    fencing_token=1,
    reported_at=NOON,
    reporter="r",
)
POLICY = Policy(event_id="e", policy_id="p")


@given(_SUBJECTS, _ENVIRONMENTS, _SUBJECTS, _ENVIRONMENTS)
def test_a_target_is_of_one_subject_and_one_environment(
    one: str, here: str, other: str, there: str
) -> None:
    assert (target_of(one, here) == target_of(other, there)) == ((one, here) == (other, there))
    assert environment_of(one, target_of(one, here)) == here


@given(_SUBJECTS, _TEXTS, _SUBJECTS, _TEXTS)
def test_a_version_is_trusted_under_a_name_of_its_own(
    one: str, version: str, other: str, another: str
) -> None:
    assert (version_agent(one, version) == version_agent(other, another)) == (
        (one, version) == (other, another)
    )


@given(st.lists(_TEXTS, min_size=3, max_size=3), st.lists(_TEXTS, min_size=3, max_size=3))
def test_a_rows_key_is_of_one_row(one: list[str], other: list[str]) -> None:
    assert (row_key(*one) == row_key(*other)) == (one == other)


def test_the_environment_of_one_subject_is_not_the_line_of_another() -> None:
    assert check_request(replace(REQUEST, subject="acme", environment="bot/production"))
    assert check_spec(spec(subject="acme", environment="bot/production"))
    rule = AutonomyRule(Autonomy.OBSERVE, environment="bot/production")
    assert check_policy(replace(POLICY, autonomies=(rule,)))


@pytest.mark.parametrize(
    "subject", ["/bot", "bot/", "acme//bot", "/", "default/bot", "acme/*", "*", "bot*"]
)
def test_what_cannot_be_told_from_another_name_or_a_pattern_is_no_subject(subject: str) -> None:
    for faults in (
        check_request(replace(REQUEST, subject=subject)),
        check_review(replace(REVIEW, subject=subject)),
        check_status(replace(STATUS, subject=subject)),
        check_spec(spec(subject=subject)),
    ):
        assert faults, subject


@pytest.mark.parametrize(("subject", "fine"), [
    ("*", True), ("acme/*", True), ("bot", True), ("acme/bot", True),
    ("bo*", False), ("default/*", False), ("/*", False), ("acme/b*", False), ("**", False),
])  # fmt: skip
def test_what_is_frozen_is_a_subject_a_tenant_or_everything(subject: str, fine: bool) -> None:
    assert (check_request(replace(REQUEST, kind=RequestKind.FREEZE, subject=subject)) == []) is fine


def test_tenants_have_one_name_each() -> None:
    assert tenant_of("bot") == "default"
    assert parts_fault("subject", "default/bot") is not None


@pytest.mark.parametrize("spelt", ["Ann", " ann", "ANN ", "ａｎｎ"])
def test_a_person_is_the_same_however_it_is_spelt(spelt: str) -> None:
    assert person(spelt) == "ann"


@given(st.text(max_size=8))
def test_to_fold_a_name_twice_changes_nothing(name: str) -> None:
    assert person(person(name)) == person(name)


@pytest.mark.parametrize(
    "name",
    [
        "an\u200bn",
        "ann\u200d",
        "\ufeffann",
        "a\u00adnn",
        "an\u3164n",
        "ann\u202e",
        "  ",
        "mendstream",
        "MENDSTREAM ",
    ],
)
def test_names_that_nobody_sees_or_that_are_ours_are_no_persons(name: str) -> None:
    found: list[Any] = [
        person_fault("by", name),
        *check_request(replace(REQUEST, requested_by=name)),
        *check_review(replace(REVIEW, reviewer=name)),
        *check_policy(replace(POLICY, approvers=(Approver(name),))),
    ]
    assert len(found) == 4
