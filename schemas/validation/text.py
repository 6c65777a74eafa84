"""Checks that names and ids may be keys: not empty, not long, nothing that a terminal or a log
would obey.
"""

from functools import lru_cache

from schemas.ids import DEFAULT_TENANT, JOINER
from schemas.refusals import Reason

EVERYTHING = "*"  # what a pattern of subjects ends in
_REMEMBERED = 65_536  # subjects, as many as their partitions are remembered of

MAX_CHARACTERS = (
    512  # names are read by people and repeated in every row and journal entry that bears them
)
_SHOWN = 40


def text_fault(name: str, text: str | None) -> tuple[Reason, str] | None:
    """Returns the fault of a name; an absent one (None) has none."""
    if text is None:
        return None
    if not text:
        return Reason.EMPTY_FIELD, f"{name} is empty"
    if len(text) > MAX_CHARACTERS:
        return (
            Reason.TOO_LONG,
            f"{name} has {len(text)} characters, more than {MAX_CHARACTERS}: {text[:_SHOWN]!r}...",
        )
    if any(character < " " or "\x7f" <= character <= "\x9f" for character in text):
        return Reason.CONTROL_CHARACTER, f"{name} has a control character: {text[:_SHOWN]!r}"
    return None


@lru_cache(maxsize=_REMEMBERED)
def parts_fault(name: str, text: str) -> tuple[Reason, str] | None:
    """Returns why a name, [tenant/]line, is like another one or a pattern where it is joined to
    others.
    """
    tenant, *line = text.split(JOINER)
    if not all((tenant, *line)):
        return (
            Reason.EMPTY_FIELD,
            f"{name} has an empty part beside a {JOINER!r}: {text[:_SHOWN]!r}; write tenant/line",
        )
    if line and tenant == DEFAULT_TENANT:
        whose = f"{tenant!r} is the tenant of names without one"
        return Reason.OUT_OF_RANGE, f"{name} is {text[:_SHOWN]!r}, and {whose}: leave it out"
    if text.endswith(EVERYTHING):
        return Reason.OUT_OF_RANGE, f"{name} is the pattern {text[:_SHOWN]!r}: name one"
    return None


def environment_fault(name: str, text: str | None) -> tuple[Reason, str] | None:
    """Returns the fault in the name of an environment, which is joined to a subject."""
    if text is not None and JOINER in text:
        sentence = (
            f"{name} {text[:_SHOWN]!r} holds a {JOINER!r}, which parts it from the subject: "
            "use another character"
        )
        return Reason.OUT_OF_RANGE, sentence
    return text_fault(name, text)
