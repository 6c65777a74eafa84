"""A slice is cut where the decision fell, and nothing of it is lost."""

import pytest
from confluent_kafka import Message

from schemas.catalog import METRICS, RESULTS, SPECS
from streams.history.explain import cut_after

RECORDS = [
    Message(topic=RESULTS, partition=0, offset=offset, value=b"") for offset in (10, 11, 13, 14)
]


def offsets(topic: str, *places: tuple[str, int]) -> list[list[int | None]]:
    return [[record.offset() for record in piece] for piece in cut_after(places)(topic, RECORDS)]


@pytest.mark.parametrize(
    ("at", "pieces"),
    [
        (9, [[10, 11, 13, 14]]),
        (10, [[10], [11, 13, 14]]),
        (11, [[10, 11], [13, 14]]),
        (12, [[10, 11], [13, 14]]),
        (14, [[10, 11, 13, 14]]),
        (99, [[10, 11, 13, 14]]),
    ],
)
def test_a_slice_is_cut_after_the_record_that_proves(at: int, pieces: list[list[int]]) -> None:
    assert offsets(RESULTS, (RESULTS, at)) == pieces


def test_each_proof_cuts_its_own_topic() -> None:
    assert offsets(RESULTS, (RESULTS, 13), (RESULTS, 10), (METRICS, 11)) == [[10], [11, 13], [14]]


def test_without_a_proof_only_rare_records_go_one_by_one() -> None:
    assert offsets(SPECS) == [[10], [11], [13], [14]]
    assert offsets(RESULTS) == [[10, 11, 13, 14]]
