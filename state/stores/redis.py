"""Views in Redis: a hash of each, its rows as JSON, and a sorted set for each rank."""

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import redis

from state.stores.views import RANKS, Change, Row, StoreDown

TIMEOUT_SECONDS = 2.0  # past it the store is as good as down
_BATCH = 1_000  # changes of one round trip
T = TypeVar("T")


class RedisStore:
    """Names begin with a prefix, so that several deployments may share a Redis."""

    def __init__(
        self, url: str, prefix: str = "mendstream", timeout: float = TIMEOUT_SECONDS
    ) -> None:
        """Raises ValueError for what is no URL; connects at the first use."""
        self._redis = redis.Redis.from_url(
            url, socket_timeout=timeout, socket_connect_timeout=timeout, decode_responses=True
        )
        self._prefix = prefix

    def apply(self, changes: Sequence[Change]) -> None:
        for first in range(0, len(changes), _BATCH):
            self._asked(lambda part=changes[first : first + _BATCH]: self._apply(part))  # type: ignore[misc]

    def get(self, view: str, key: str) -> Row | None:
        text = self._asked(lambda: self._redis.hget(self._rows(view), key))
        return cast(Row, json.loads(cast(str, text))) if text is not None else None

    def top(self, view: str, rank: str, count: int, start: int = 0) -> list[Row]:
        assert rank in RANKS[view], f"{view} is not ranked by {rank}"
        keys = cast(
            list[str],
            self._asked(
                lambda: self._redis.zrevrange(self._ranked(view, rank), start, start + count - 1)
            ),
        )
        if not keys:
            return []
        texts = cast(
            list[str | None], self._asked(lambda: self._redis.hmget(self._rows(view), keys))
        )
        return [json.loads(text) for text in texts if text is not None]

    def keys(self, view: str) -> set[str]:
        return set(cast(list[str], self._asked(lambda: self._redis.hkeys(self._rows(view)))))

    def mark(self, text: str) -> None:
        self._asked(lambda: self._redis.set(f"{self._prefix}:built", text))

    def marked(self) -> str | None:
        return cast(str | None, self._asked(lambda: self._redis.get(f"{self._prefix}:built")))

    def close(self) -> None:
        self._redis.close()

    def _apply(self, changes: Sequence[Change]) -> None:
        pipe: Any = self._redis.pipeline(
            transaction=True
        )  # a reader sees a row and its ranks together
        for change in changes:
            rows, ranks = self._rows(change.view), RANKS[change.view]
            if change.row is None:
                pipe.hdel(rows, change.key)
                for rank in ranks:
                    pipe.zrem(self._ranked(change.view, rank), change.key)
                continue
            pipe.hset(rows, change.key, json.dumps(change.row))
            for rank in ranks:
                pipe.zadd(self._ranked(change.view, rank), {change.key: float(change.row[rank])})
        pipe.execute()

    def _rows(self, view: str) -> str:
        return f"{self._prefix}:{view}"

    def _ranked(self, view: str, rank: str) -> str:
        return f"{self._prefix}:{view}:by:{rank}"

    def _asked(self, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except redis.RedisError as error:
            raise StoreDown(str(error)) from error
