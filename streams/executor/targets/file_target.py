"""A target in a directory: what stands as one JSON file for each target, and beside it a log of
every effect.

A rename is the effect. The log is written after it; where a process died in between, whoever opens
the target next writes the line that is missing, so that the log has each effect once. A file that
is damaged is set aside, and what stands is read from the last line of the log: only which commands
ended before is lost.
"""

import asyncio
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from streams.executor.placement import TargetState, Unusable, fence
from streams.executor.targets.placement_json import from_dict, to_dict
from streams.runtime.damaged_files import regular, set_aside

_DAMAGED = (ValueError, LookupError, TypeError, AttributeError, RecursionError, Unusable)
_NAME_BYTES = 200  # of a file's name, which may have 255 with its ending


@dataclass(frozen=True, slots=True)
class _Standing:
    """Holds what stands, and how many effects led to it."""

    revision: int
    placed: TargetState


class FileTarget:
    """For models that read their version from a file, and for trying out. Healthy unless a file
    `<name>.sick` is there.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def read(self, name: str) -> TargetState:
        return await asyncio.to_thread(self._read, name)

    async def write(self, name: str, expected: TargetState, wanted: TargetState) -> bool:
        return await asyncio.to_thread(self._write, name, expected, wanted)

    def share(self, placed: TargetState) -> float:
        return placed.share / 100

    async def healthy(self, name: str) -> bool:
        return not self._path(name, "sick").exists()

    def effects(self, name: str) -> list[dict[str, Any]]:
        """Every effect so far, the first one first."""
        path = self._path(name, "effects.jsonl")
        return (
            [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            if path.exists()
            else []
        )

    def _read(self, name: str) -> TargetState:
        with self._locked(name):
            return self._stored_state(name).placed

    def _write(self, name: str, expected: TargetState, wanted: TargetState) -> bool:
        with self._locked(name):
            standing = self._stored_state(name)
            if standing.placed == wanted:
                return True
            fence(name, standing.placed, wanted)
            if standing.placed != expected:
                return False
            effects = standing.revision + (_effect(wanted) != _effect(standing.placed))
            after = _Standing(effects, wanted)
            self._replace(name, after)
            self._mend(name)
            return True

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        """One process or thread at a time; the kernel lets go of what a dead one held. Mends the
        log.
        """
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            regular(self._path(name, "lock"))
            with self._path(name, "lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self._mend(name)
                yield
        except OSError as error:
            raise Unusable(
                f"{name} cannot be kept in {self._directory}: {error.strerror}"
            ) from error

    def _stored_state(self, name: str) -> _Standing:
        path = self._path(name, "json")
        if not regular(path):
            return self._logged(name)
        try:
            read = json.loads(path.read_bytes())
            return _Standing(int(read["revision"]), from_dict(path.name, read["placed"]))
        except _DAMAGED as error:
            set_aside(path, f"it is not what this program wrote: {error}")
        self._replace(name, standing := self._logged(name))
        return standing

    def _logged(self, name: str) -> _Standing:
        """Returns what stands by the log of effects; nothing where there is none, or where its last
        line says nothing.
        """
        path = self._path(name, "effects.jsonl")
        lines = path.read_bytes().splitlines() if regular(path) else []
        if not lines:
            return _Standing(0, TargetState())
        try:
            last = json.loads(lines[-1])
            return _Standing(int(last.pop("revision")), from_dict(path.name, last))
        except _DAMAGED as error:
            set_aside(path, f"its last line is no effect: {error}")
            return _Standing(0, TargetState())

    def _replace(self, name: str, standing: _Standing) -> None:
        path, fresh = self._path(name, "json"), self._path(name, "json.new")
        regular(fresh)
        with fresh.open("w", encoding="utf-8") as file:
            json.dump(
                {"revision": standing.revision, "placed": to_dict(standing.placed)}, file, indent=1
            )
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(path)
        directory = os.open(
            self._directory, os.O_RDONLY
        )  # the rename lasts only once the directory is on the disk
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def _log(self, name: str, standing: _Standing) -> None:
        with self._path(name, "effects.jsonl").open("a", encoding="utf-8") as file:
            file.write(
                json.dumps({"revision": standing.revision, **_effect(standing.placed)}) + "\n"
            )
            file.flush()
            os.fsync(file.fileno())

    def _mend(self, name: str) -> None:
        """Cuts off a line that was begun, writes the one that is missing."""
        path = self._path(name, "effects.jsonl")
        written = path.read_bytes() if regular(path) else b""
        whole = written[: written.rfind(b"\n") + 1]
        if whole != written:
            os.truncate(path, len(whole))
        standing = self._stored_state(name)
        if whole.count(b"\n") < standing.revision:
            self._log(name, standing)

    def _path(self, name: str, ending: str) -> Path:
        return self._directory / f"{_file_name(name)}.{ending}"


def _file_name(name: str) -> str:
    """The name of a target as that of a file; a long one is cut and told apart by its hash.

    >>> _file_name("shop/production")
    'shop%2Fproduction'
    """
    quoted = quote(name, safe="")
    if len(quoted) <= _NAME_BYTES:
        return quoted
    told_apart = hashlib.sha256(name.encode()).hexdigest()[:32]
    return f"{quoted[: _NAME_BYTES - 33]}={told_apart}"  # `=` stands in no quoted name


def _effect(placed: TargetState) -> dict[str, Any]:
    """Returns what was done to the target, without what was said of commands."""
    return {name: value for name, value in to_dict(placed).items() if name != "finished"}
