"""Remembers on disk how commands ended, so that each takes effect once and is answered alike."""

import json
import os
from pathlib import Path
from typing import Any

from mendstream.client.exceptions import ClientError
from mendstream.client.handling import CommandEnd
from schemas.records import Command, FailureCause, Status

MOST = 10_000  # commands, and targets; some 2 MB, written anew with each command


class EndedCommands:
    """The last commands that ended, and the newest fencing token of each target. For one process.

    A command that it forgot is still refused by its token, and where that is forgotten too, once it
    has expired.
    """

    def __init__(self, path: str | Path, most: int = MOST) -> None:
        """Raises ClientError for a file that cannot be read, or that holds something else."""
        self._path, self._most = Path(path), most
        self._ended: dict[str, tuple[int, CommandEnd]] = {}
        self._tokens: dict[str, int] = {}
        try:
            if self._path.exists():
                self._recall(json.loads(self._path.read_bytes()))
            self._write(self._ended, self._tokens)  # a place that cannot be written is told at once
        except OSError as error:
            raise ClientError(
                f"The state file {self._path} cannot be used ({error.strerror}): name one in a "
                "folder that this program may write."
            ) from error
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise ClientError(
                f"{self._path} is no state file of a deployer ({error}): restore it, or remove it "
                "once you know that every command that was carried out has expired; without it a "
                "command that comes again is carried out again."
            ) from error

    def ending(self, command: Command) -> CommandEnd | None:
        """How a command ended that need not be carried out: this attempt, or an earlier one that
        was completed. None for what is still to be done.
        """
        attempt, ending = self._ended.get(command.command_id, (0, None))
        if ending is None or ending.status == Status.COMPLETED or attempt >= command.attempt:
            return ending
        return None

    def stale(self, command: Command) -> int | None:
        """The token of the target that a command's is not newer than; None where it is."""
        newest = self._tokens.get(command.target)
        return newest if newest is not None and command.fencing_token <= newest else None

    def note(self, command: Command, ending: CommandEnd) -> None:
        """Notes how a command ended, on the disk too. Raises ClientError where it cannot be
        written; then nothing is noted.
        """
        ended = {name: each for name, each in self._ended.items() if name != command.command_id}
        latest, _ = self._ended.get(command.command_id, (0, None))
        ended[command.command_id] = (max(command.attempt, latest), ending)
        newest = max(command.fencing_token, self._tokens.get(command.target, 0))
        tokens = {name: token for name, token in self._tokens.items() if name != command.target}
        tokens[command.target] = newest
        ended, tokens = _last(ended, self._most), _last(tokens, self._most)
        try:
            self._write(ended, tokens)
        except OSError as error:
            raise ClientError(
                f"How {command.command_id} ended cannot be noted in {self._path} "
                f"({error.strerror}): the command is not answered, and comes again."
            ) from error
        self._ended, self._tokens = ended, tokens

    def _recall(self, stored: Any) -> None:
        self._ended = {
            str(name): (
                int(attempt),
                CommandEnd(Status(status), str(detail), FailureCause(cause), made),
            )
            for name, (attempt, status, detail, cause, made) in stored["ended"].items()
        }
        self._tokens = {str(target): int(token) for target, token in stored["tokens"].items()}

    def _write(self, ended: dict[str, tuple[int, CommandEnd]], tokens: dict[str, int]) -> None:
        stored = {
            "ended": {
                name: (attempt, each.status, each.detail, each.cause, each.made_version)
                for name, (attempt, each) in ended.items()
            },
            "tokens": tokens,
        }
        _replace(self._path, json.dumps(stored))


def _last(entries: dict[str, Any], most: int) -> dict[str, Any]:
    return dict(list(entries.items())[-most:])


def _replace(path: Path, text: str) -> None:
    """Either the old text or the new one is there, whenever the machine loses power."""
    beside = path.with_name(f"{path.name}.new")
    with beside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    if hasattr(os, "O_DIRECTORY"):  # Windows opens no folder
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
