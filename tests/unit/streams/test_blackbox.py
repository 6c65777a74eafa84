"""A worker that ends leaves a mark; the next ones look closer, and set aside what ended three."""

import os
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from streams.engine.quarantine import DEADLY, BlackBox, black_box
from streams.runtime.damaged_files import MOST, own_folder
from streams.runtime.settings import Settings
from tests.support.builders import Sent


class Ended(Exception):
    """Stands for the end of a process."""


def records(deadly: int, value: bytes = b"deadly", n: int = 10) -> list[Any]:
    return [Sent(value if at == deadly else b"%d" % at, at) for at in range(n)]


def folds(
    path: Path | None, given: list[Any], deadly: bytes = b"deadly"
) -> tuple[list[int], list[int]]:
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


TORN = [
    b"",
    b"{",
    b"[]",
    b"7",
    b"null",
    b'["t", 1, 2',
    b'["t", 1, 2, 3]',
    b'["t", "1", 2, 3, 0]',
    b"\xff\xfe\0",
    b"[" * 900,
]
TORN += [
    b'{"condemned": [[1]], "suspect": null, "ends": 0}',
    b'{"condemned": [], "suspect": 3, "ends": 0}',
]
TORN += [
    b'{"condemned": 3, "suspect": null, "ends": 0}',
    b'{"condemned": [], "suspect": null, "ends": "x"}',
]


@pytest.mark.parametrize("torn", TORN)
@pytest.mark.parametrize("ending", ["mark", "json", "new"])
def test_a_torn_note_is_set_aside_and_keeps_no_worker_from_starting(
    tmp_path: Path, ending: str, torn: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / f"box.{ending}"
    path.write_bytes(torn)
    assert folds(tmp_path / "box.mark", records(deadly=-1)) == ([10], [])
    if ending != "new" and torn:
        assert (tmp_path / f"box.{ending}.damaged-0").read_bytes() == torn
        assert f"{path} is damaged" in caplog.text
    test_what_ended_three_workers_is_set_aside_alone(tmp_path)


@pytest.mark.parametrize("ending", ["mark", "json", "new"])
def test_a_folder_or_a_link_in_the_place_of_a_note_is_set_aside(
    tmp_path: Path, ending: str
) -> None:
    (tmp_path / f"box.{ending}").mkdir()
    (tmp_path / f"box.{ending}" / "inside").touch()
    test_what_ended_three_workers_is_set_aside_alone(tmp_path)
    (linked := tmp_path / "linked").mkdir()
    (linked / f"box.{ending}").symlink_to(tmp_path / "elsewhere")
    test_what_ended_three_workers_is_set_aside_alone(linked)
    assert not (tmp_path / "elsewhere").exists()


def test_files_set_aside_are_bounded(tmp_path: Path) -> None:
    for _ in range(MOST + 5):
        (tmp_path / "box.json").write_bytes(b"{")
        BlackBox(tmp_path / "box.mark")
    assert len([*tmp_path.glob("*.damaged-*")]) == MOST


@pytest.mark.parametrize("mode", [0o777, 0o720])
def test_the_default_folder_is_not_taken_from_whoever_made_it(
    tmp_path: Path, mode: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (folder := tmp_path / f"mendstream-{os.geteuid()}").mkdir()
    folder.chmod(mode)
    monkeypatch.setattr("streams.engine.quarantine.gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(
        "streams.engine.quarantine.admin",
        lambda _: Mock(list_topics=lambda timeout: Mock(cluster_id="c")),
    )
    black_box(Settings())
    assert [*folder.iterdir()] == []
    assert "others may write to it" in caplog.text
    assert "MENDSTREAM_CRASH_DIRECTORY" in caplog.text
    folder.chmod(0o700)
    black_box(Settings())
    assert len([*folder.glob("*.mark")]) == 1
    black_box(Settings(crash_directory=str(tmp_path / "named")))
    assert len([*(tmp_path / "named").glob("*.mark")]) == 1


def test_a_folder_of_another_user_or_a_link_is_not_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert own_folder(tmp_path / "made" / "here") == ""
    assert (tmp_path / "made" / "here").stat().st_mode & 0o777 == 0o700
    (tmp_path / "link").symlink_to(tmp_path / "made")
    assert own_folder(tmp_path / "link") == "it is no folder"
    monkeypatch.setattr("os.geteuid", lambda: os.getuid() + 1)
    assert own_folder(tmp_path / "made" / "here").startswith(f"it belongs to user {os.getuid()}")


def test_without_a_path_nothing_is_kept() -> None:
    for _ in range(DEADLY + 1):
        with pytest.raises(Ended):
            folds(None, records(deadly=4))
