"""Whether a scanned result or metric makes sense, as a compiled function for a loop over records.

Why one does not is said by `schemas/validation/results_and_metrics.py`.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from schemas.codec.flat_schema import FlatField, flat_fields
from schemas.codec.record_scan import Field, Fields
from schemas.compiled import compiled, read_only
from schemas.ids import DEFAULT_TENANT, JOINER
from schemas.records import ResultKind
from schemas.validation.moments import EARLIEST_MS, FUTURE_MS, moments_of
from schemas.validation.observation_checks import COUNT_MAX
from schemas.validation.text import EVERYTHING, MAX_CHARACTERS
from schemas.words import Bytes

_ANY, _NAME, _MOMENT, _COUNT, _KIND, _FINITE, _SQUARES = range(7)
_ROLES = {
    "count": _COUNT,
    "kind": _KIND,
    "sum": _FINITE,
    "sum_squares": _SQUARES,
    "covariate": _FINITE,
}
_JOINER, _PATTERN = ord(JOINER), ord(EVERYTHING)
_DEFAULT = np.frombuffer(DEFAULT_TENANT.encode(), np.uint8)
_UNKNOWN = list(ResultKind).index(ResultKind.UNKNOWN)  # by the schema's order


@cache
def roles_of(record: str) -> NDArray[np.int8]:
    """What `plausible` looks for in each field of ExperimentResult or ModelMetric, shape
    (fields,).
    """
    moments = {moment.name for moment in moments_of(record)}
    return read_only(np.array([_role(each, moments) for each in flat_fields(record)], np.int8))


def _role(field: FlatField, moments: set[str]) -> int:
    if field.name in moments:
        return _MOMENT
    return _NAME if field.kind == "string" else _ROLES.get(field.name, _ANY)


@compiled
def plausible(data: Bytes, fields: Fields, roles: NDArray[np.int8], appended: int) -> bool:
    """Whether `check_results` or `check_metrics` finds nothing in the record that was scanned, but
    in the parts of its subject's name.

    appended: when the broker appended it, ms.
    """
    for index in range(len(roles)):
        if fields[index].present and not _sensible(data, fields[index], roles[index], appended):
            return False
    return True


@compiled
def _sensible(data: Bytes, field: Field, role: int, appended: int) -> bool:
    if role == _NAME:
        if field.printed:
            return 0 < field.length <= MAX_CHARACTERS
        return is_name(data, field.start, field.length)
    if role == _MOMENT:
        return EARLIEST_MS <= field.number <= appended + FUTURE_MS
    if role == _COUNT:
        return 1 <= field.number <= COUNT_MAX
    if role == _KIND:
        return field.number != _UNKNOWN
    if role == _SQUARES:
        return 0.0 <= field.value < np.inf
    return role == _ANY or np.isfinite(field.value)


@compiled
def is_name(data: Bytes, start: int, length: int) -> bool:
    """Whether UTF-8 text is one to MAX_CHARACTERS characters, none of them a control character."""
    characters = 0
    for at in range(start, start + length):
        byte = data[at]
        control = byte < 0x20 or byte == 0x7F
        if byte == 0xC2:  # begins U+0080 to U+00BF
            control = data[at + 1] <= 0x9F
        if control:
            return False
        characters += byte & 0xC0 != 0x80  # each byte that begins one
    return 0 < characters <= MAX_CHARACTERS


@compiled
def has_sound_parts(data: Bytes, start: int, length: int) -> bool:
    """Whether a name, [tenant/]line, is of that form and no pattern, as `parts_fault` asks."""
    end, joiner = start + length, -1
    empty = data[start] == _JOINER or data[end - 1] == _JOINER
    for at in range(start, end):
        if data[at] == _JOINER:
            empty = empty or data[at - 1] == _JOINER
            joiner = at if joiner < 0 else joiner
    if empty or data[end - 1] == _PATTERN:
        return False
    return joiner - start != len(_DEFAULT) or not _is_default(data, start)


@compiled
def _is_default(data: Bytes, start: int) -> bool:
    for index in range(len(_DEFAULT)):
        if data[start + index] != _DEFAULT[index]:
            return False
    return True
