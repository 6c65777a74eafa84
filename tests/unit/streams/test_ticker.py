"""Ticks come once a second of the worker's clock, and go on when it is set back."""

import pytest

from schemas.catalog import TICKS
from streams.engine.ticker import Ticker
from streams.runtime.settings import Settings
from tests.support.builders import CODEC


class Written:
    """A producer that counts; nothing is connected to."""

    def __init__(self) -> None:
        self.times: list[int] = []

    def produce(
        self, topic: str, value: bytes, key: str, partition: int, on_delivery: object
    ) -> None:
        assert topic == TICKS
        tick = CODEC.decode("Tick", value)
        self.times.append(tick.ticked_at)  # type: ignore[attr-defined]

    def poll(self, _seconds: float) -> None: ...


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Written:
    found = Written()
    monkeypatch.setattr("streams.kafka.backend.Librdkafka.producer", lambda _self, _config: found)
    return found


def test_a_clock_that_is_set_back_does_not_silence_the_ticks(written: Written) -> None:
    ticker = Ticker(Settings(), CODEC)
    for now in (10_000, 10_500, 11_000, 5_000, 5_900, 6_000):
        ticker.tick([0], now)
    assert written.times == [10_000, 11_000, 5_000, 6_000]
