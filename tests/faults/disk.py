"""The broker's disk is full: Kafka stops, and starts again once there is room."""

import errno
import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from streams.kafka.admin.topics import create
from streams.kafka.embedded.broker import EmbeddedKafka
from streams.kafka.reading import admin
from streams.runtime.clock import wait_until
from streams.runtime.settings import Settings
from tests.support.faults.case import Case, Outcome, Setting
from tests.support.faults.judge import judged
from tests.support.faults.work import at_work
from tests.support.kafka.running import SECONDS

TIMES = 3
WITHIN = 10.0
DISK_BYTES = 256 << 20
BLOCK_BYTES = 1 << 20


class Disk(Protocol):
    """Holds the broker's data."""

    def fill(self, broker: EmbeddedKafka) -> None:
        """From here on the broker's writes fail."""

    def free(self) -> None: ...


class Small:
    """A file system of its own, filled to the last block: writes fail with ENOSPC."""

    def __init__(self, mounted: Path) -> None:
        self._ballast = mounted / "ballast"

    def fill(self, broker: EmbeddedKafka) -> None:
        with self._ballast.open("ab", buffering=0) as file:
            for size in (BLOCK_BYTES, 4096):
                while not _full(file.fileno(), size):
                    pass

    def free(self) -> None:
        self._ballast.unlink()


class Limited:
    """Any file system, where none may be mounted: the broker may not write past its first byte, and
    gets EFBIG.
    """

    def fill(self, broker: EmbeddedKafka) -> None:
        assert broker.pid is not None
        resource.prlimit(broker.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))

    def free(self) -> None:
        """The limit ended with the broker."""


@contextmanager
def disk(directory: Path) -> Iterator[Disk]:
    """What will hold the broker's data, mounted at `directory`."""
    directory.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(directory)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        print("no file system may be mounted: by RLIMIT_FSIZE ...", end=" ")
        yield Limited()
        return
    try:
        yield Small(directory)
    finally:
        subprocess.run(["umount", str(directory)], check=True)


def fills(broker: EmbeddedKafka, disk: Disk) -> None:
    """It ends when Kafka, which ended itself, was started again and answers."""
    disk.fill(broker)
    assert wait_until(lambda: broker.ended, SECONDS), (
        f"Kafka goes on with a full disk; its log is {broker.log}"
    )
    disk.free()
    broker.restart()


def fill(setting: Setting) -> Outcome:
    home = setting.directory / "kafka"
    with disk(home / "data") as small, EmbeddedKafka(directory=home) as broker:
        settings = Settings(bootstrap=broker.bootstrap)
        create(admin(settings), settings)
        with at_work(settings, setting.directory) as work:
            slowest = max(work.suffers(lambda: fills(broker, small)) for _ in range(TIMES))
            ends = work.finishes()
        return Outcome(TIMES, judged(settings, ends), slowest)


def _full(file: int, size: int) -> bool:
    """Writes some bytes; whether there was no room for them."""
    try:
        os.write(file, bytes(size))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return True
    return False


CASES = (Case("broker's disk full, then freed", fill, WITHIN, quick=False),)
