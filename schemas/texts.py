"""Which names and ids may be used as keys: not empty, not long, nothing that a terminal or a log would obey."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.refusals import Reason
from schemas.strings import utf8_parts

MAX_CHARACTERS = 512  # names are read by people and repeated in every row and journal entry that bears them
_CONTROL = r"[\x00-\x1f\x7f\x{80}-\x{9f}]"  # Unicode's category Cc
_SHOWN = 40


def text_fault(name: str, text: str | None) -> tuple[Reason, str] | None:
    """What is wrong with a name; absent (None) is never wrong."""
    if text is None:
        return None
    if not text:
        return Reason.EMPTY_FIELD, f"{name} is empty"
    if len(text) > MAX_CHARACTERS:
        return Reason.TOO_LONG, f"{name} has {len(text)} characters, more than {MAX_CHARACTERS}: {text[:_SHOWN]!r}..."
    if any(character < " " or "\x7f" <= character <= "\x9f" for character in text):
        return Reason.CONTROL_CHARACTER, f"{name} has a control character: {text[:_SHOWN]!r}"
    return None


def text_faults(name: str, column: pa.Array) -> Iterator[tuple[int, Reason, str]]:
    """(row, reason, sentence) for each row whose name is wrong."""
    data, _, lengths = utf8_parts(column)
    suspects = np.zeros(len(column), np.bool_)
    if len(lengths) and lengths.min() == 0:
        suspects |= (lengths == 0) & column.is_valid().to_numpy(zero_copy_only=False)
    if len(lengths) and lengths.max() > MAX_CHARACTERS:  # in bytes, so at most too suspicious
        suspects |= lengths > MAX_CHARACTERS
    if len(data) and (data.min() < 0x20 or data.max() >= 0x7F):
        suspects |= pc.match_substring_regex(column, _CONTROL).fill_null(False).to_numpy(zero_copy_only=False)
    for row in np.flatnonzero(suspects).tolist():
        fault = text_fault(name, column[row].as_py())
        if fault is not None:
            yield row, *fault
