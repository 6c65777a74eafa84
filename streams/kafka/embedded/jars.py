"""Finds the jars of Apache Kafka: in the cache, or else from Maven Central, and always against a
lock.

A directory of jars is used only if it holds exactly the files of the lock, byte for byte. Its name
ends in a digest of the lock, so another version of Mendstream with another lock keeps another
directory.
"""

import hashlib
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree.ElementTree import ParseError

from schemas.compiled_files import cache_directory
from streams.runtime.errors import MendstreamError

VERSION = "4.3.1"
LOCK = Path(__file__).with_name("kafka-jars.lock")
DOWNLOADS_AT_ONCE = (
    4  # polite to a public service, and the POMs, read one by one, take most of the time
)


@dataclass(frozen=True, slots=True)
class Jars:
    """Jars by their Maven coordinates, and by the digest of every file.

    title: what a person is told is being fetched. alone: these jars without what they depend on.
    instead: what else helps where they cannot be fetched.
    """

    name: str
    title: str
    coordinates: tuple[str, ...]
    lock: Path
    alone: bool = False
    instead: str = ""


KAFKA = Jars(
    f"kafka-{VERSION}",
    f"Apache Kafka {VERSION} (44 MB), about 20 s",
    (f"org.apache.kafka:kafka_2.13:{VERSION}", "org.slf4j:slf4j-simple:1.7.36"),
    LOCK,
    instead=", or set MENDSTREAM_BOOTSTRAP to a Kafka that runs",
)


def kafka_jars() -> Path:
    """The directory that holds Kafka's verified jars; raises what `fetched` does."""
    return fetched(KAFKA)


def fetched(jars: Jars) -> Path:
    """The directory that holds the verified jars; fetches them if the cache has none.

    Raises MendstreamError if they cannot be fetched or are not exactly those of the lock.
    """
    home = (
        cache_directory() / f"{jars.name}-{hashlib.sha256(jars.lock.read_bytes()).hexdigest()[:12]}"
    )
    if not home.exists():
        _fetch(jars, home)
    if wrong := differences(home, jars.lock):
        raise MendstreamError(
            f"The jars in {home} are not those of {jars.lock.name}: {wrong}.",
            "Delete that directory; the jars are then fetched again.",
        )
    return home


def differences(directory: Path, locked: Path = LOCK) -> str:
    """Says how `directory` differs from the lock; empty if it does not.

    >>> differences(Path("/nonexistent")).startswith("46 missing (HdrHistogram")
    True
    """
    lock = {name: digest for digest, name in map(str.split, locked.read_text().splitlines())}
    present = {path.name: path for path in directory.iterdir()} if directory.is_dir() else {}
    changed = [
        name for name in lock.keys() & present.keys() if _sha256(present[name]) != lock[name]
    ]
    found = {
        "changed": changed,
        "missing": lock.keys() - present.keys(),
        "additional": present.keys() - lock.keys(),
    }
    return ", ".join(
        f"{len(names)} {kind} ({min(names)})" for kind, names in found.items() if names
    )


def _sha256(path: Path) -> str:
    if not path.is_file():
        return "not a file"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch(jars: Jars, home: Path) -> None:
    """Makes `home` appear at once and whole: it is filled and verified under another name, then
    renamed.

    Processes that fetch at the same time each fill their own directory; the first to rename wins,
    the others use its.
    """
    print(f"Fetching {jars.title} from Maven Central, once...", file=sys.stderr)
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        stage = TemporaryDirectory(prefix=".fetching-", dir=home.parent)
    except OSError as error:
        raise MendstreamError(
            f"The cache {home.parent} cannot be written ({error.strerror}).",
            "Set MENDSTREAM_CACHE to a directory that can.",
        ) from error
    with stage:
        filled = Path(stage.name, "jars")
        filled.mkdir()
        for jar in _download(jars, Path(stage.name, "maven")):
            jar.rename(filled / jar.name)
        if wrong := differences(filled, jars.lock):
            raise MendstreamError(
                f"Maven Central sent other jars than {jars.lock.name} names: {wrong}.",
                "Try again from another network; if it stays so, do not use them and report it.",
            )
        try:
            filled.rename(home)
        except OSError:
            if not home.exists():
                raise


def _download(jars: Jars, repository: Path) -> Iterable[Path]:
    """Resolves the coordinates and downloads their jars below `repository`.

    `jgo.build` would do the same and then look for a JDK 11, fetching one from elsewhere where
    there is none, only to sort the jars into modules; its resolver alone does not.
    """
    from jgo.maven import MavenContext  # only a first run needs it, and it imports an HTTP client

    context = MavenContext(repo_cache=repository)
    try:
        wanted = [context.create_dependency(each) for each in jars.coordinates]
        if not jars.alone:
            named, needed = context.resolver.resolve(wanted)
            wanted = [*named, *needed]
        with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
            return list(pool.map(lambda dependency: dependency.artifact.resolve(), wanted))
    except (
        OSError,
        RuntimeError,
        ParseError,
    ) as error:  # no connection; refused or not found; a login page for an answer
        raise MendstreamError(
            f"{jars.name} cannot be fetched from Maven Central ({type(error).__name__}).",
            f"Connect once, so that it is cached{jars.instead}.",
        ) from error
