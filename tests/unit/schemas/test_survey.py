"""The survey finds just the rows that pyruhvro would refuse a batch for."""

import numpy as np
import pytest

from schemas.codec.flat_schema import flat_fields
from schemas.codec.strict_rows import sound_rows
from tests.support.samples import BROKEN_RESULTS, ODD_RESULTS, result_body, varint

ONLY_TEXT_IS_BAD = {"bad UTF-8", "bad UTF-8 in a nullable", "a surrogate", "half a character"}


def survey(bodies: list[bytes], record: str) -> list[bool]:
    data = np.frombuffer(b"".join(bodies), np.uint8)
    sizes = np.array([len(body) for body in bodies], np.int64)
    ends = np.cumsum(sizes)
    found: list[bool] = sound_rows(data, ends - sizes, ends, flat_fields(record)).tolist()
    return found


@pytest.mark.parametrize("name", BROKEN_RESULTS | ODD_RESULTS)
def test_a_row_is_sound_if_its_structure_is(name: str) -> None:
    body = (BROKEN_RESULTS | ODD_RESULTS)[name]
    sound = name in ODD_RESULTS or name in ONLY_TEXT_IS_BAD
    assert survey([result_body(), body, result_body()], "ExperimentResult") == [True, sound, True]
    assert survey([body], "ExperimentResult") == [sound]


@pytest.mark.parametrize(
    ("number", "sound"), [(-(1 << 31), True), (-(1 << 31) - 1, False), (1 << 31, False)]
)
def test_an_int_has_32_bits(number: int, sound: bool) -> None:
    assert survey([varint(number) + varint(0)], "Tick") == [sound]


def test_no_rows_are_surveyed_too() -> None:
    assert survey([], "Tick") == []
