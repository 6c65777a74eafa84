"""What becomes of a finding goes by one order of precedence, whatever holds at once."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from agents.commands import disposition
from agents.commands.disposition import Disposition, dispose
from schemas.records import Autonomy, CommandRow, Order, Outcome
from tests.support.life import Life

_PAGE = Path(__file__).parents[2] / "docs" / "commands.md"


@dataclass(frozen=True)
class Drawn:
    """A case of which each answer is drawn by itself, also where no partition could hold it."""

    order: Order
    autonomy: Autonomy
    asked_by: str
    back: bool
    asks: str
    own: bool
    like: CommandRow | None
    people: str
    spent: str

    def may_go_back(self) -> bool:
        return self.back

    def why_a_person(self) -> str:
        return self.asks

    def own_deployment_at_work(self) -> bool:
        return self.own

    def like_command(self) -> CommandRow | None:
        return self.like

    def why_approval(self) -> str:
        return "asked"

    def left_to_people(self) -> str:
        return self.people

    def over_budget(self) -> str:
        return self.spent


def _open_command() -> CommandRow:
    life = Life()
    life.find()
    return life.rows()[0]


_CASES = st.builds(
    Drawn,
    order=st.sampled_from(Order),
    autonomy=st.sampled_from(Autonomy),
    asked_by=st.sampled_from(["", "ann"]),
    back=st.booleans(),
    asks=st.sampled_from(["", "its last deployment is FAILED"]),
    own=st.booleans(),
    like=st.sampled_from([None, _open_command()]),
    people=st.sampled_from(["", "ann froze bot"]),
    spent=st.sampled_from(["", "the hour's budget is spent"]),
)
_GOES, _ASKS = Outcome.ISSUED, Outcome.AWAITING_APPROVAL
_ALLOWED: list[tuple[Callable[[Drawn], bool], Outcome]] = [
    (lambda one: one.order == Order.NONE, Outcome.HELD),
    (lambda one: one.asked_by != "" and one.order == Order.ROLLBACK and one.back, _GOES),
    (
        lambda one: (
            one.asked_by != "" and one.order != Order.ROLLBACK and one.autonomy == Autonomy.AUTO
        ),
        _GOES,
    ),
    (lambda one: one.asked_by != "", _ASKS),
    (lambda one: one.own, _GOES),
    (lambda one: one.autonomy == Autonomy.PROPOSE, Outcome.PROPOSED),
    (lambda one: one.autonomy in (Autonomy.OBSERVE, Autonomy.UNKNOWN), Outcome.OBSERVED),
    (lambda one: one.autonomy == Autonomy.APPROVE or one.asks != "", _ASKS),
    (lambda one: one.autonomy == Autonomy.AUTO, _GOES),
]
_MOVES_TRAFFIC = (Order.ROLLBACK, Order.DEPLOY)


def expected(one: Drawn) -> Outcome:
    """The outcome by the table, row after row."""
    allowed = next(outcome for fits, outcome in _ALLOWED if fits(one))
    if allowed not in (_GOES, _ASKS):
        return allowed
    begins: list[tuple[bool, Outcome]] = [
        (
            one.like is not None and not (one.asked_by and one.order in _MOVES_TRAFFIC),
            Outcome.HELD,
        ),
        (allowed == _ASKS, Outcome.AWAITING_APPROVAL),
        (one.asked_by != "", Outcome.ISSUED),
        (one.people != "", Outcome.AWAITING_APPROVAL),
        (one.spent != "", Outcome.AWAITING_ADMISSION),
        (True, Outcome.ISSUED),
    ]
    return next(outcome for fits, outcome in begins if fits)


@given(_CASES)
def test_the_first_row_of_the_table_that_fits_says_the_outcome(one: Drawn) -> None:
    assert dispose(one).outcome == expected(one)


@given(_CASES)
def test_what_is_not_issued_says_why(one: Drawn) -> None:
    found = dispose(one)
    match found.outcome:
        case Outcome.AWAITING_APPROVAL | Outcome.AWAITING_ADMISSION:
            assert found.waits_for in ("asked", one.people, one.spent)
            assert found.waits_for != ""
        case Outcome.HELD if one.order != Order.NONE:
            assert one.like is not None
            assert found.held_by == one.like.command_id
            assert one.like.command_id in found.said
        case _:
            assert (found.waits_for, found.held_by) == ("", None)


@given(_CASES)
def test_automation_issues_nothing_that_is_left_to_people_or_over_the_budget(one: Drawn) -> None:
    if dispose(one).outcome == Outcome.ISSUED and not one.asked_by:
        assert (one.people, one.spent, one.like) == ("", "", None)


@given(_CASES)
def test_a_level_that_this_version_does_not_know_never_commands(one: Drawn) -> None:
    if one.autonomy == Autonomy.UNKNOWN and not one.asked_by and not one.own:
        assert dispose(one) == Disposition(dispose(one).outcome, dispose(one).said)
        assert dispose(one).outcome in (Outcome.OBSERVED, Outcome.HELD)


def test_the_page_tells_the_rows_of_the_docstring() -> None:
    told = re.findall(r"^\| (\d+) \| (.+?) \| (.+?) \|$", _PAGE.read_text(), re.MULTILINE)
    text = disposition.__doc__ or ""
    rows = re.findall(r"^    (\d+) +(.+?)  +([A-Za-z_ ]+)$", text, re.MULTILINE)
    assert [(number, outcome) for number, _, outcome in told] == [
        (number, outcome) for number, _, outcome in rows
    ]
    assert len(rows) == 15
