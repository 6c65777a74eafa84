"""What the overviews of the command line show a person: what waits, what may be done, and all names
as text.
"""

import io
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from schemas.codec.framing import Record
from schemas.records import (
    AlertRow,
    AlertState,
    CommandRow,
    ExperimentRow,
    Lack,
    Order,
    Phase,
    SubjectRow,
    Transition,
)
from schemas.records import Event as Happened
from streams.cli.overview_commands import show_life, show_parts, waiting
from streams.history.command_life import CommandLife, what_may_be_done
from streams.runtime.terminal import Screen
from tests.support.samples import sample

R = TypeVar("R", bound=Record)


def made(kind: type[R]) -> R:
    one = sample(kind.__name__)
    assert isinstance(one, kind)
    return one


ROW: CommandRow = replace(
    made(CommandRow), command_id="7f3c21aa", order=Order.ROLLBACK, subject="shop",
    phase=Phase.PENDING_APPROVAL, due_at=-1, undone_by="", reason="harm is proved",
)  # fmt: skip


def drawn(show: Any, *shown: Any) -> str:
    file = io.StringIO()
    show(*shown, Screen(file=file, width=160, force_terminal=False))
    return file.getvalue()


@pytest.mark.parametrize(
    ("phase", "verbs"),
    [
        (Phase.PENDING_APPROVAL, ["approve", "reject", "cancel"]),
        (Phase.PROPOSED, ["cancel"]),
        (Phase.ISSUED, ["cancel"]),
        (Phase.RETRYING, ["cancel"]),
        (Phase.COMPLETED, ["cancel"]),
        (Phase.COMPENSATING, []),
        (Phase.REJECTED, []),
        (Phase.COMPENSATED, []),
    ],
)
def test_what_may_be_done_is_what_the_phase_allows(phase: Phase, verbs: list[str]) -> None:
    told = what_may_be_done(replace(ROW, phase=phase))
    assert [one.split()[1] for one in told] == verbs
    assert all("7f3c21aa --by YOU" in one for one in told)


def test_what_was_undone_is_not_undone_again() -> None:
    assert what_may_be_done(replace(ROW, phase=Phase.COMPLETED, undone_by="other")) == []


def test_what_lapses_first_is_asked_first() -> None:
    rows = [replace(ROW, command_id=f"{at}", due_at=at) for at in (30, 10, 20)]
    others = [replace(ROW, command_id="done", phase=Phase.COMPLETED)]
    assert [row.command_id for row in waiting([*others, *rows])] == ["10", "20", "30"]


def test_the_status_names_each_part_and_what_is_empty() -> None:
    alert = replace(made(AlertRow), rule="verdict unserved", key="shop", state=AlertState.RAISED)
    lack = Lack("ARM", "b", since=0, told_at=0)
    experiment = replace(made(ExperimentRow), subject="shop", experiment_id="checkout",
                         lacks=(lack,), decided=())  # fmt: skip
    told = drawn(
        show_parts,
        {
            "waits for a person": [ROW],
            "under way": [],
            "alarms": [alert],
            "frozen": [replace(made(SubjectRow), subject="shop", frozen_by="ann")],
            "experiments that run": [experiment] * 20,
        },
    )
    for words in (
        "waits for a person, 1",
        "under way: nothing",
        "verdict unserved",
        "ann",
        "shop/checkout",
        "arm b",
        "and 8 more; --json has all",
    ):
        assert words in told, words


def test_a_life_is_told_step_by_step_with_what_may_be_done() -> None:
    steps = [
        replace(made(Transition), event=Happened.ASK_PERSON, after=Phase.PENDING_APPROVAL,
                by="ann", detail="[red]names are text[/red]"),
    ]  # fmt: skip
    told = drawn(show_life, CommandLife(ROW, steps, None))
    for words in (
        "ROLLBACK of shop",
        "harm is proved",
        "ASK_PERSON -> PENDING_APPROVAL",
        "[red]names are text[/red]",
        "may be done now: mendstream approve 7f3c21aa --by YOU",
    ):
        assert words in told, words
