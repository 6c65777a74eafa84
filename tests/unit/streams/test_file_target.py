"""Targets in files: two writers, and what a death leaves behind."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest

from streams.executor.placement import StaleToken, TargetState, Unusable
from streams.executor.targets.file_target import FileTarget
from tests.support.executor.fakes import SHOP

FIRST = TargetState(baseline="v1", command_id="a", attempt=1, fencing_token=1, share=5)


def write(target: FileTarget, expected: TargetState, wanted: TargetState) -> bool:
    return asyncio.run(target.write(SHOP, expected, wanted))


def read(target: FileTarget) -> TargetState:
    return asyncio.run(target.read(SHOP))


def test_what_was_written_stands_and_writing_it_again_has_no_effect(tmp_path: Path) -> None:
    target = FileTarget(tmp_path / "made" / "here")
    assert read(target) == TargetState()
    assert write(target, TargetState(), FIRST)
    assert write(target, FIRST, FIRST)
    assert write(target, TargetState(), FIRST), "the answer to the first write may have been lost"
    assert read(FileTarget(tmp_path / "made" / "here")) == FIRST
    assert len(target.effects(SHOP)) == 1


def test_of_many_writers_at_once_one_wins(tmp_path: Path) -> None:
    writers = 8
    ready = Barrier(writers)

    def one(n: int) -> bool:
        target = FileTarget(
            tmp_path
        )  # as another process would have it: with a lock file of its own
        ready.wait(10)
        return write(target, TargetState(), replace(FIRST, command_id=f"command {n}"))

    with ThreadPoolExecutor(writers) as pool:
        won = list(pool.map(one, range(writers)))
    assert sum(won) == 1
    assert read(FileTarget(tmp_path)).command_id == f"command {won.index(True)}"
    assert len(FileTarget(tmp_path).effects(SHOP)) == 1


def test_writers_in_turns_lose_nothing(tmp_path: Path) -> None:
    def one(writer: int) -> None:
        target, done = FileTarget(tmp_path), 0
        while done < 25:
            stands = read(target)
            done += write(
                target,
                stands,
                replace(stands, since=stands.since + 1, command_id=f"{writer} {done}"),
            )

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, range(4)))
    assert read(FileTarget(tmp_path)).since == 100
    assert [each["since"] for each in FileTarget(tmp_path).effects(SHOP)] == list(range(1, 101))


def test_an_older_token_is_refused(tmp_path: Path) -> None:
    target = FileTarget(tmp_path)
    write(target, TargetState(), replace(FIRST, fencing_token=7))
    with pytest.raises(StaleToken, match="token 7, later than token 6"):
        write(target, read(target), replace(FIRST, fencing_token=6))


@pytest.mark.parametrize("torn", ["", '{"revision": 2, "sh'])
def test_the_log_misses_no_effect_of_a_writer_that_died_before_it_wrote_the_line(
    tmp_path: Path, torn: str
) -> None:
    target = FileTarget(tmp_path)
    write(target, TargetState(), FIRST)
    write(target, FIRST, replace(FIRST, share=10))
    (log,) = tmp_path.glob("*.jsonl")
    lines = log.read_text().splitlines(keepends=True)
    log.write_text(lines[0] + torn)
    assert read(FileTarget(tmp_path)).share == 10
    assert log.read_text() == "".join(lines)


def test_names_of_targets_are_no_paths(tmp_path: Path) -> None:
    target = FileTarget(tmp_path / "in")
    assert asyncio.run(target.write("../../out", TargetState(), FIRST))
    assert {path.parent for path in tmp_path.rglob("*") if path.is_file()} == {tmp_path / "in"}


DAMAGED = [b"", b"not json", b'{"revision": 1, "pla', b"\xff\0\x17", b"[]", b"7"]
DAMAGED.append(b'{"revision": 1, "placed": {"share": "much"}}')


@pytest.mark.parametrize("damaged", DAMAGED)
def test_a_damaged_file_is_set_aside_and_what_stands_is_read_from_the_log(
    tmp_path: Path, damaged: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    target = FileTarget(tmp_path)
    write(target, TargetState(), FIRST)
    write(target, FIRST, second := replace(FIRST, share=10, fencing_token=7))
    (path,) = tmp_path.glob("*.json")
    path.write_bytes(damaged)
    assert read(FileTarget(tmp_path)) == second
    assert path.with_name(f"{path.name}.damaged-0").read_bytes() == damaged
    assert f"{path} is damaged and begun anew" in caplog.text
    with pytest.raises(StaleToken):
        write(target, second, replace(FIRST, fencing_token=6))
    assert write(target, second, replace(second, share=25))
    assert len(target.effects(SHOP)) == 3


@pytest.mark.parametrize("ending", ["json", "lock", "effects.jsonl", "json.new"])
def test_a_folder_in_the_place_of_a_file_is_set_aside(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"shop%2Fproduction.{ending}"
    path.mkdir()
    (path / "inside").touch()
    target = FileTarget(tmp_path)
    assert write(target, TargetState(), FIRST)
    assert read(target) == FIRST
    assert (tmp_path / f"{path.name}.damaged-0" / "inside").exists()


def test_a_log_and_a_file_that_are_both_damaged_begin_anew(tmp_path: Path) -> None:
    target = FileTarget(tmp_path)
    write(target, TargetState(), FIRST)
    for path in (*tmp_path.glob("*.json"), *tmp_path.glob("*.jsonl")):
        path.write_bytes(b"\xff\n")
    assert read(target) == TargetState()
    assert write(target, TargetState(), FIRST)


def test_a_long_name_has_a_file_of_its_own(tmp_path: Path) -> None:
    target = FileTarget(tmp_path)
    names = ["予約の推薦モデル" * 8 + end for end in ("", "/a", "/b")] + ["モ" * 30, "a" * 4_000]
    for number, name in enumerate(names):
        assert asyncio.run(target.write(name, TargetState(), replace(FIRST, share=number)))
    assert [asyncio.run(target.read(name)).share for name in names] == list(range(len(names)))
    assert max(len(os.fsencode(path.name)) for path in tmp_path.iterdir()) <= 255


def test_a_directory_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unusable, match="cannot be kept"):
        read(FileTarget(tmp_path / "file" / "below"))


def test_a_candidate_is_healthy_unless_somebody_says_otherwise(tmp_path: Path) -> None:
    target = FileTarget(tmp_path)
    assert asyncio.run(target.healthy(SHOP))
    (tmp_path / "shop%2Fproduction.sick").touch()
    assert not asyncio.run(target.healthy(SHOP))
