"""Law: what is scanned in place is what the codec reads, and makes sense where checks say so."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from schemas.codec.columns import decode
from schemas.codec.flat_schema import flat_fields
from schemas.codec.framing import MAX_BYTES
from schemas.codec.record_scan import form_of, is_utf8, room_for, scan, varint, writers_of
from schemas.compiled import read_only
from schemas.records import ExperimentResult, ModelMetric, ResultKind
from schemas.validation.moments import EARLIEST_MS, FUTURE_MS
from schemas.validation.observation_checks import COUNT_MAX, check_metric, check_result
from schemas.validation.record_checks import has_sound_parts, is_name, plausible, roles_of
from schemas.validation.results_and_metrics import check_metrics, check_results
from schemas.validation.text import MAX_CHARACTERS, parts_fault, text_fault
from tests.laws.test_decoders_agree import FLAT
from tests.support.builders import CODEC, NOON, metric, result
from tests.support.decoding import alone, exact
from tests.support.mutation import KINDS, mutated, sound

MUTATED = 20_000
SEED = 20_261_130
AROUND = b"\x81around"  # bytes before and after a value, which are none of it


def scanned(name: str, value: bytes) -> tuple[bool, NDArray[np.uint8], NDArray[np.void]]:
    """Whether a value among others is one of the record, the bytes, and its fields."""
    data = read_only(np.frombuffer(AROUND + value + AROUND, np.uint8))
    form = form_of(name)
    fields = room_for(form)
    writers, end = writers_of(name, CODEC.schema_id(name)), len(AROUND) + len(value)
    return scan(data, len(AROUND), end, writers, form, fields), data, fields


def row(name: str, data: NDArray[np.uint8], fields: NDArray[np.void]) -> dict[str, Any]:
    """The fields as the codec gives them."""
    return {
        described.name: _value(described, data, found) if found["present"] else None
        for described, found in zip(flat_fields(name), fields, strict=True)
    }


def _value(described: Any, data: NDArray[np.uint8], found: Any) -> Any:
    match described.kind:
        case "string":
            text = data[found["start"] : found["start"] + found["length"]].tobytes().decode()
            assert found["printed"] == (text.isascii() and (text == "" or text.isprintable()))
            return text
        case "double":
            return float(found["value"])
        case "enum":
            return described.symbols[int(found["number"])]
        case "boolean":
            return bool(found["number"])
    return int(found["number"])


def agree(name: str, value: bytes) -> bool:
    """Whether both take the value; what they read is then the same."""
    good, said = alone(name, value)
    taken, data, fields = scanned(name, value)
    assert taken == (good and len(value) <= MAX_BYTES), (value, said)
    if taken:
        assert exact(row(name, data, fields)) == said
    return taken


@pytest.mark.parametrize("name", FLAT)
def test_mutated_values_are_taken_as_the_codec_takes_them(name: str) -> None:
    rng = np.random.default_rng([SEED, FLAT.index(name)])
    others = [sound(each, rng) for each in FLAT for _ in range(4)]
    whole = [sound(name, rng) for _ in range(100)]
    assert all(agree(name, value) for value in whole)
    numbers = rng.integers(0, 1 << 20, (MUTATED // len(FLAT), 4)).tolist()
    taken = [
        agree(name, mutated(whole[base % len(whole)], kind % KINDS, at, size, others))
        for base, kind, at, size in numbers
    ]
    assert 0 < sum(taken) < len(taken)


def test_a_value_is_taken_up_to_the_greatest_size() -> None:
    rest = len(CODEC.encode(result(event_id="x" * 9_000))) - 9_000
    for size, expected in ((MAX_BYTES, True), (MAX_BYTES + 1, False)):
        value = CODEC.encode(result(event_id="x" * (size - rest)))
        assert len(value) == size
        assert agree("ExperimentResult", value) == expected


def test_no_bytes_are_no_value() -> None:
    for size in range(8):
        assert not agree("ExperimentResult", CODEC.encode(result())[:size])


def utf8(data: bytes) -> bool:
    return bool(is_utf8(read_only(np.frombuffer(data + b"a", np.uint8)), 0, len(data)))


def test_utf8_is_what_python_decodes() -> None:
    edges = bytes.fromhex("007f808f909fa0bfc0c1c2dfe0e1ecedeeeff0f1f3f4f5f7f8ff")
    rest = (0x41, 0x80, 0xBF, 0xC2)
    for first, second, third, fourth in product(edges, edges, rest, rest):
        for size in (1, 2, 3, 4):
            data = bytes((first, second, third, fourth))[:size]
            assert utf8(data) == (data.decode(errors="replace").encode() == data), data


@given(st.binary(max_size=12))
@example(b"\x80" * 9 + b"\x01")
@example(b"\xff" * 10)
@example(b"\xff" * 9 + b"\x7f")
def test_integers_are_those_of_the_codec(data: bytes) -> None:
    raw = index = 0
    expected = (0, -1)
    for index, byte in enumerate(data[:10]):
        raw |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            raw &= (1 << 64) - 1
            expected = ((raw >> 1) ^ -(raw & 1), index + 1)
            break
    assert varint(read_only(np.frombuffer(data + b"\x00", np.uint8)), 0, len(data)) == expected


TEXTS = st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(
    (
        *(letter * (MAX_CHARACTERS + more) for letter in "xä" for more in (0, 1)),
        *("", "a", "\x7f", "tab\tin", "a\x80", "\x9f", "\xa0", "longer than 8 \n"),
    )
)
COUNTS = st.sampled_from((-1, 0, 1, 2, COUNT_MAX, COUNT_MAX + 1))
FLOATS = st.sampled_from((0.0, -0.0, -1.0, 1.5, float("nan"), float("inf"), -float("inf")))
MOMENTS = st.sampled_from(
    (NOON, 0, -1, EARLIEST_MS - 1, EARLIEST_MS, NOON + FUTURE_MS, NOON + FUTURE_MS + 1)
)
COVARIATES = st.none() | FLOATS
COMMON = {"count": COUNTS, "sum": FLOATS, "sum_squares": st.none() | FLOATS, "occurred_at": MOMENTS}
GOOD: dict[str, Any] = {
    "count": 3,
    "sum": 1.0,
    "sum_squares": 1.0,
    "occurred_at": NOON,
    "kind": ResultKind.OBSERVATION,
    "assigned_at": None,
}


@given(TEXTS)
def test_a_name_is_what_the_checks_take(text: str) -> None:
    encoded = text.encode()
    data = read_only(np.frombuffer(b"\x00" + encoded + b"\x00", np.uint8))
    assert is_name(data, 1, len(encoded)) == (text_fault("name", text) is None)


PARTS = st.lists(
    st.sampled_from(("/", "*", "default", "a", "é", "defaul", "日本")), min_size=1, max_size=6
).map("".join)


@given(PARTS | TEXTS.filter(lambda text: text_fault("name", text) is None))
@example("default/bot")
@example("default")
@example("defaults/bot")
@example("a//b")
@example("/a")
@example("a/")
@example("a/*")
def test_parts_of_a_name_are_sound_where_the_checks_find_nothing(text: str) -> None:
    encoded = text.encode()
    data = read_only(np.frombuffer(b"/*" + encoded + b"/*", np.uint8))
    assert has_sound_parts(data, 2, len(encoded)) == (parts_fault("name", text) is None)


def changes(names: tuple[str, ...], **others: st.SearchStrategy[Any]) -> Any:
    """A few fields with other values; most records have one fault or none."""
    texts = dict.fromkeys(names, TEXTS)
    return st.fixed_dictionaries({}, optional=COMMON | texts | others)


RESULTS = changes(
    ("event_id", "experiment_id", "variant", "metric", "unit_id", "segment"),
    kind=st.sampled_from(list(ResultKind)),
    assigned_at=st.none() | MOMENTS,
    covariate=COVARIATES,
)
METRICS = changes(("event_id", "model_version", "metric", "segment"))


def few(drawn: dict[str, Any], kept: int) -> dict[str, Any]:
    """The fields that stay different: all, or one."""
    names = sorted(drawn)
    chosen = names if not kept or not names else [names[kept % len(names)]]
    return {name: value for name, value in drawn.items() if name in chosen}


def found_plausible(value: bytes, name: str) -> bool:
    taken, data, fields = scanned(name, value)
    assert taken
    return bool(plausible(data, fields, roles_of(name), NOON))


@given(RESULTS, st.integers(0, 20))
def test_a_result_is_plausible_where_the_checks_find_nothing(
    drawn: dict[str, Any], kept: int
) -> None:
    record: ExperimentResult = result(**(GOOD | few(drawn, kept)))
    value = CODEC.encode(record)
    refused = check_results(decode([value], "ExperimentResult", CODEC), np.array([NOON]))
    assert found_plausible(value, "ExperimentResult") == (not refused)
    told = check_result(record, NOON)[:1]
    assert told == [(each.reason, each.sentence) for each in refused], "as a program is told"


@given(METRICS, st.integers(0, 20))
def test_a_metric_is_plausible_where_the_checks_find_nothing(
    drawn: dict[str, Any], kept: int
) -> None:
    plain = {name: GOOD[name] for name in COMMON}
    record: ModelMetric = metric(**(plain | few(drawn, kept)))
    value = CODEC.encode(record)
    refused = check_metrics(decode([value], "ModelMetric", CODEC), np.array([NOON]))
    assert found_plausible(value, "ModelMetric") == (not refused)
    told = check_metric(record, NOON)[:1]
    assert told == [(each.reason, each.sentence) for each in refused], "as a program is told"


def test_a_wrong_subject_is_seen_but_not_its_parts() -> None:
    for subject, expected in (("", False), ("a\n", False), ("acme//bot", True), ("bot*", True)):
        value = CODEC.encode(result(subject=subject))
        assert found_plausible(value, "ExperimentResult") == expected
