"""Targets in files: two writers, and what a death leaves behind."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest

from streams.executor.file import FileTarget
from streams.executor.target import Placed, StaleToken, Unusable
from tests.executor.fakes import SHOP

FIRST = Placed(baseline="v1", command_id="a", attempt=1, fencing_token=1, share=5)


def write(target: FileTarget, expected: Placed, wanted: Placed) -> bool:
    return asyncio.run(target.write(SHOP, expected, wanted))


def read(target: FileTarget) -> Placed:
    return asyncio.run(target.read(SHOP))


def test_what_was_written_stands_and_writing_it_again_has_no_effect(tmp_path: Path) -> None:
    target = FileTarget(tmp_path / "made" / "here")
    assert read(target) == Placed()
    assert write(target, Placed(), FIRST)
    assert write(target, FIRST, FIRST)
    assert write(target, Placed(), FIRST), "the answer to the first write may have been lost"
    assert read(FileTarget(tmp_path / "made" / "here")) == FIRST
    assert len(target.effects(SHOP)) == 1


def test_of_many_writers_at_once_one_wins(tmp_path: Path) -> None:
    writers = 8
    ready = Barrier(writers)

    def one(n: int) -> bool:
        target = FileTarget(tmp_path)  # as another process would have it: with a lock file of its own
        ready.wait(10)
        return write(target, Placed(), replace(FIRST, command_id=f"command {n}"))

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
            done += write(target, stands, replace(stands, step=stands.step + 1, command_id=f"{writer} {done}"))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, range(4)))
    assert read(FileTarget(tmp_path)).step == 100
    assert [each["step"] for each in FileTarget(tmp_path).effects(SHOP)] == list(range(1, 101))


def test_an_older_token_is_refused(tmp_path: Path) -> None:
    target = FileTarget(tmp_path)
    write(target, Placed(), replace(FIRST, fencing_token=7))
    with pytest.raises(StaleToken, match="token 7, later than token 6"):
        write(target, read(target), replace(FIRST, fencing_token=6))


@pytest.mark.parametrize("torn", ["", '{"revision": 2, "sh'])
def test_the_log_misses_no_effect_of_a_writer_that_died_before_it_wrote_the_line(tmp_path: Path, torn: str) -> None:
    target = FileTarget(tmp_path)
    write(target, Placed(), FIRST)
    write(target, FIRST, replace(FIRST, share=10))
    (log,) = tmp_path.glob("*.jsonl")
    lines = log.read_text().splitlines(keepends=True)
    log.write_text(lines[0] + torn)
    assert read(FileTarget(tmp_path)).share == 10
    assert log.read_text() == "".join(lines)


def test_names_of_targets_are_no_paths(tmp_path: Path) -> None:
    target = FileTarget(tmp_path / "in")
    assert asyncio.run(target.write("../../out", Placed(), FIRST))
    assert {path.parent for path in tmp_path.rglob("*") if path.is_file()} == {tmp_path / "in"}


def test_a_file_of_somebody_else_is_not_written_over(tmp_path: Path) -> None:
    target = FileTarget(tmp_path)
    write(target, Placed(), FIRST)
    (path,) = tmp_path.glob("*.json")
    for foreign in ("not json", json.dumps({"revision": 1, "placed": {"share": "much"}})):
        path.write_text(foreign)
        with pytest.raises(Unusable):
            write(target, FIRST, replace(FIRST, share=10))
        assert path.read_text() == foreign


def test_a_directory_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unusable, match="cannot be kept"):
        read(FileTarget(tmp_path / "file" / "below"))


def test_a_candidate_is_healthy_unless_somebody_says_otherwise(tmp_path: Path) -> None:
    target = FileTarget(tmp_path)
    assert asyncio.run(target.healthy(SHOP))
    (tmp_path / "shop%2Fproduction.sick").touch()
    assert not asyncio.run(target.healthy(SHOP))
