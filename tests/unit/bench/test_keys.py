"""What the bench at a million keys says follows from what it measured."""

from bench.peers.keys import bars, fields
from bench.peers.pace import Pace


def pace(rate: float) -> Pace:
    return Pace(1_000_000, 1_000_000 / rate, 2.0)


def test_kafka_streams_is_taken_as_it_was_fastest() -> None:
    found = fields(
        {
            "mendstream": pace(290_000.0),
            "mendstream_alone": pace(150_000.0),
            "kafka_streams_memory": pace(80_000.0),
            "kafka_streams_memory_alone": pace(100_000.0),
            "kafka_streams_rocksdb": pace(50_000.0),
        },
        {},
    )
    assert (found["mendstream_1m_keys"], found["streams_1m_keys"]) == (290_000, 100_000)
    assert found["rates_1m_keys"]["kafka_streams_rocksdb"] == 50_000
    assert found["cpu_us_1m_keys"]["mendstream"] == 2.0
    assert [(bar.value, bar.holds) for bar in bars(found)] == [(2.9, False)]


def test_without_a_jdk_nothing_is_compared() -> None:
    found = fields({"mendstream": pace(290_000.0)}, {"kafka_streams_memory": "needs a JDK"})
    assert (found["streams_1m_keys"], found["left_out_1m_keys"]) == (
        None,
        {"kafka_streams_memory": "needs a JDK"},
    )
    assert list(bars(found)) == []
