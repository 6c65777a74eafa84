"""A target in a directory: what stands as one JSON file for each target, and beside it a log of every effect.

A rename is the effect. The log is written after it; where a process died in between, whoever opens the target next writes
the line that is missing, so that the log has each effect once.
"""

import asyncio
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from streams.executor.target import Placed, Unusable, fence
from streams.executor.written import from_dict, to_dict


@dataclass(frozen=True, slots=True)
class _Standing:
    """What stands, and how many effects led to it."""

    revision: int
    placed: Placed


class FileTarget:
    """For models that read their version from a file, and for trying out. Healthy unless a file `<name>.sick` is there."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def read(self, name: str) -> Placed:
        return await asyncio.to_thread(self._read, name)

    async def write(self, name: str, expected: Placed, wanted: Placed) -> bool:
        return await asyncio.to_thread(self._write, name, expected, wanted)

    def share(self, placed: Placed) -> float:
        return placed.share / 100

    async def healthy(self, name: str) -> bool:
        return not self._path(name, "sick").exists()

    def effects(self, name: str) -> list[dict[str, Any]]:
        """Every effect so far, the first one first."""
        path = self._path(name, "effects.jsonl")
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []

    def _read(self, name: str) -> Placed:
        with self._locked(name):
            return self._standing(name).placed

    def _write(self, name: str, expected: Placed, wanted: Placed) -> bool:
        with self._locked(name):
            standing = self._standing(name)
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
        """One process or thread at a time; the kernel lets go of what a dead one held. Mends the log."""
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            with self._path(name, "lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self._mend(name)
                yield
        except OSError as error:
            raise Unusable(f"{name} cannot be kept in {self._directory}: {error.strerror}") from error

    def _standing(self, name: str) -> _Standing:
        path = self._path(name, "json")
        if not path.exists():
            return _Standing(0, Placed())
        try:
            read = json.loads(path.read_text(encoding="utf-8"))
            revision, placed = int(read["revision"]), read["placed"]
        except (ValueError, LookupError, TypeError) as error:
            raise Unusable(f"{path.name} is not what this program wrote: {error}") from error
        return _Standing(revision, from_dict(path.name, placed))

    def _replace(self, name: str, standing: _Standing) -> None:
        path, fresh = self._path(name, "json"), self._path(name, "json.new")
        with fresh.open("w", encoding="utf-8") as file:
            json.dump({"revision": standing.revision, "placed": to_dict(standing.placed)}, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(path)
        directory = os.open(self._directory, os.O_RDONLY)  # the rename lasts only once the directory is on the disk
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def _log(self, name: str, standing: _Standing) -> None:
        with self._path(name, "effects.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"revision": standing.revision, **_effect(standing.placed)}) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def _mend(self, name: str) -> None:
        """Cuts off a line that was begun, writes the one that is missing."""
        path = self._path(name, "effects.jsonl")
        written = path.read_bytes() if path.exists() else b""
        whole = written[: written.rfind(b"\n") + 1]
        if whole != written:
            os.truncate(path, len(whole))
        standing = self._standing(name)
        if whole.count(b"\n") < standing.revision:
            self._log(name, standing)

    def _path(self, name: str, ending: str) -> Path:
        return self._directory / f"{quote(name, safe='')}.{ending}"


def _effect(placed: Placed) -> dict[str, Any]:
    """What was done to the target, without what was said of commands."""
    return {name: value for name, value in to_dict(placed).items() if name != "finished"}
