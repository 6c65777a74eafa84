"""A reader that goes on, however slowly, is not taken for one that is held back."""

from typing import Any

import pytest
from confluent_kafka import KafkaError

from streams.kafka import reading
from streams.kafka.error_messages import UNREADABLE
from streams.runtime.errors import MendstreamError
from streams.runtime.settings import Settings

DAMAGED = next(iter(UNREADABLE))


class Told:
    """What a consumer gives where a record cannot be read, or a log ends."""

    def __init__(self, offset: int, code: int) -> None:
        self._offset, self._code = offset, code

    def error(self) -> KafkaError:
        return KafkaError(self._code)

    def topic(self) -> str:
        return "t"

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self._offset


class Log:
    """A log that tells one thing at each poll, or nothing any more."""

    def __init__(self, told: list[Told]) -> None:
        self.told = told

    def consume(self, _batch: int, timeout: float) -> list[Told]:
        return [self.told.pop(0)] if self.told else []

    def seek(self, _part: Any) -> None: ...

    def pause(self, _parts: Any) -> None: ...


@pytest.fixture(autouse=True)
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second passes whenever somebody looks at the clock."""
    moments = iter(range(10_000))
    monkeypatch.setattr(reading, "monotonic", lambda: float(next(moments)))
    monkeypatch.setattr(reading, "Message", Told)


def read(told: list[Told], end: int, damaged: bool) -> None:
    nexts = {("t", 0): 0} if damaged else None
    log: Any = Log(told)
    for _ in reading._until(log, Settings(), {("t", 0): end}, 10, nexts):
        pass


def test_a_long_damaged_stretch_is_passed_offset_by_offset() -> None:
    read([Told(at, DAMAGED) for at in range(300)], 300, damaged=True)


def test_what_ends_before_what_is_wanted_is_given_up_and_named() -> None:
    with pytest.raises(MendstreamError, match="t/0 end at offset 3; up to 9 a transaction"):
        read([Told(3, KafkaError._PARTITION_EOF)], 9, damaged=False)


def test_where_nothing_is_heard_at_all_kafka_is_missed() -> None:
    with pytest.raises(MendstreamError, match="No Kafka answers"):
        read([], 9, damaged=False)
