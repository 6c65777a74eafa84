"""Which versions came into service at a target, and which went for good, by what was done there."""

from collections.abc import Iterable
from dataclasses import dataclass

from schemas.records import Order


@dataclass(frozen=True, slots=True)
class Move:
    """A completed deployment or rollback. names: the version and variant that it is about."""

    order: Order
    to_version: str | None
    names: tuple[str, ...] = ()


def versions_served(moves: Iterable[Move]) -> tuple[list[str], set[str]]:
    """Versions that came into service and are not gone, the last one last, and those that are gone.

    By the moves at one target, in their order. A rollback brings its version in only where what
    served is what it takes out: else it takes a candidate's traffic, and the baseline stays.

    >>> versions_served([Move(Order.DEPLOY, "v1"), Move(Order.DEPLOY, "v2")])
    (['v1', 'v2'], set())
    >>> taken_back = Move(Order.ROLLBACK, "v1", ("v2",))
    >>> versions_served([Move(Order.DEPLOY, "v1"), Move(Order.DEPLOY, "v2"), taken_back])
    (['v1'], {'v2'})
    """
    came, gone = list[str](), set[str]()
    for move in moves:
        version = move.to_version
        if move.order == Order.DEPLOY:
            version = version or next(iter(move.names), None)
        else:
            out = set(move.names)
            replaced = bool(came) and came[-1] in out
            came, gone = [name for name in came if name not in out], gone | out
            version = version if replaced else None
        if version:
            came, gone = [*(name for name in came if name != version), version], gone - {version}
    return came, gone
