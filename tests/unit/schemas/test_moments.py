"""Every moment of every input is looked at, and a wrong one is refused by a sentence that names the
unit.
"""

from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.flow.pipeline import fold
from schemas.catalog import FOREIGN, INPUTS, TICKS, TOPICS
from schemas.validation.moments import (
    EARLIEST_MS,
    FUTURE_MS,
    PLANNED_MS,
    MomentField,
    moment_fault,
    moment_faults,
    moments_of,
    unit_of,
)
from tests.support.builders import CODEC, NOON, Sent, piece, tables
from tests.support.samples import sample

_INPUTS = sorted(topic for topic in INPUTS if topic in FOREIGN and topic != TICKS)
_RECORDS = {topic: TOPICS[topic].record or "" for topic in _INPUTS}
_EACH = [(topic, moment) for topic, name in _RECORDS.items() for moment in moments_of(name)]
_WRONG = {
    "seconds": NOON // 1_000,
    "microseconds": NOON * 1_000,
    "nanoseconds": NOON * 1_000_000,
    "1970": 86_400_000,
    "before 1970": -1,
    "the last year before 2000": EARLIEST_MS - 1,
    "2200": 7_258_118_400_000,
}


def _with(value: Any, path: tuple[str, ...], at: int) -> Any:
    """A record with one of its moments set, in each item of a list on the way."""
    if not path:
        return at
    if isinstance(value, tuple):
        return tuple(_with(item, path, at) for item in value)
    return replace(value, **{path[0]: _with(getattr(value, path[0]), path[1:], at)})


def _sound(topic: str) -> Any:
    """A record of an input all moments of which are noon."""
    record: Any = sample(_RECORDS[topic])
    record = replace(record, count=1) if hasattr(record, "count") else record
    for moment in moments_of(_RECORDS[topic]):
        record = _with(record, moment.path, NOON)
    return record


def _refusals(topic: str, record: Any) -> list[tuple[str, str]]:
    effects = fold(piece(topic, [Sent(CODEC.encode(record), 0, NOON)]), tables(), CODEC)
    return [(one.reason, one.sentence) for one in effects.refused]


def test_every_input_of_others_has_a_moment_that_is_found() -> None:
    assert {topic for topic, _ in _EACH} == set(_INPUTS)
    assert ("share_steps", "from_") in [moment.path for _, moment in _EACH]


@pytest.mark.parametrize("what", _WRONG)
@pytest.mark.parametrize(("topic", "moment"), _EACH, ids=lambda each: getattr(each, "name", each))
def test_a_wrong_moment_is_refused_and_the_unit_is_named(
    topic: str, moment: MomentField, what: str
) -> None:
    record = _with(_sound(topic), moment.path, _WRONG[what])
    (refused,) = _refusals(topic, record)
    assert refused == _faults(record)[0]
    reason, sentence = refused
    assert sentence.startswith(f"{moment.name} {_WRONG[what]} ")
    assert "milliseconds" in sentence
    if what in ("seconds", "microseconds", "nanoseconds"):
        assert reason == "TIME_UNIT"
        assert f"looks like {what} since 1970 (2023-11-14)" in sentence


def _faults(record: Any) -> list[tuple[str, str]]:
    return [(str(reason), sentence) for reason, sentence in moment_faults(record, NOON)]


@pytest.mark.parametrize("topic", _INPUTS)
def test_sound_moments_have_no_fault(topic: str) -> None:
    assert _faults(_sound(topic)) == []


def test_all_integers_named_like_moments_are_moments_of_the_schema() -> None:
    """A field `..._at` that the schema calls a plain long would be looked at by nobody."""
    for name in _RECORDS.values():
        record = sample(name)
        assert is_dataclass(record)
        named = {each.name for each in fields(record) if each.name.endswith("_at")}
        assert named <= {moment.path[-1] for moment in moments_of(name)}, name


@given(st.integers(946_684_800, 4_102_444_799))
def test_a_moment_of_this_century_tells_its_unit(seconds: int) -> None:
    for power, unit in enumerate(("seconds", "milliseconds", "microseconds", "nanoseconds")):
        assert unit_of(seconds * 1_000**power) == unit


@pytest.mark.parametrize("ahead", [False, True])
def test_the_bounds_are_these_moments(ahead: bool) -> None:
    latest = NOON + (PLANNED_MS if ahead else FUTURE_MS)
    for at in (EARLIEST_MS, NOON, latest):
        assert moment_fault("occurred_at", at, NOON, ahead) is None
    for at in (EARLIEST_MS - 1, latest + 1):
        assert moment_fault("occurred_at", at, NOON, ahead) is not None
