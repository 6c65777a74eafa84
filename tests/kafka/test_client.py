"""Programs send results and metrics: each arrives as it was observed, or is told by its id."""

import asyncio
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from mendstream.client import (
    AsyncMetrics,
    AsyncResults,
    ClientError,
    DeliveryFailed,
    FlushTimedOut,
    Metrics,
    Results,
    Undelivered,
)
from mendstream.client.time_and_ids import monotonic
from schemas.catalog import METRICS, RESULTS
from schemas.codec.framing import unframe
from schemas.ids import partition_of
from schemas.records import ExperimentResult, ModelMetric
from streams.kafka.admin_types import (
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)
from streams.kafka.schema_ids import register
from streams.runtime.clock import wait_until
from streams.runtime.settings import Settings
from tests.support.kafka.console import ROOT, environment
from tests.support.kafka.logs import CODEC, messages
from tests.support.kafka.registry import Registry, serving
from tests.support.kafka.running import at_kafka, changed, environment_of, own_topics

pytestmark = pytest.mark.kafka

AWAY = "127.0.0.1:1"  # nobody listens there
NAMES = ("shop", "checkout", "new", "conversion")
AT = 1_767_607_200_000


@pytest.fixture
def settings(kafka: str) -> Iterator[Settings]:
    with own_topics(kafka) as chosen:
        yield chosen


def where(settings: Settings) -> dict[str, Any]:
    return {"bootstrap": settings.bootstrap, "topic_prefix": settings.topic_prefix}


def arrived(settings: Settings, topic: str, record: str) -> list[Any]:
    return [CODEC.decode(record, each.value()) for each in messages(settings, topic)]


def ids(settings: Settings) -> list[str]:
    return [each.event_id for each in arrived(settings, RESULTS, "ExperimentResult")]


def test_what_is_observed_arrives_where_the_processor_looks_for_it(settings: Settings) -> None:
    with Results(**where(settings)) as results:
        known = results.observe(*NAMES, 1, unit_id="u1", occurred_at=AT, event_id="order 17")
        for number in range(20):
            results.observe(f"acme/line-{number}", *NAMES[1:], 0, occurred_at=AT)
    found = messages(settings, RESULTS)
    assert len(found) == 21
    for each in found:
        record = CODEC.decode("ExperimentResult", each.value())
        assert isinstance(record, ExperimentResult)
        assert (each.key() or b"").decode() == record.subject
        assert each.partition() == partition_of(record.subject, settings.partitions)
        if record.event_id == known:
            assert (record.unit_id, record.sum, record.occurred_at) == ("u1", 1.0, AT)
    with Metrics(**where(settings)) as metrics:
        told = metrics.observe("bot", "v3", "error", 2, count=10, occurred_at=AT)
    assert arrived(settings, METRICS, "ModelMetric") == [
        ModelMetric(
            event_id=told,
            subject="bot",
            model_version="v3",
            metric="error",
            count=10,
            sum=2.0,
            occurred_at=AT,
        )
    ]


def test_asyncio_sends_the_same(settings: Settings) -> None:
    async def sends() -> list[str]:
        async with AsyncResults(**where(settings), kafka={"queue.buffering.max.messages": 5}) as r:
            given = [await r.observe(*NAMES, 1, event_id=f"order {n}") for n in range(40)]
            await r.flush()
            async with AsyncMetrics(**where(settings)) as metrics:
                await metrics.observe("bot", "v3", "error", 1)
        return given

    given = asyncio.run(sends())
    assert ids(settings) == given
    assert len(arrived(settings, METRICS, "ModelMetric")) == 1


def test_asyncio_is_told_what_was_not_delivered() -> None:
    async def sends() -> str:
        results = AsyncResults(AWAY, check_seconds=0, delivery_seconds=0.5)
        with pytest.raises(ClientError, match="not open"):
            await results.observe(*NAMES, 1)
        await results.open()
        known = await results.observe(*NAMES, 1)
        with pytest.raises(DeliveryFailed) as told:
            await results.flush(30.0)
        assert [each.event_id for each in told.value.undelivered] == [known]
        await results.close()
        return known

    assert asyncio.run(sends())


def test_schema_ids_are_the_registrys_where_there_is_one(settings: Settings) -> None:
    with serving(Registry()) as registry:
        known = changed(settings, registry_url=registry.url)
        with pytest.raises(ClientError, match="does not know this version"):
            Results(**where(settings), registry_url=registry.url)
        register(known)
        with Results(**where(settings), registry_url=f"{registry.url}/") as results:
            results.observe(*NAMES, 1)
        (value,) = [each.value() for each in messages(settings, RESULTS)]
        assert value is not None
        schema_id, _ = unframe(value)
        (schema,) = registry.versions[f"{settings.topic(RESULTS)}-value"]
        assert schema_id == registry.ids[schema] < 1_000
        registry.closed = True
        with pytest.raises(ClientError, match=r"denies this \(401\): give registry_auth"):
            Results(**where(settings), registry_url=registry.url)
    with pytest.raises(ClientError, match="No Schema Registry answers"):
        Results(**where(settings), registry_url=registry.url)
    with pytest.raises(ClientError, match="is not one"):
        Results(**where(settings), registry_url="registry:8081")


def test_a_kafka_that_is_away_is_told_at_the_beginning() -> None:
    with pytest.raises(ClientError, match=f"No Kafka answers at {AWAY}"):
        Results(AWAY, check_seconds=1.0)


def test_a_topic_that_is_not_there_is_told_at_the_beginning_and_not_made(
    settings: Settings,
) -> None:
    with pytest.raises(ClientError, match=r"has no topic elsewhere\.experiments\.results\.v1"):
        Results(settings.bootstrap, topic_prefix="elsewhere.")
    client, _ = at_kafka(settings, [])
    assert "elsewhere.experiments.results.v1" not in client.list_topics(timeout=10.0).topics


def test_what_kafka_does_not_acknowledge_in_time_is_raised_with_its_id() -> None:
    results = Results(AWAY, check_seconds=0, delivery_seconds=0.5)
    known = results.observe(*NAMES, 1)
    with pytest.raises(DeliveryFailed) as told:
        results.flush(30.0)
    (one,) = told.value.undelivered
    assert (one.event_id, one.reason, one.topic) == (known, "_MSG_TIMED_OUT", RESULTS)
    assert f"{known} was not delivered" in str(told.value)
    assert "did not acknowledge it within 0.5 s" in str(told.value)
    results.flush(1.0)  # what was told is not told again
    results.close()
    with pytest.raises(ClientError, match="closed"):
        results.observe(*NAMES, 1)


def test_who_only_observes_is_told_at_a_later_observation() -> None:
    results = Results(AWAY, check_seconds=0, delivery_seconds=0.2)
    first = results.observe(*NAMES, 1)
    deadline, given = monotonic() + 30.0, [first]

    def observes() -> None:
        while monotonic() < deadline:
            given.append(results.observe(*NAMES, 1))

    with pytest.raises(DeliveryFailed) as told:
        observes()
    undelivered = [each.event_id for each in told.value.undelivered]
    assert undelivered == given[: len(undelivered)]
    with pytest.raises(DeliveryFailed) as rest:
        results.close(0.5)
    assert undelivered + [each.event_id for each in rest.value.undelivered] == given


def test_a_flush_that_takes_too_long_is_told_and_what_is_given_up_too() -> None:
    results = Results(AWAY, check_seconds=0)
    known = [results.observe(*NAMES, 1) for _ in range(5)]
    with pytest.raises(FlushTimedOut) as told:
        results.flush(0.2)
    assert told.value.pending == tuple(known)
    assert isinstance(told.value, TimeoutError)
    assert f"{known[2]} and 2 more" in str(told.value)
    with pytest.raises(DeliveryFailed) as given_up:
        results.close(0.1)
    assert [each.event_id for each in given_up.value.undelivered] == known
    assert {each.reason for each in given_up.value.undelivered} <= {
        "_PURGE_QUEUE",
        "_PURGE_INFLIGHT",
    }
    results.close()


def test_a_full_queue_is_told_of_the_record_that_found_no_room() -> None:
    results = Results(
        AWAY, check_seconds=0, queue_seconds=0.2, kafka={"queue.buffering.max.messages": 2}
    )
    known = [results.observe(*NAMES, 1) for _ in range(2)]
    with pytest.raises(Undelivered, match="the queue of 3 records stayed full") as told:
        results.observe(*NAMES, 1, event_id="order 17")
    assert told.value.reason == "QUEUE_FULL"
    with pytest.raises(DeliveryFailed) as given_up:
        results.close(0.1)
    assert [each.event_id for each in given_up.value.undelivered] == known


def limited(settings: Settings, size: int) -> None:
    """Lets Kafka take batches of so many bytes of results and no more."""
    client, _ = at_kafka(settings, [])
    entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(
        ResourceType.TOPIC, settings.topic(RESULTS), incremental_configs=[entry]
    )
    for future in client.incremental_alter_configs([resource]).values():
        future.result()

    def applied() -> bool:
        """The controller answers first; the broker hears of it then."""
        (asked,) = client.describe_configs([resource]).values()
        return bool(asked.result()["max.message.bytes"].value == str(size))

    assert wait_until(applied, 30.0)


def test_a_record_that_is_too_large_is_told_and_can_be_sent_again(settings: Settings) -> None:
    limited(settings, 50)  # a batch of no record has 61
    heard: list[Undelivered] = []
    with Results(**where(settings), on_error=heard.append) as results:
        known = results.observe(*NAMES, 1, unit_id="u" * 300, event_id="order 17")
        results.flush()
    (one,) = heard
    assert (one.event_id, one.reason) == (known, "MSG_SIZE_TOO_LARGE")
    assert "bytes are more than Kafka" in str(one)
    assert ids(settings) == []
    limited(settings, 1_000_000)
    with Results(**where(settings)) as results:
        assert results.again(one) == known
    assert ids(settings) == [known]


def test_what_this_side_finds_too_large_is_told_at_once(settings: Settings) -> None:
    heard: list[Undelivered] = []
    small = {"message.max.bytes": 1_000}
    results = Results(**where(settings), kafka=small)
    with pytest.raises(Undelivered) as told:
        results.observe(*NAMES, 1, unit_id="u" * 512, segment="s" * 512)
    results.close()
    assert told.value.reason == "MSG_SIZE_TOO_LARGE"
    with Results(**where(settings), kafka=small, on_error=heard.append) as results:
        results.observe(*NAMES, 1, unit_id="u" * 512, segment="s" * 512)
    assert [each.reason for each in heard] == ["MSG_SIZE_TOO_LARGE"]
    assert ids(settings) == []


_FORGETS = """
import logging, sys
from mendstream.client import Results
logging.basicConfig()
results = Results(sys.argv[1], check_seconds=0, delivery_seconds=1)
print(results.observe("shop", "checkout", "new", "conversion", 1))
"""


def forgetful(bootstrap: str, settings: Settings) -> tuple[str, str]:
    """The id that a program observed which ends without closing, and what it logged."""
    done = subprocess.run(
        [sys.executable, "-c", _FORGETS, bootstrap],
        cwd=ROOT,
        env=environment(environment_of(settings)),
        capture_output=True,
        text=True,
        check=True,
        timeout=60.0,
    )
    return done.stdout.strip(), done.stderr


def test_a_program_that_ends_without_closing_loses_nothing_in_silence(settings: Settings) -> None:
    known, said = forgetful(settings.bootstrap, settings)
    assert ids(settings) == [known]
    assert said == ""
    lost, said = forgetful(AWAY, settings)
    assert f"{lost} was not delivered" in said


def test_a_sender_that_is_forgotten_is_closed(caplog: pytest.LogCaptureFixture) -> None:
    results = Results(AWAY, check_seconds=0, delivery_seconds=0.2)
    known = results.observe(*NAMES, 1)
    with caplog.at_level(logging.ERROR, "mendstream.client"):
        del results
    assert f"{known} was not delivered" in caplog.text


def test_security_is_taken_from_the_environment_by_the_processors_names(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    for name, value in environment_of(settings).items():
        monkeypatch.setenv(name, value)
    with Results() as results:
        known = results.observe(*NAMES, 1)
    assert ids(settings) == [known]
    monkeypatch.setenv("MENDSTREAM_SSL_CA_LOCATION", "/nowhere/ca.pem")
    monkeypatch.setenv("MENDSTREAM_SECURITY_PROTOCOL", "SSL")
    with pytest.raises(ClientError, match="configuration makes no connection"):
        Results(check_seconds=1.0)
