"""The file of a replica's views: found and gone on with, or made anew beside what is of another
installation or another layout.

A file is named by a digest of what it holds: Kafka's cluster, the ids of the topics, their
partitions, the layout of its tables. So a file of that name is of these topics, and what has
another name is of no use once this one has caught up. Nothing is synchronised to disk: a killed
process loses nothing by that, and after a power cut, which the machine's boot id tells, the file is
built anew.
"""

import fcntl
import hashlib
import logging
import os
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from gateway.views import tables
from streams.runtime.clock import now_ms
from streams.runtime.damaged_files import own_folder
from streams.runtime.errors import MendstreamError, cannot_write

log = logging.getLogger("mendstream.gateway")

# A tombstone may be gone from its topic a day after it was written (delete.retention.ms), and
# whoever reads on from before it would keep a row for ever.
AGE_MS_MAX = 12 * 3_600_000
_BOOT = Path("/proc/sys/kernel/random/boot_id")  # absent elsewhere than on Linux
_BUSY_MS = 10_000  # until which a reader's snapshot may hold up what changes the file's size


class ViewFile:
    """Holds a folder against other replicas, and names the file in it.

    A context manager. Raises MendstreamError where another process has the folder.
    """

    def __init__(self, folder: Path, identity: Sequence[object]) -> None:
        """identity: of what the file is to hold, each with a text of its own."""
        digest = hashlib.sha256(repr(tuple(identity)).encode()).hexdigest()[:16]
        self.folder, self.path = folder, folder / f"views-{digest}.sqlite"
        self._lock = -1

    def __enter__(self) -> Self:
        remedy = "Set MENDSTREAM_VIEWS_DIRECTORY to a folder of this replica's own."
        try:
            if foreign := own_folder(self.folder):
                raise MendstreamError(f"{self.folder} cannot hold views: {foreign}.", remedy)
            self._lock = os.open(
                self.folder / "lock", os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600
            )
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            raise MendstreamError(
                f"Another gateway keeps its views in {self.folder}.", remedy
            ) from (error)
        except OSError as error:
            raise cannot_write(self.folder, error, remedy) from error
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._lock)

    def writer(self) -> sqlite3.Connection:
        """A connection that writes, to a file that may be gone on with or that is empty."""
        if self.path.exists():
            try:
                found = _opened(self.path)
                if why := _stale(found):
                    found.close()
                else:
                    return found
            except sqlite3.DatabaseError as error:
                why = f"it is damaged: {error}"
            log.warning("the views in %s are built anew: %s", self.path.name, why)
            _remove(self.path)
        made = _opened(self.path)
        for statement in tables.statements():
            made.executescript(statement)
        note_age(made)
        return made

    def remove_others(self) -> None:
        """Removes the files that this one replaces."""
        for path in self.folder.glob("views-*.sqlite"):
            if path != self.path:
                log.info("removing %s, which this file replaces", path.name)
                _remove(path)


def reader(path: Path) -> sqlite3.Connection:
    """A connection that only reads; each thread needs its own."""
    found = sqlite3.connect(
        f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
    )
    found.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
    found.execute("PRAGMA query_only = ON")
    return found


def note_age(connection: sqlite3.Connection) -> None:
    """Notes with what is written when that was, and since which start of the machine."""
    connection.executemany(
        "INSERT OR REPLACE INTO meta VALUES (?, ?)",
        [("written_at", str(now_ms())), ("boot", _boot())],
    )


def _opened(path: Path) -> sqlite3.Connection:
    made = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    made.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
    made.execute("PRAGMA auto_vacuum = INCREMENTAL")  # of a file that is empty still
    made.execute("PRAGMA journal_mode = WAL")
    made.execute("PRAGMA synchronous = OFF")
    path.chmod(0o600)
    return made


def _stale(connection: sqlite3.Connection) -> str:
    """Returns why a file cannot be gone on with; empty where it can."""
    noted = dict(connection.execute("SELECT name, value FROM meta"))
    if "written_at" not in noted:
        return "its making was never finished"
    if noted.get("boot") != _boot():
        return "the machine was started since, which may have cost the file its last pages"
    age = now_ms() - int(noted["written_at"])
    if not 0 <= age <= AGE_MS_MAX:
        return f"it was written {age // 3_600_000} hours ago, and deletions since may be gone"
    return ""


def _boot() -> str:
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"


def _remove(path: Path) -> None:
    for each in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        with suppress(FileNotFoundError):
            each.unlink()
