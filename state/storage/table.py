"""Defines what every table can do: give its changed rows as bytes, and take rows back."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Protocol

from schemas.codec.framing import Codec


class Table(Protocol):
    """A keyed table whose changelog is a compacted topic.

    Rows given by `changed` and taken by `restore` are equal byte for byte when nothing changed in
    between.
    """

    topic: str

    def __len__(self) -> int:
        """Rows in memory."""
        ...

    def changed(self, codec: Codec) -> list[tuple[str, bytes | None]]:
        """The rows changed since the last call as (key, framed value); None deletes."""
        ...

    def restore(self, rows: Sequence[tuple[str, bytes | None]], codec: Codec) -> None:
        """Takes rows in the order of the changelog; the last of a key wins. Marks nothing as
        changed.
        """
        ...

    def snapshot(self, codec: Codec) -> Iterable[tuple[str, bytes]]:
        """All rows as (key, framed value), for digests and comparisons."""
        ...


def row_key(*parts: str | None) -> str:
    """A key a person can read; injective, because `|` and `%` inside a part are escaped.

    >>> row_key("shop", "exp|1", None)
    'shop|exp%7C1|'
    """
    key = "|".join([part or "" for part in parts])
    if "%" not in key and key.count("|") == len(parts) - 1:
        return key  # nothing to escape, as in nearly all
    return "|".join([(part or "").replace("%", "%25").replace("|", "%7C") for part in parts])


def day_of(ms: int) -> str:
    """The day of a moment in UTC, as the part of a key: keys are in the order of their days.

    >>> row_key("acme/adviser", day_of(1_785_542_400_000))
    'acme/adviser|2026-08-01'
    """
    return datetime.fromtimestamp(ms / 1_000, UTC).date().isoformat()


def key_parts(key: str) -> list[str | None]:
    """The parts that `row_key` made a key of.

    >>> key_parts("shop|exp%7C1|")
    ['shop', 'exp|1', None]
    """
    return [part.replace("%7C", "|").replace("%25", "%") or None for part in key.split("|")]
