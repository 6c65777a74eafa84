"""Our own files, damaged: set aside under another name, said, and begun anew, so that none keeps a
program from starting.
"""

import contextlib
import logging
import os
import stat
from pathlib import Path

log = logging.getLogger("mendstream.files")

MOST = (
    10  # of one file that are kept for people to look at; past that the oldest name is taken again
)


def regular(path: Path) -> bool:
    """Returns True if a file of ours is there to be read.

    Whatever else stands in its place, such as a directory, is set aside.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISREG(mode):
        return True
    set_aside(path, "something else than a file stands in its place")
    return False


def set_aside(path: Path, why: str) -> Path:
    """Renames what is damaged, and says so. Raises OSError where it cannot be renamed."""
    for number in range(MOST):
        other = path.with_name(f"{path.name}.damaged-{number}")
        if not os.path.lexists(other):
            break
    else:
        other = path.with_name(f"{path.name}.damaged-0")
        with contextlib.suppress(OSError):
            other.unlink()
    path.rename(other)
    log.error("%s is damaged and begun anew, what it held is in %s: %s", path, other.name, why)
    return other


def own_folder(path: Path) -> str:
    """Makes a folder for the files of this user alone, where none is; empty, or why it is none.

    In a place where everybody may write, such as /tmp, the name may have been taken before, by
    whoever wants our files or wants us to read his.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode):
        return "it is no folder"
    if status.st_uid != os.geteuid():
        return f"it belongs to user {status.st_uid}, not to {os.geteuid()} who runs this"
    if status.st_mode & 0o022:
        return f"others may write to it (mode {status.st_mode & 0o777:04o})"
    return ""
