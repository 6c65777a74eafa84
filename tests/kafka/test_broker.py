"""Holds the embedded Kafka to its word: it keeps what it acknowledged, refuses strangers and leaves
nothing.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from streams.kafka.admin_types import NewTopic
from streams.kafka.embedded import jars
from streams.kafka.embedded.broker import EmbeddedKafka
from streams.runtime.clock import wait_until
from streams.runtime.errors import MendstreamError

pytestmark = pytest.mark.kafka
SECONDS = 30.0  # the deadline of every wait here; each takes a fraction of it


@pytest.fixture(scope="module", autouse=True)
def kafka_jars() -> Path:
    try:
        return jars.kafka_jars()
    except MendstreamError as error:
        pytest.skip(f"no embedded Kafka: {error}")


def test_a_new_kafka_answers_and_leaves_nothing_behind() -> None:
    with EmbeddedKafka() as broker:
        home, pid = broker.log.parent, broker.pid
        assert AdminClient(broker.client_config()).list_topics(timeout=SECONDS).brokers.keys() == {
            1
        }
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not home.exists()
    assert broker.pid is None


def test_transactions_run_with_the_features_of_a_new_cluster() -> None:
    with EmbeddedKafka() as broker:
        assert "setting feature transaction.version to 2" in broker.log.read_text()
        _create_topic(broker, "facts")
        producer = Producer(broker.client_config() | {"transactional.id": "writer"})
        producer.init_transactions(SECONDS)
        for value, finish in (
            (b"aborted", producer.abort_transaction),
            (b"committed", producer.commit_transaction),
        ):
            producer.begin_transaction()
            producer.produce("facts", value)
            producer.flush(SECONDS)
            finish(SECONDS)
        assert _read(broker, "facts", until=1) == [b"committed"]


def test_acknowledged_records_survive_sigkill() -> None:
    values = [str(number).encode() for number in range(1000)]
    with EmbeddedKafka() as broker:
        _create_topic(broker, "facts")
        bootstrap, pid = broker.bootstrap, broker.pid
        _write(broker, "facts", values)
        broker.kill()
        broker.restart()
        assert (broker.bootstrap, broker.pid != pid) == (bootstrap, True)
        assert _read(broker, "facts", until=len(values)) == values


def test_a_given_directory_keeps_records_for_the_next_kafka(tmp_path: Path) -> None:
    with EmbeddedKafka(directory=tmp_path) as broker:
        _create_topic(broker, "facts")
        _write(broker, "facts", [b"kept"])
    with EmbeddedKafka(directory=tmp_path) as successor:
        assert _read(successor, "facts", until=1) == [b"kept"]


def test_kafka_ends_with_the_process_that_started_it() -> None:
    program = (
        "from streams.kafka.embedded.broker import EmbeddedKafka as K; k = K(); k.start(); "
        "print(k.bootstrap, k.pid, k.log); input()"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    bootstrap, pid, log = owner.stdout.readline().split()
    address = ("127.0.0.1", int(bootstrap.split(":")[1]))
    assert _listens(address)
    owner.send_signal(signal.SIGKILL)
    owner.communicate()
    try:
        assert wait_until(lambda: not _listens(address), SECONDS)
    finally:
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
        shutil.rmtree(Path(log).parent)


def test_a_taken_port_is_named_in_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(MendstreamError) as raised:
            EmbeddedKafka(port=port).start()
    assert raised.value.fault == f"Port {port} of 127.0.0.1 cannot be used: Address already in use."
    assert raised.value.remedy == "End the program that listens there, or choose another port."


def test_a_kafka_that_ends_at_its_start_is_quoted(tmp_path: Path) -> None:
    broker = EmbeddedKafka(directory=tmp_path, settings={"num.io.threads": "0"})
    with pytest.raises(
        MendstreamError, match=r"Kafka ended as it started: .*num\.io\.threads"
    ) as raised:
        broker.start()
    assert str(tmp_path / "kafka.log") in raised.value.remedy
    assert broker.pid is None


def test_a_wrong_password_is_refused_by_the_broker() -> None:
    with EmbeddedKafka(users={"alice": "right", "bob": "other"}) as broker:
        assert AdminClient(broker.client_config()).list_topics(timeout=SECONDS).brokers
        errors: list[KafkaError] = []
        wrong = AdminClient(
            broker.client_config()
            | {"sasl.password": "wrong", "error_cb": errors.append, "log_level": 0}
        )

        def refused() -> bool:
            wrong.poll(0)
            return any(error.code() == KafkaError._AUTHENTICATION for error in errors)

        assert wait_until(refused, SECONDS)
        with pytest.raises(KafkaException):
            wrong.list_topics(timeout=1)


def test_user_names_that_would_break_the_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="letters, digits"):
        EmbeddedKafka(users={"alice": '"; evil="'})


def _change(cache: Path) -> None:
    jar = cache / "slf4j-api-1.7.36.jar"
    content = jar.read_bytes()
    jar.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def _remove(cache: Path) -> None:
    (cache / "slf4j-api-1.7.36.jar").unlink()


def _add(cache: Path) -> None:
    (cache / "log4j-slf4j-impl.jar").touch()


@pytest.mark.parametrize(
    ("damage", "difference"),
    [
        (_change, r"1 changed \(slf4j-api-1\.7\.36\.jar\)\."),
        (_remove, r"1 missing \(slf4j-api-1\.7\.36\.jar\)\."),
        (_add, r"1 additional \(log4j-slf4j-impl\.jar\)\."),
    ],
)
def test_jars_that_differ_from_the_lock_are_refused(
    damage: Callable[[Path], None],
    difference: str,
    kafka_jars: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    copy = Path(shutil.copytree(kafka_jars, tmp_path / kafka_jars.name))
    monkeypatch.setenv("MENDSTREAM_CACHE", str(tmp_path))
    assert jars.kafka_jars() == copy
    damage(copy)
    with pytest.raises(MendstreamError, match=difference):
        jars.kafka_jars()


def test_without_a_network_the_remedy_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MENDSTREAM_CACHE", str(tmp_path))
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(
            name, "http://127.0.0.1:1"
        )  # every request ends there: nothing listens on port 1
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(MendstreamError, match=r"cannot be fetched .* set MENDSTREAM_BOOTSTRAP"):
        jars.kafka_jars()
    assert list(tmp_path.iterdir()) == []


def test_two_that_fetch_at_once_leave_one_whole_directory(
    kafka_jars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(_jars: jars.Jars, repository: Path) -> list[Path]:
        return list(Path(shutil.copytree(kafka_jars, repository)).iterdir())

    monkeypatch.setattr(jars, "_download", download)
    monkeypatch.setenv("MENDSTREAM_CACHE", str(tmp_path))
    with ThreadPoolExecutor(2) as pool:
        found = {each.result(SECONDS) for each in [pool.submit(jars.kafka_jars) for _ in range(2)]}
    assert list(tmp_path.iterdir()) == list(found)
    assert jars.differences(tmp_path / kafka_jars.name) == ""


def _create_topic(broker: EmbeddedKafka, name: str) -> None:
    admin = AdminClient(broker.client_config())  # named, because the request ends with its client
    admin.create_topics([NewTopic(name, 1, 1)])[name].result(SECONDS)


def _write(broker: EmbeddedKafka, topic: str, values: list[bytes]) -> None:
    refused: list[KafkaError] = []
    producer = Producer(broker.client_config() | {"acks": "all"})
    for value in values:
        producer.produce(
            topic, value, on_delivery=lambda error, _: refused.append(error) if error else None
        )
    assert producer.flush(SECONDS) == 0
    assert refused == []


def _read(broker: EmbeddedKafka, topic: str, until: int) -> list[bytes]:
    """The committed values of the topic's one partition, in order, as soon as there are `until` of
    them.
    """
    config = {
        "group.id": "reader",
        "enable.auto.commit": "false",
        "isolation.level": "read_committed",
    }
    consumer = Consumer(broker.client_config() | config)
    consumer.assign([TopicPartition(topic, 0, 0)])
    values: list[bytes] = []

    def complete() -> bool:
        for message in consumer.consume(1000, timeout=0.1):
            assert message.error() is None
            values.append(message.value() or b"")
        return len(values) >= until

    try:
        assert wait_until(complete, SECONDS), f"{len(values)} of {until} records"
    finally:
        consumer.close()
    return values


def _listens(address: tuple[str, int]) -> bool:
    with socket.socket() as client:
        return client.connect_ex(address) == 0
