"""Low-volume tables: frozen dataclasses in a dict."""

from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

from schemas.wire import Codec, Record

R = TypeVar("R", bound=Record)


class Keyed(Generic[R]):
    """Rows by key; bounded by what the topics name (subjects, experiments, metrics, commands)."""

    def __init__(self, topic: str, record: str, key: Callable[[R], str]) -> None:
        self.topic = topic
        self._record = record
        self._key = key
        self._rows: dict[str, R] = {}
        self._dirty: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, key: str) -> R | None:
        return self._rows.get(key)

    def put(self, row: R) -> None:
        key = self._key(row)
        self._rows[key] = row
        self._dirty[key] = None

    def rows(self) -> Iterable[R]:
        """All rows in the order first put."""
        return self._rows.values()

    def changed(self, codec: Codec) -> list[tuple[str, bytes | None]]:
        dirty, self._dirty = self._dirty, {}
        return [(key, codec.encode(self._rows[key])) for key in dirty]

    def restore(self, rows: Sequence[tuple[str, bytes | None]], codec: Codec) -> None:
        for key, value in rows:
            if value is None:
                self._rows.pop(key, None)
            else:
                self._rows[key] = codec.decode(self._record, value)  # type: ignore[assignment]

    def snapshot(self, codec: Codec) -> Iterable[tuple[str, bytes]]:
        return [(key, codec.encode(row)) for key, row in self._rows.items()]
