"""A worker that ends leaves a mark; the next ones look closer, and set aside what ended three."""

from pathlib import Path
from typing import Any

import pytest

from streams.blackbox import DEADLY, BlackBox
from tests.builders import Sent


class Ended(Exception):
    """Stands for the end of a process."""


def records(deadly: int, value: bytes = b"deadly", n: int = 10) -> list[Any]:
    return [Sent(value if at == deadly else b"%d" % at, at) for at in range(n)]


def folds(path: Path | None, given: list[Any], deadly: bytes = b"deadly") -> tuple[list[int], list[int]]:
    """The sizes of the pieces that one worker folds, and the offsets that it sets aside."""
    sizes, aside = [], []
    for piece, condemned in BlackBox(path).pieces("topic", 1, given):
        if condemned:
            aside += [record.offset() or 0 for record in piece]
            continue
        if any(record.value() == deadly for record in piece):
            raise Ended
        sizes.append(len(piece))
    return sizes, aside


def test_what_ended_three_workers_is_set_aside_alone(tmp_path: Path) -> None:
    for _ in range(DEADLY):
        with pytest.raises(Ended):
            folds(tmp_path / "box.mark", records(deadly=4))
    for _ in range(2):  # and stays so
        assert folds(tmp_path / "box.mark", records(deadly=4)) == ([4, 5], [4])


def test_a_stretch_that_ended_a_worker_once_is_folded_record_by_record(tmp_path: Path) -> None:
    with pytest.raises(Ended):
        folds(tmp_path / "box.mark", records(deadly=4))
    given = records(deadly=-1, n=12)
    assert folds(tmp_path / "box.mark", given) == ([*[1] * 10, 2], [])


def test_ends_at_different_places_are_not_added_up(tmp_path: Path) -> None:
    for at in (4, 7, 2, 8, 1):
        with pytest.raises(Ended):
            folds(tmp_path / "box.mark", records(deadly=at)[at : at + 1])
    assert folds(tmp_path / "box.mark", records(deadly=-1)) == ([1, 1, 8], [])


def test_another_record_at_the_offset_of_a_condemned_one_is_folded(tmp_path: Path) -> None:
    for _ in range(DEADLY):
        with pytest.raises(Ended):
            folds(tmp_path / "box.mark", records(deadly=4))
    assert folds(tmp_path / "box.mark", records(deadly=4, value=b"harmless")) == ([4, 1, 5], [])


def test_without_a_path_nothing_is_kept() -> None:
    for _ in range(DEADLY + 1):
        with pytest.raises(Ended):
            folds(None, records(deadly=4))
