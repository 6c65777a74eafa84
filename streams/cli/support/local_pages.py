"""The pages of a Kafka of one's own: a gateway as a child that nobody waits for."""

import http.client
import socket
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import SecretStr

from streams.runtime.clock import wait_until
from streams.runtime.errors import MendstreamError
from streams.runtime.settings import Settings
from streams.runtime.supervisor import Worker

HOST = "127.0.0.1"
START_SECONDS = 3_600.0  # of looking; it takes two seconds, and longer where it gives way
_LOOK_SECONDS = 0.25  # between two looks whether it answers
_ANSWER_SECONDS = 1.0
_COMMAND = ("gateway", "--no-auth", "--until-stdin-closes", "--yielding")


class LocalPages:
    """A context manager; `news` is to be asked often, and costs nothing.

    Nobody is asked who he is, so it listens on the loopback alone, whatever the settings say of a
    gateway. Where it cannot run, that is told, and everything else goes on without it.
    """

    def __init__(self, settings: Settings, folder: Path, command: Sequence[str] = _COMMAND) -> None:
        self._port = _free(settings.gateway_port)
        own: dict[str, Any] = {
            "gateway_host": HOST,
            "gateway_port": self._port,
            "http_port": 0,
            "views_directory": str(folder / "views"),
            "public_origin": "",
            "cors_origins": "",
            "jwt_secret": SecretStr(""),
            "jwt_jwks_url": "",
        }
        self._child = Worker(
            settings.model_copy(update=own), folder / "gateway.log", command=command
        )
        self._answered, self._stopping = threading.Event(), threading.Event()
        self._told, self._ended = False, False
        self._looking = threading.Thread(target=self._look, name="pages")

    def __enter__(self) -> Self:
        self._child.__enter__()
        self._looking.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._looking.join()
        self._child.stop()

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self._port}"

    @property
    def promise(self) -> str:
        """What is to be said at the start."""
        return (
            f"Watch it live in a browser, in a moment: {self.address} (on this machine alone; "
            "nobody is asked for a token)."
        )

    def news(self) -> str | None:
        """What there is to say, each once: that the pages answer, or why there are none."""
        if self._ended:
            return None
        try:
            self._child.watch()
        except MendstreamError as error:
            self._ended = True
            return f"There are no pages: {error.fault} Everything else goes on."
        if self._told or not self._answered.is_set():
            return None
        self._told = True
        return f"The pages answer at {self.address} now."

    def _look(self) -> None:
        """Waits until the gateway has built its views."""
        wait_until(lambda: self._stopping.wait(_LOOK_SECONDS) or self._answers(), START_SECONDS)

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(HOST, self._port, timeout=_ANSWER_SECONDS)
        try:
            connection.request("GET", "/health")
            answered = connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        if answered:
            self._answered.set()
        return answered


def _free(wanted: int) -> int:
    """The port, or any free one where another program has it."""
    for port in (wanted, 0):
        with socket.socket() as claim:
            claim.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                claim.bind((HOST, port))
            except OSError:
                continue
            found: int = claim.getsockname()[1]
            return found
    raise MendstreamError(f"No port of {HOST} is free.", "End a program that listens there.")
