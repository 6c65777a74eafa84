"""Finds the one id that begins as a person typed it."""

from collections.abc import Collection

from streams.runtime.errors import MendstreamError

_SHOWN = 5  # ids that an error lists


def check_length(prefix: str, least: int, remedy: str) -> None:
    """Raises MendstreamError for fewer characters of an id than `least`, which many may share.

    remedy: where a person finds whole ids.
    """
    if len(prefix) < least:
        raise MendstreamError(
            f"{prefix!r} is too short for an id.", f"Give {least} characters or more; {remedy}"
        )


def only_id(prefix: str, ids: Collection[str], noun: str, topic: str, remedy: str) -> str:
    """Returns the one of the ids that begins with the prefix.

    Raises MendstreamError where none does, or several do. noun: what has these ids, in the
    singular; topic: where it stands; remedy: where a person finds whole ids.

    >>> only_id("7f3", ["7f3c21", "09aa41"], "command", "tables.commands.v1", "Look there.")
    '7f3c21'
    >>> only_id("7f4", ["7f3c21", "09aa41"], "command", "tables.commands.v1", "Look there.")
    ... # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    streams.runtime.errors.MendstreamError: No command in ... begins with '7f4'. Look there.
    """
    found = [each for each in ids if each.startswith(prefix)]
    if not found:
        raise MendstreamError(
            f"No {noun} in {topic} has an id that begins with {prefix!r}.", remedy
        )
    if len(found) > 1:
        listed = ", ".join(found[:_SHOWN]) + (" and others" if len(found) > _SHOWN else "")
        raise MendstreamError(
            f"{len(found)} {noun}s have ids that begin with {prefix!r}: {listed}.",
            "Give more of it.",
        )
    return found[0]
