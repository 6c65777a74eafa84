"""What a handler says of a command: what it returns, and what it raises."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from schemas.records import Command, FailureCause, Status

log = logging.getLogger("mendstream.client")

DETAIL_MAX = 500  # characters; a sentence, not an answer of somebody's server


@dataclass(frozen=True, slots=True)
class Done:
    """A command that was carried out.

    detail: a sentence for people. made_version: of a training or improvement the version that it
    made; None: it registers none.
    """

    detail: str = ""
    made_version: str | None = None


class CandidateFailed(Exception):
    """The version was put to work and did not do it, which ends the command. As text: why."""


class Superseded(Exception):
    """A later command has the target. As text: which."""


Answer = Done | str | None
Handler = Callable[[Command], Answer]
AsyncHandler = Callable[[Command], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class CommandEnd:
    """How a command ended, as it is reported."""

    status: Status
    detail: str = ""
    cause: FailureCause = FailureCause.UNKNOWN
    made_version: str | None = None


def ending_of(result: Callable[[], Answer], command: Command) -> CommandEnd:
    """How a command ended. result: gives what its handler returned, or raises what it raised."""
    try:
        answer = result()
    except Exception as error:
        ending = _failure_of(error)
        log.warning("%s failed: %s", command.command_id, ending.detail, exc_info=error)
        return ending
    done = answer if isinstance(answer, Done) else Done(answer or "")
    return CommandEnd(Status.COMPLETED, done.detail[:DETAIL_MAX], made_version=done.made_version)


def _failure_of(error: Exception) -> CommandEnd:
    """A handler's own failure, which is tried again, unless it says another."""
    kinds = {
        CandidateFailed: FailureCause.CANDIDATE,
        Superseded: FailureCause.SUPERSEDED,
    }
    cause = kinds.get(type(error), FailureCause.DEPLOYER)
    said = str(error) if type(error) in kinds else f"{type(error).__name__}: {error}"
    return CommandEnd(Status.FAILED, said[:DETAIL_MAX], cause)
