"""Compiled functions: what they are made from is known by a digest, and their code outlives a
process.
"""

import os
import shutil
import subprocess
import sys
from collections import namedtuple
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from enum import IntEnum
from math import log
from pathlib import Path
from types import FunctionType
from typing import Any, NamedTuple, cast

import numpy as np
import pytest

from schemas import compiled_files
from schemas.compiled import Compiled, compiled, digest_of, read_only

ROOT = Path(__file__).parents[3]
SHARE = 3
SHARES = [1, 2]


@compiled
def part(whole: int) -> int:
    return whole * SHARE


@compiled
def total(wholes: Any) -> int:
    added = 0
    for at in range(len(wholes)):
        added += part(wholes[at])
    return added


@compiled
def wrapped(number: Any) -> Any:
    return number * number


@compiled
def ratio(above: float, below: float) -> float:
    return above / below


@compiled
def listed(at: int) -> int:
    return SHARES[at]


def test_compiled_functions_call_each_other() -> None:
    assert total(np.arange(5)) == 30
    assert total(read_only(np.arange(5))) == 30


class Side(IntEnum):
    MORE = 1


@compiled
def sided() -> int:
    return Side.MORE


def test_the_digest_knows_the_values_of_enumerations() -> None:
    other = IntEnum("Side", {"MORE": 2}, module=__name__)  # type: ignore[misc]
    assert sided() == Side.MORE
    assert digest_of(copied(sided)) != digest_of(copied(sided, Side=other))


def test_integers_wrap_round_and_divisions_by_zero_are_those_of_ieee_754() -> None:
    assert int(wrapped(np.uint64(1 << 33))) == 1 << 66 & (1 << 64) - 1
    assert ratio(1.0, 0.0) == np.inf
    assert np.isnan(ratio(0.0, 0.0))


def test_what_is_no_constant_cannot_be_read() -> None:
    with pytest.raises(TypeError, match="listed reads SHARES, a list: no constant"):
        listed(0)


def test_what_cannot_be_written_to_has_one_type() -> None:
    array = np.arange(3)
    with pytest.raises(ValueError, match="read-only"):
        read_only(array)[0] = 1
    array[0] = 1
    assert read_only(array)[0] == 1


def copied(function: object, **others: object) -> FunctionType:
    """The function as it would be if these names of its module were others."""
    written = cast(Compiled, function).py_func
    return FunctionType(written.__code__, written.__globals__ | others, written.__name__)


def test_the_digest_knows_constants_and_what_is_called() -> None:
    known = digest_of(copied(total))
    assert known == digest_of(copied(total))
    assert digest_of(copied(part)) != digest_of(copied(part, SHARE=4))
    assert known != digest_of(copied(total, part=Compiled(copied(part, SHARE=4))))
    assert known != digest_of(copied(total, part=wrapped))


PROGRAM = """
import sys
import numpy as np
from outer import doubled
print(doubled(np.arange(4)), *map(sum, (d.values() for d in doubled.dispatcher.stats[1:])))
"""
OUTER = """
from inner import one
from schemas.compiled import compiled
@compiled
def doubled(numbers):
    added = 0
    for at in range(len(numbers)):
        added += one(numbers[at])
    return added
"""
INNER = """
from schemas.compiled import compiled
@compiled
def one(number):
    return number * {factor}
"""


def written(folder: Path, factor: int) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "outer.py").write_text(OUTER)
    (folder / "inner.py").write_text(INNER.format(factor=factor))
    return folder


def started(folder: Path, cache: Path, program: str = PROGRAM) -> str:
    """What a process of its own prints."""
    environment = os.environ | {
        "PYTHONPATH": f"{folder}:{ROOT}",
        "MENDSTREAM_CACHE": str(cache),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def kept(cache: Path) -> dict[str, float]:
    files = (path for path in cache.rglob("*") if path.is_file())
    return {str(path.relative_to(cache)): path.stat().st_mtime for path in files}


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, list[str]]:
    """A tree of two modules, the cache that two processes filled at once, and what they printed."""
    base = tmp_path_factory.mktemp("compiled")
    tree, cache = written(base / "tree", 2), base / "cache"
    with ThreadPoolExecutor(2) as pool:
        return tree, cache, list(pool.map(lambda _: started(tree, cache), range(2)))


def test_a_process_takes_what_others_compiled_at_once(
    twice: tuple[Path, Path, list[str]],
) -> None:
    tree, cache, outputs = twice
    assert {output.split()[0] for output in outputs} == {"12"}
    files = kept(cache)
    assert len(files) == 2
    assert started(tree, cache) == "12 1 0"  # the sum, then hits and misses
    assert kept(cache) == files  # so a folder that cannot be written does as well


def test_a_change_of_an_inlined_function_is_seen(
    twice: tuple[Path, Path, list[str]], tmp_path: Path
) -> None:
    _, cache, _ = twice
    own = shutil.copytree(cache, tmp_path / "cache")
    assert started(written(tmp_path / "tree", 3), own) == "18 0 1"


AT_ONCE = """
import faulthandler
from threading import Event, Thread
from numba.core.compiler_lock import global_compiler_lock
from inner import one
from outer import doubled

faulthandler.dump_traceback_later(60, exit=True)
compiling, waiting = Event(), Event()


def first():
    with global_compiler_lock:  # as whoever compiles
        compiling.set()
        waiting.wait()
        one.dispatcher  # of a function that is called


def second():
    compiling.wait()
    waiting.set()
    doubled.dispatcher


threads = [Thread(target=first), Thread(target=second)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("both", one.dispatcher is one.dispatcher)
"""


def test_threads_that_compile_at_once_do_not_wait_for_each_other(tmp_path: Path) -> None:
    tree = written(tmp_path / "tree", 2)
    assert started(tree, tmp_path / "cache", AT_ONCE) == "both True"


EXTERNAL = """
from agents.statistics.special import betaln
print(betaln(2.0, 3.0), *map(sum, (d.values() for d in betaln.dispatcher.stats[1:])))
"""


def test_code_that_was_kept_finds_external_functions_in_another_process(tmp_path: Path) -> None:
    assert started(tmp_path, tmp_path, EXTERNAL) == f"{log(1 / 12)} 0 1"
    assert started(tmp_path, tmp_path, EXTERNAL) == f"{log(1 / 12)} 1 0"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    compiled_files.keep_in(tmp_path)
    yield tmp_path
    compiled_files.keep_in(None)


def test_damaged_code_is_not_read(folder: Path) -> None:
    compiled_files.write("one", "0", "code", b"whole")
    assert compiled_files.read("one", "0", "code") == b"whole"
    whole = (folder / "one-0" / "code").read_bytes()
    (folder / "one-0" / "code").write_bytes(whole[:-1] + b"x")
    assert compiled_files.read("one", "0", "code") is None


def test_where_nothing_can_be_kept_it_is_said_once(folder: Path) -> None:
    (folder / "file").write_text("no folder")
    compiled_files.keep_in(folder / "file")
    compiled_files.write("one", "0", "code", b"x")
    assert compiled_files.read("one", "0", "code") is None
    assert "cannot be kept in" in compiled_files.cache_note()
    assert compiled_files.cache_note() == ""


def test_the_newest_folders_of_a_function_stay(folder: Path) -> None:
    for number in range(6):
        compiled_files.write("one", f"{number}", "code", b"x")
        os.utime(folder / f"one-{number}", (number, number))
    compiled_files.write("one-more", "0", "code", b"x")
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["one-3", "one-4", "one-5", "one-more-0"]
    assert compiled_files.read("one", "5", "code") == b"x"
    assert compiled_files.read("one", "0", "code") is None


LIGHT = """
import sys
import streams.executor.faust_app, streams.executor.process, streams.views.projector
import streams.verifier, agents.flow.pipeline, streams.engine.processor
from streams.cli.app import application
for words in (["--help"], ["topics", "--help"]):
    application()(words, standalone_mode=False)
print(sorted({"numba", "llvmlite"} & set(sys.modules)))
"""


def test_who_calls_nothing_compiled_does_not_import_numba(tmp_path: Path) -> None:
    assert started(tmp_path, tmp_path, LIGHT).splitlines()[-1] == "[]"


class Split(NamedTuple):
    """A named tuple that compiled functions take."""

    left: float
    right: float


@compiled
def left_of(split: Any) -> float:
    left: float = split.left
    return left


def test_kept_code_is_that_of_the_very_fields_of_a_named_tuple(folder: Path) -> None:
    other: Any = namedtuple("Split", ("right", "left"), module=__name__)  # type: ignore[name-match]
    assert left_of(Split(1.0, 2.0)) == 1.0
    assert Compiled(copied(left_of))(other(1.0, 2.0)) == 2.0


def test_what_is_compiled_is_told_and_what_was_kept_is_not(folder: Path) -> None:
    told: list[str] = []
    compiled_files.tell_of_compiling(told.append)
    try:
        for _ in range(2):
            assert Compiled(copied(left_of))(Split(1.0, 2.0)) == 1.0
    finally:
        compiled_files.tell_of_compiling(None)
    assert told == [f"{__name__}.left_of"]
