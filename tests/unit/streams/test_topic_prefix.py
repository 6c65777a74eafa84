"""With a topic prefix no client touches a topic of another name, and nothing that is decided
changes.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, Message, TopicPartition

from schemas.catalog import (
    COMMANDS,
    DEAD_LETTERS,
    JOURNAL,
    RESULTS,
    SPECS,
    TABLES_ARMS,
    TABLES_COMMANDS,
    TICKS,
    TOPICS,
)
from streams.engine.restore import _check_rows
from streams.kafka.admin.acls import at_kafka, rights
from streams.kafka.admin.topic_conditions import verify
from streams.kafka.admin.topics import check
from streams.kafka.backend import backend_of
from streams.kafka.dead_letters import ERRORS, letter
from streams.kafka.error_messages import explained
from streams.kafka.prefixed import Names, PrefixedConsumer, PrefixedProducer
from streams.kafka.reading import admin, read
from streams.operations.asyncapi.document import document
from streams.runtime.errors import MendstreamError
from streams.runtime.settings import TOPIC_NAME_MAX, TOPIC_PREFIX_MAX, Settings, load
from streams.signing.signer import Signer
from streams.signing.verifier import Origin, Refused
from streams.signing.verifier import verify as verified
from tests.support.builders import CODEC, result, spec
from tests.support.signed import KEY, ROLLBACK, trusted
from tests.support.still import Still, still

ROOT = Path(__file__).parents[3]
STAGING = "staging."
# Where clients are made: the backend itself, and what is no client of an installation.
MAKERS = {"streams/kafka/backend.py", "streams/kafka/embedded/broker.py"}
Written = list[tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]]


class Recorded(dict[Any, Any]):
    """A dict that notes which keys it was asked for."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.asked: set[Any] = set()

    def __getitem__(self, key: Any) -> Any:
        self.asked.add(key)
        return super().__getitem__(key)


def lives(one: Still) -> dict[str, Written]:
    """What stands on each topic after a rollback, a dead letter, and a start from what stands."""
    one.send(SPECS, spec(), "bot")
    for n in range(400):
        harmed = n % 2 == 1
        each = result(n, variant="b" if harmed else "control", sum=float(not harmed))
        one.send(RESULTS, each, "bot")
    one.send(RESULTS, b"garbage", "bot")
    one.worker().takes_in(RESULTS)
    for n in range(400, 410):
        one.send(RESULTS, result(n), "bot")
    one.worker().takes_in(RESULTS)
    return {
        name: [(each.key, each.value, each.headers) for each in one.entries(name)]
        for name in TOPICS
    }


def test_no_topic_without_the_prefix_is_touched_and_the_records_are_the_same() -> None:
    with still(group="g") as plain:
        expected = lives(plain)
    with still(group="g", topic_prefix=STAGING) as prefixed:
        logs = Recorded(prefixed.kafka.logs)
        prefixed.kafka.logs = logs
        found = lives(prefixed)
        offsets = prefixed.kafka.group("g").offsets
    touched = {topic for topic, _ in logs.asked} | {topic for topic, _ in offsets}
    assert touched == {f"{STAGING}{name}" for name in TOPICS} & touched
    assert {f"{STAGING}{each}" for each in (RESULTS, TABLES_ARMS, JOURNAL, TICKS)} <= touched
    assert expected[COMMANDS["ROLLBACK"]], "the history orders something"
    (one,), (other,) = expected.pop(DEAD_LETTERS), found.pop(DEAD_LETTERS)
    assert found == expected
    origin = f"{ERRORS}topic"
    assert (dict(one[2])[origin], dict(other[2])[origin]) == (
        RESULTS.encode(),
        f"{STAGING}{RESULTS}".encode(),
    )
    assert [h for h in one[2] if h[0] != origin] == [h for h in other[2] if h[0] != origin]


def test_a_dead_letter_says_inside_which_input_it_was() -> None:
    with still(topic_prefix=STAGING) as one:
        one.send(RESULTS, b"garbage", "bot")
        one.worker().takes_in(RESULTS)
        ((message,),) = read(one.settings, {(DEAD_LETTERS, 0): (0, 1)})
    found = letter(message)
    assert found is not None
    assert found.topic == RESULTS


def test_a_name_that_a_strangers_header_bears_stays_as_it_is() -> None:
    origin = f"{ERRORS}topic"
    headers: list[tuple[str, str | bytes | None]] = [
        (origin, b"staging.theirs"),
        (origin, b"staging.ours"),
    ]
    message = Message(topic=f"{STAGING}{DEAD_LETTERS}", value=b"", headers=headers)
    Names(STAGING).message_back(message)
    assert message.headers() == [(origin, b"staging.theirs"), (origin, b"ours")]


def test_what_an_installation_without_prefix_has_is_not_seen() -> None:
    with still() as plain:
        client = backend_of(
            Settings(bootstrap=plain.settings.bootstrap, topic_prefix=STAGING)
        ).admin({})
        assert client.list_topics(timeout=1.0).topics == {}
        with pytest.raises(MendstreamError, match=f"Topics are missing: {STAGING}{RESULTS}, "):
            check(
                client,
                Settings(bootstrap=plain.settings.bootstrap, topic_prefix=STAGING),
            )


def test_only_the_backend_makes_clients() -> None:
    client = re.compile(r"(?<![\w.])(Consumer|Producer|AdminClient)\(")
    found = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "streams").rglob("*.py")
        for line in path.read_text().splitlines()
        if client.search(line) and not line.lstrip().startswith("class ")
    }
    assert found <= MAKERS


class Told:
    """A client of librdkafka's, as far as it is asked here."""

    def __init__(self, error: KafkaError | None = None) -> None:
        self.error, self.config = error, dict[str, Any]()
        self.given: list[Any] = []

    def __call__(self, config: dict[str, Any]) -> "Told":
        self.config = config
        return self

    def committed(self, parts: list[TopicPartition], timeout: float) -> list[Any]:
        self.given = parts
        return [self._answer(part) for part in parts]

    def subscribe(self, topics: list[str], **callbacks: Any) -> None:
        self.given = [topics, callbacks]

    def produce(self, topic: str, **more: Any) -> None:
        self.given = [more["partition"]]
        more["on_delivery"](self.error, Message(topic=topic, value=b"value"))

    def produce_batch(self, topic: str, messages: list[Any], **more: Any) -> int:
        self.given = [topic]
        more["on_delivery"](self.error, Message(topic=topic))
        return len(messages)

    def _answer(self, part: TopicPartition) -> Any:
        found = TopicPartition(part.topic, part.partition, 5)
        assert found.error is None
        return found


def test_partitions_that_the_group_gives_are_told_without_the_prefix() -> None:
    client, heard = Told(), list[Any]()
    consumer = PrefixedConsumer(client, Names(STAGING), {})  # type: ignore[arg-type]

    def hear(told: Any, parts: list[TopicPartition]) -> None:
        heard.append((told, [(part.topic, part.partition) for part in parts]))

    consumer.subscribe([TICKS], on_assign=hear, on_revoke=hear, on_lost=hear)
    topics, callbacks = client.given
    assert topics == [f"{STAGING}{TICKS}"]
    for callback in callbacks.values():
        callback(client, [TopicPartition(f"{STAGING}{TICKS}", 3)])
    assert heard == [(consumer, [(TICKS, 3)])] * 3
    (answer,) = consumer.committed([TopicPartition(TICKS, 2)], timeout=1.0)
    assert (answer.topic, answer.partition, answer.offset, answer.error) == (TICKS, 2, 5, None)
    assert [part.topic for part in client.given] == [f"{STAGING}{TICKS}"]


def test_statistics_are_told_without_the_prefix() -> None:
    client, heard = Told(), list[Any]()
    config = {"stats_cb": lambda said: heard.append(json.loads(said))}
    PrefixedConsumer(client, Names(STAGING), config)  # type: ignore[arg-type]
    client.config["stats_cb"](json.dumps({"topics": {f"{STAGING}{TICKS}": {"age": 1}}, "n": 2}))
    assert heard == [{"topics": {TICKS: {"age": 1}}, "n": 2}]


def test_what_was_delivered_is_told_without_the_prefix() -> None:
    heard: list[tuple[KafkaError | None, str | None]] = []
    client = Told()
    producer = PrefixedProducer(client, Names(STAGING))  # type: ignore[arg-type]

    def hear(error: KafkaError | None, message: Message) -> None:
        heard.append((error, message.topic()))

    producer.produce(TICKS, b"value", "key", 3, hear)
    assert client.given == [3]
    producer.produce_batch(TICKS, [{"value": b""}], partition=0, on_delivery=hear)
    assert heard == [(None, TICKS)] * 2


def test_a_signature_binds_the_name_that_a_deployer_sees() -> None:
    topic, value = COMMANDS["ROLLBACK"], CODEC.encode(ROLLBACK)
    origin = Origin("cluster", "group")
    headers = Signer(KEY, origin, topic_prefix=STAGING).headers(
        topic, ROLLBACK.subject, value, ROLLBACK
    )
    fields = {name: getattr(ROLLBACK, name) for name in ROLLBACK.__dataclass_fields__}
    told = [*headers, ("ce_type", b"mendstream.RollbackCommand.v1")]

    def seen(on: str) -> None:
        verified(on, ROLLBACK.subject, value, told, fields, trusted(), 0)

    seen(f"{STAGING}{topic}")
    for other in (topic, f"live.{topic}"):
        with pytest.raises(Refused, match="what it says is not what"):
            seen(other)


def test_what_kafka_is_asked_for_by_a_person_is_named_as_kafka_has_it() -> None:
    settings = Settings(topic_prefix=STAGING, group="g")
    named = {right.name for right in at_kafka(rights("producer", settings, ""), settings)}
    assert named == {f"{STAGING}{each}" for each in TOPICS if TOPICS[each].writer == "producer"}
    groups = {r.name for r in at_kafka(rights("redriver", settings, ""), settings)}
    assert {"g-redrive", "g-dead-letters-redrive"} <= groups
    channel = document(settings)["channels"][TICKS]
    assert channel["address"] == channel["bindings"]["kafka"]["topic"] == f"{STAGING}{TICKS}"
    denied = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)
    assert f"topic {STAGING}{TICKS}." in str(explained(denied, settings, TICKS))


def test_a_condition_that_is_not_met_names_the_topic_as_kafka_has_it() -> None:
    with still(topic_prefix=STAGING) as one:
        name = f"{STAGING}{TABLES_COMMANDS}"
        one.kafka.configured[name] = {"cleanup.policy": "delete"}
        with pytest.raises(MendstreamError, match=f"{name}: cleanup.policy is delete"):
            verify(admin(one.settings), one.settings)


@pytest.mark.parametrize("prefix", ["", "staging.", "a", "A-b_c.", "x" * TOPIC_PREFIX_MAX])
def test_a_prefix_of_characters_that_kafka_allows_is_taken(prefix: str) -> None:
    settings = Settings(topic_prefix=prefix)
    assert settings.group == f"{prefix}mendstream"
    assert max(len(settings.topic(name)) for name in TOPICS) <= TOPIC_NAME_MAX


@pytest.mark.parametrize(
    "prefix", ["staging/", "a b", "ä", "staging.\n", "x" * (TOPIC_PREFIX_MAX + 1)]
)
def test_another_prefix_is_refused_in_a_sentence(prefix: str) -> None:
    with pytest.raises(MendstreamError, match="The setting 'topic_prefix' is wrong: "):
        load(None, {"topic_prefix": prefix})


def test_a_group_that_is_named_is_the_operators(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MENDSTREAM_TOPIC_PREFIX", STAGING)
    assert load(None, {}).group == f"{STAGING}mendstream"
    assert load(None, {"group": "mine"}).group == "mine"


def test_tables_that_lost_rows_name_the_remedy_with_the_prefix() -> None:
    with still(topic_prefix=STAGING) as one:
        one.send(SPECS, spec(), "bot")
        worker = one.worker()
        worker.takes_in(SPECS)
        (entry, *_) = one.records(JOURNAL)[-1:]
        (owned,) = worker.worker._member.owned.values()
    owned.tables.all()[TABLES_ARMS].restore([], CODEC)
    wrong = type(entry)(**{**_fields(entry), "rows": entry.rows + 1})
    with pytest.raises(MendstreamError, match=f"delete {STAGING}{JOURNAL} and all {STAGING}tables"):
        _check_rows(owned.tables, wrong, one.settings)


def _fields(entry: Any) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in entry.__dataclass_fields__}
