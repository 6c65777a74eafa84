"""Finds wrong names and ids in columns, by the batch; the sentences are those of `text.py`."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.codec.utf8 import utf8_parts
from schemas.refusals import Reason
from schemas.validation.text import MAX_CHARACTERS, parts_fault, text_fault

_CONTROL = r"[\x00-\x1f\x7f\x{80}-\x{9f}]"  # Unicode's category Cc


def parts_faults(name: str, column: pa.Array) -> Iterator[tuple[int, Reason, str]]:
    """(row, reason, sentence) for each row whose name has parts that are wrong; the column has no
    nulls.
    """
    encoded = column.dictionary_encode()
    for code, text in enumerate(encoded.dictionary.to_pylist()):
        if (fault := parts_fault(name, text)) is not None:
            for row in np.flatnonzero(encoded.indices.to_numpy() == code).tolist():
                yield row, *fault


def text_faults(name: str, column: pa.Array) -> Iterator[tuple[int, Reason, str]]:
    """(row, reason, sentence) for each row whose name is wrong."""
    data, _, lengths = utf8_parts(column)
    suspects = np.zeros(len(column), np.bool_)
    if len(lengths) and lengths.min() == 0:
        suspects |= (lengths == 0) & column.is_valid().to_numpy(zero_copy_only=False)
    if len(lengths) and lengths.max() > MAX_CHARACTERS:  # in bytes, so at most too suspicious
        suspects |= lengths > MAX_CHARACTERS
    if len(data) and (data.min() < 0x20 or data.max() >= 0x7F):
        suspects |= (
            pc.match_substring_regex(column, _CONTROL)
            .fill_null(False)
            .to_numpy(zero_copy_only=False)
        )
    for row in np.flatnonzero(suspects).tolist():
        fault = text_fault(name, column[row].as_py())
        if fault is not None:
            yield row, *fault
