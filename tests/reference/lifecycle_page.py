"""docs/reference/lifecycle.md: which event moves a command from which phase to which."""

from agents.commands.lifecycle import BEGINNINGS, FINAL, LIFE
from tests.reference.markdown import page, table


def lifecycle_page() -> str:
    begun = [("", f"`{event}`", f"`{after}`") for event, after in BEGINNINGS.items()]
    moved = [
        (f"`{before}`", f"`{event}`", f"`{after}`")
        for before, ways in LIFE.items()
        for event, after in ways.items()
    ]
    return page(
        "The life of a command",
        "Each line is a move that can happen; an event that a phase does not list changes nothing "
        "there. [Commands that live](../commands.md) says what causes each event.",
        table(("from", "event", "to"), [*begun, *moved]),
        f"A command has ended in these phases: {', '.join(f'`{one}`' for one in sorted(FINAL))}. "
        "Only a command that undoes it leads out of one.",
    )
