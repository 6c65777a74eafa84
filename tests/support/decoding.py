"""What the values of a batch say when each is decoded alone."""

import struct
from collections.abc import Sequence
from typing import Any

from schemas.refusals import DecodeError
from tests.support.builders import CODEC

Row = tuple[Any, ...]
Verdict = Row | tuple[str, str]  # the values of a row, or why it was refused


def exact(row: dict[str, Any]) -> Row:
    """A row's values, floats by their bits, so that NaN equals itself and -0.0 is not 0.0."""
    return tuple(
        struct.pack("<d", value) if isinstance(value, float) else value for value in row.values()
    )


def alone(name: str, value: bytes | None) -> tuple[bool, Verdict]:
    """Whether a value is good, and its row, or else the reason and the sentence."""
    try:
        return True, exact(CODEC.read(name, value))
    except DecodeError as error:
        return False, (error.reason, error.sentence)


def each_alone(
    name: str, values: Sequence[bytes | None]
) -> tuple[list[Row], list[int], list[tuple[int, str, str]]]:
    """The good rows, where they stand, and the refused ones as (index, reason, sentence)."""
    verdicts = [alone(name, value) for value in values]
    good = [index for index, (is_good, _) in enumerate(verdicts) if is_good]
    rows = [verdict for is_good, verdict in verdicts if is_good]
    return (
        rows,
        good,
        [(index, *verdict) for index, (is_good, verdict) in enumerate(verdicts) if not is_good],
    )
