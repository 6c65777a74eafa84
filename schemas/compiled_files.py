"""Where machine code is kept from one process to the next, as Python keeps bytecode.

Nothing that is decided depends on these files: without them a process is ready a minute later.
"""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import NamedTemporaryFile

CACHE = "MENDSTREAM_CACHE"  # the variable of the environment that names the cache directory
_KEPT = 3  # folders of one function: those of the programs before, for a roll-back, and no more
_DIGEST_BYTES = hashlib.sha256().digest_size


class _Place:
    """The folder that was named last, why something could not be kept in it, and who hears of what
    is compiled.
    """

    folder: Path | None = None
    fault: str = ""
    told: Callable[[str], None] | None = None


def cache_directory() -> Path:
    """$MENDSTREAM_CACHE, or else $XDG_CACHE_HOME/mendstream, or else ~/.cache/mendstream; it need
    not exist.
    """
    if own := os.environ.get(CACHE):
        return Path(own)
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "mendstream"


def keep_in(folder: Path | None) -> None:
    """Keeps machine code in this folder from now on; None: `compiled` in the cache directory."""
    _Place.folder, _Place.fault = folder, ""


def cache_note() -> str:
    """Says that compiled code could not be kept, with a remedy; empty where it could be, and once
    it was said.
    """
    said, _Place.fault = _Place.fault, ""
    return said


def tell_of_compiling(told: Callable[[str], None] | None) -> None:
    """Has somebody hear of each function, by its name, of which no code is kept: it is compiled
    next, which takes up to a minute. None: nobody.
    """
    _Place.told = told


def is_lacking(function: str) -> None:
    """Tells that code of a function is about to be compiled."""
    if _Place.told is not None:
        _Place.told(function)


def read(function: str, digest: str, name: str) -> bytes | None:
    """The code that was kept under this name; None where there is none, or it is damaged or another
    user's.
    """
    path = _folder(function, digest) / name
    try:
        with path.open("rb") as file:
            # Reading it runs it.
            if os.fstat(file.fileno()).st_uid not in (0, os.geteuid()):
                return None
            check, code = file.read(_DIGEST_BYTES), file.read()
    except OSError:
        return None
    return code if hashlib.sha256(code).digest() == check else None


def write(function: str, digest: str, name: str, code: bytes) -> None:
    """Keeps code under a name; a reader sees all of it or nothing. Where that fails, `cache_note`
    says so.

    function, digest: whose code it is, and what it was made from. Of a function whose digest is
    seen for the first time, the code of but the newest others is removed.
    """
    folder = _folder(function, digest)
    try:
        if not folder.is_dir():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _remove_old(folder.parent, function)
        with NamedTemporaryFile(dir=folder, prefix=".", delete=False) as file:
            file.write(hashlib.sha256(code).digest() + code)
        Path(file.name).replace(folder / name)
    except OSError as error:
        _Place.fault = (
            f"compiled code cannot be kept in {folder.parent} ({error.strerror}): each start "
            "compiles it anew, which takes a minute; MENDSTREAM_COMPILED_DIRECTORY names a folder "
            "that can be written, or that holds it already"
        )


def _folder(function: str, digest: str) -> Path:
    return (_Place.folder or cache_directory() / "compiled") / f"{function}-{digest}"


def _remove_old(base: Path, function: str) -> None:
    """Leaves the newest folders of a function alone."""
    folders = [path for path in base.iterdir() if path.name.rpartition("-")[0] == function]
    for path in sorted(folders, key=_changed_at, reverse=True)[_KEPT:]:
        shutil.rmtree(path, ignore_errors=True)


def _changed_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0  # another process removed it
