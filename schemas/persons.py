"""Who is who: names of persons that look the same are the same person's."""

import unicodedata

from schemas.refusals import Reason
from schemas.validation.text import text_fault

OURSELVES = "mendstream"  # by whom what nobody asked for is done, so no person may be named so
_UNSEEN = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
)  # without a glyph, though of no category that says so


def person(name: str) -> str:
    """A person's name as it is compared: by NFKC, without case, and without blanks around or
    doubled within it.

    >>> person(" Ａnn ") == person("ann"), person("STRASSE") == person("straße")
    (True, True)
    >>> person("ann") == person("anna")
    False
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return " ".join(folded.split())


def person_fault(field: str, name: str) -> tuple[Reason, str] | None:
    """Returns the fault in the name of a person; None where there is none."""
    fault = text_fault(field, name)
    if fault is not None:
        return fault
    for character in name:
        if character in _UNSEEN or unicodedata.category(character) in ("Cf", "Cn", "Co", "Cs"):
            code = f"U+{ord(character):04X}"
            return (
                Reason.CONTROL_CHARACTER,
                f"{field} holds {code}, which nobody sees: {name[:40]!r}; leave it out",
            )
    if not person(name):
        return Reason.EMPTY_FIELD, f"{field} is blank: say who it is"
    if person(name) == OURSELVES:
        return (
            Reason.OUT_OF_RANGE,
            f"{field} is {name!r}, which is Mendstream itself: say which person it is",
        )
    return None
