"""A real Redis on a socket of its own."""

import shutil
import signal
import subprocess
from pathlib import Path

import pytest
import redis

from streams.runtime.clock import wait_until

BINARY = shutil.which("redis-server")


class RedisServer:
    """Started and stopped by a test; nothing is written to disk, so that a restart has forgotten
    everything.
    """

    def __init__(self, directory: Path) -> None:
        if BINARY is None:
            pytest.skip(
                "no redis-server on this machine: install Redis (on Debian: apt-get install "
                "redis-server)"
            )
        self._socket, self._log = directory / "redis.sock", directory / "redis.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{self._socket}"
        self.start()

    def start(self) -> None:
        assert BINARY is not None
        assert self._process is None
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    BINARY,
                    "--port",
                    "0",
                    "--unixsocket",
                    str(self._socket),
                    "--save",
                    "",
                    "--appendonly",
                    "no",
                ],
                stdout=log,
                stderr=log,
            )
        assert wait_until(self._answers, 10.0), self._log.read_text()

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None
        self._socket.unlink(missing_ok=True)

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        if self._process is not None:
            self.thaw()
            self.kill()

    def _answers(self) -> bool:
        client = redis.Redis.from_url(self.url)
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()
