"""A process that has imported the command line and forks for each command, so that a command has a
process of its own without importing everything again, which takes longer than most commands.

usage: command_server DESCRIPTOR, of a socket that listens; it ends with its standard input

A request is one line of JSON; the answer is two lines, the process id and the exit code (below zero
where a signal ended it).
"""

import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import tempfile
from dataclasses import asdict, dataclass

from streams.cli.app import COMMANDS

for _module in COMMANDS:  # for the processes that are forked
    importlib.import_module(_module)

_STDIN, _STDOUT, _STDERR = range(3)


@dataclass(frozen=True)
class Request:
    """A command: its arguments, its environment, and the files that take what it says."""

    arguments: list[str]
    environment: dict[str, str]
    stdout: str
    stderr: str

    def line(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"


def serve(listener: socket.socket) -> None:
    """Forks for each request; returns in the process that is to be the command, and nowhere
    else.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # who supervises a command is not waited for
    gc.collect()
    gc.freeze()  # else each command copies all that was imported as it ends, only to free it
    while True:
        ready, _, _ = select.select([listener.fileno(), _STDIN], [], [])
        if _STDIN in ready:
            os._exit(0)
        connection, _ = listener.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            listener.close()
            _supervise(connection)
            return
        connection.close()


def _supervise(connection: socket.socket) -> None:
    """Forks the command and says how it ends; returns in the command alone."""
    with connection, connection.makefile("rb") as asked:
        request = Request(**json.loads(asked.readline()))
        command = os.fork()
        if command == 0:
            become(request)
            return
        connection.sendall(b"%d\n" % command)
        _, status = os.waitpid(command, 0)
        connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def become(request: Request) -> None:
    """Gives this process the arguments, the environment and the files of a command."""
    for descriptor, name, mode in (
        (_STDIN, os.devnull, os.O_RDONLY),
        (_STDOUT, request.stdout, os.O_WRONLY),
        (_STDERR, request.stderr, os.O_WRONLY),
    ):
        opened = os.open(name, mode)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.environ.clear()
    os.environ.update(request.environment)
    tempfile.tempdir = None  # the folder is found anew, in this environment
    sys.argv[1:] = request.arguments


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module("streams", run_name="__main__", alter_sys=True)
