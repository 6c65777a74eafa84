"""Defines what a target is: a place where model versions serve, that keeps who changed it last and
refuses whoever comes late.

Whether a command has had its effect is known at the target and nowhere else, so an executor that
dies between acting and reporting does not act twice.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from schemas.records import FailureCause, Status
from streams.runtime.errors import RedactedError

# ends remembered at a target; its commands come one at a time, so this is far more than can be
# asked for
FINISHED_MAX = 16


class PlacementPhase(StrEnum):
    """The phase of a rollout at a target."""

    IDLE = "IDLE"  # no command has come yet
    BAKING = "BAKING"  # the candidate has its share and is watched
    PROMOTED = "PROMOTED"  # the candidate became the baseline
    UNDONE = "UNDONE"  # the candidate was unhealthy and has no traffic
    ROLLED_BACK = "ROLLED_BACK"  # by a command


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of a command at a target."""

    command_id: str
    attempt: int
    status: Status
    detail: str
    cause: FailureCause = FailureCause.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetState:
    """The versions, the share and the last command of a target."""

    baseline: str = ""  # the version that serves what the candidate does not; empty: unknown
    candidate: str = ""  # empty: none; with a share of 0: out of service, or not yet in it
    share: int = 0  # percent of the traffic that the candidate has
    command_id: str = ""  # of the last command that changed something
    attempt: int = 0
    fencing_token: int = 0
    phase: PlacementPhase = PlacementPhase.IDLE
    strategy: str = (
        ""  # of the rollout; a restart goes on with it whatever the configuration says by then
    )
    step: int = 0  # of the rollout, from 0
    since: int = 0  # ms; when the step began
    finished: tuple[Finished, ...] = ()  # the latest last


class StaleToken(Exception):
    """A later command has been here: the sentence says which."""


class Unusable(RedactedError):
    """The target refuses, or does not answer; the sentence says what it was asked and what it
    said.
    """


class Unreachable(Unusable):
    """The target does not answer, so that a write may have been done or not."""


class Target(Protocol):
    """One kind of target; `name` is the target that a command names. Each raises Unusable."""

    async def read(self, name: str) -> TargetState:
        """Returns the state that stands; an empty TargetState where nothing was ever placed."""
        ...

    async def write(self, name: str, expected: TargetState, wanted: TargetState) -> bool:
        """Makes it so if what stands is as expected; what stands already is written again without
        any effect.

        False: something else stands. Raises StaleToken where a later command's token stands.
        """
        ...

    def share(self, placed: TargetState) -> float:
        """Returns the candidate's share of the traffic in this state, in [0, 1].

        It is as near to the share wanted as the target can come.
        """
        ...

    async def healthy(self, name: str) -> bool:
        """Returns True if the candidate does its work with the share that it has."""
        ...


def fence(name: str, standing: TargetState, wanted: TargetState) -> None:
    """Raises StaleToken where `wanted` comes from a command before the one that changed the target
    last.
    """
    if wanted.fencing_token < standing.fencing_token:
        raise StaleToken(
            f"{name} was changed by command {standing.command_id} with fencing token "
            f"{standing.fencing_token}, "
            f"later than token {wanted.fencing_token}"
        )


def with_end(placed: TargetState, end: Finished) -> tuple[Finished, ...]:
    """The ends to remember, with one more."""
    others = (
        each
        for each in placed.finished
        if (each.command_id, each.attempt) != (end.command_id, end.attempt)
    )
    return (*others, end)[-FINISHED_MAX:]
