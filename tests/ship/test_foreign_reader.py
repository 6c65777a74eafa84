"""Programs of others on our topics: Apicurio keeps and judges the schemas, kaskade shows a command
on a person's screen.

`make ship-check` brings both (.tools/apicurio, .tools/kaskade); kaskade needs tmux on the machine.
"""

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from schemas.catalog import COMMANDS, REDRIVES, TOPICS, Topic, schema_text
from schemas.codec.evolution import unsafe
from schemas.codec.framing import unframe
from schemas.records import RollbackCommand
from streams.kafka.embedded.broker import EmbeddedKafka
from streams.kafka.schema_ids import codec_for
from streams.runtime.clock import wait_until
from streams.runtime.settings import Settings
from tests.ship.apicurio import API, Apicurio, apicurio
from tests.support.kafka.console import error, mendstream
from tests.support.kafka.logs import headers, messages, send_harm
from tests.support.kafka.running import Child, environment_of
from tests.support.ship.terminal import Terminal
from tests.unit.schemas.release import RELEASED

pytestmark = pytest.mark.kafka
ROOT = Path(__file__).parents[2]
KASKADE = ROOT / ".tools" / "kaskade" / "bin" / "kaskade"
SECONDS = (
    180.0  # registering 43 schemas takes 25 s where Java has just started and the machine is busy
)
ROLLBACKS = COMMANDS["ROLLBACK"]
RELEASE = "released."  # before the names of subjects that are a test's own
WITH_SCHEMA = [topic for topic in TOPICS.values() if topic.record is not None]


def subject_of(topic: Topic) -> str:
    return f"{topic.name}-value"


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    with TemporaryDirectory(
        prefix="mendstream-"
    ) as directory:  # short: the path of a socket has 107 bytes at most
        yield Path(directory)


@pytest.fixture(scope="module")
def kafka_alone() -> Iterator[str]:
    with EmbeddedKafka() as embedded:
        yield embedded.bootstrap


@pytest.fixture(scope="module")
def registry(kafka_alone: str, home: Path) -> Iterator[Apicurio]:
    with apicurio(home, kafka_alone) as running:
        yield running


@pytest.fixture(scope="module")
def settings(kafka_alone: str, registry: Apicurio) -> Settings:
    """Of a Kafka and a registry that `mendstream topics create` has prepared."""
    chosen = Settings(
        bootstrap=kafka_alone, registry_url=registry.url, partitions=2, dedupe_window=1_000
    )
    prepared(chosen)
    return chosen


def prepared(settings: Settings) -> None:
    done = mendstream("topics", "create", env=environment_of(settings), seconds=SECONDS)
    assert done.returncode == 0, done.stderr


def test_each_subject_has_its_schema_and_the_level_that_its_readers_need(
    registry: Apicurio, settings: Settings
) -> None:
    levels = {subject_of(topic): topic.compatibility for topic in WITH_SCHEMA}
    there = registry.ask("GET", "/subjects")[1]
    assert {subject for subject in there if not subject.startswith(RELEASE)} == set(levels)
    asked = {
        subject: registry.ask("GET", f"/config/{subject}?defaultToGlobal=false")
        for subject in levels
    }
    assert asked == {
        subject: (200, {"compatibilityLevel": level}) for subject, level in levels.items()
    }
    for topic in WITH_SCHEMA:
        status, answer = registry.ask("GET", f"/subjects/{subject_of(topic)}/versions/latest")
        assert status == 200, answer
        assert json.loads(answer["schema"]) == json.loads(schema_text(topic.record or ""))


@pytest.mark.parametrize("topic", WITH_SCHEMA, ids=lambda topic: topic.name)
def test_every_released_schema_follows_those_before_it(
    registry: Apicurio, settings: Settings, topic: Topic
) -> None:
    """Under a subject of its own, which is at the end as the one of an installation that took every
    upgrade.
    """
    assert topic.record is not None
    subject = f"{RELEASE}{subject_of(topic)}"
    assert (
        registry.ask("PUT", f"/config/{subject}", {"compatibility": topic.compatibility})[0] == 200
    )
    for schema in RELEASED[topic.record]:
        status, answer = registry.register(subject, schema)
        assert status == 200, answer
    assert registry.compatible(subject, schema_text(topic.record))
    assert registry.register(subject, schema_text(topic.record))[0] == 200


def without(field: str) -> str:
    schema = json.loads(schema_text("RollbackCommand"))
    schema["fields"] = [each for each in schema["fields"] if each["name"] != field]
    return json.dumps(schema)


def added(**field: object) -> str:
    schema = json.loads(schema_text("RollbackCommand"))
    schema["fields"].append({"name": "note", "type": "string", **field})
    return json.dumps(schema)


def retyped(field: str, kind: object) -> str:
    schema = json.loads(schema_text("RollbackCommand"))
    for each in schema["fields"]:
        each["type"] = kind if each["name"] == field else each["type"]
    return json.dumps(schema)


CHANGES = {
    "a field with a default": (added(default=""), True),
    "a field without a default": (added(), False),
    "a required field removed": (without("subject"), False),
    "a field with a default removed": (without("dry_run"), True),
    "a wider number": (retyped("attempt", "long"), False),
    "a number for a text": (retyped("subject", "long"), False),
}


@pytest.mark.parametrize("change", CHANGES)
def test_apicurio_and_the_program_judge_a_change_alike(
    registry: Apicurio, settings: Settings, change: str
) -> None:
    schema, safe = CHANGES[change]
    assert (unsafe(schema_text("RollbackCommand"), schema, "FULL_TRANSITIVE") is None) == safe
    assert registry.compatible(f"{ROLLBACKS}-value", schema) == safe


def test_apicurio_keeps_an_unsafe_change_out(registry: Apicurio, settings: Settings) -> None:
    before = registry.ask("GET", f"/subjects/{ROLLBACKS}-value/versions")
    for change in (added(), without("subject")):
        status, answer = registry.register(f"{ROLLBACKS}-value", change)
        assert status == 409, answer
    assert registry.ask("GET", f"/subjects/{ROLLBACKS}-value/versions") == before


@contextmanager
def taken(registry: Apicurio, topic: Topic, schema: str) -> Iterator[None]:
    """Another program's schema under the subject of a topic, as if it had been there first."""
    path = f"/subjects/{subject_of(topic)}"
    forgotten = (f"{path}", f"{path}?permanent=true")
    assert [registry.ask("DELETE", each)[0] for each in forgotten] == [200, 200]
    assert registry.register(subject_of(topic), schema)[0] == 200
    yield
    assert [registry.ask("DELETE", each)[0] for each in forgotten] == [200, 200]


def test_a_subject_that_another_program_took_is_one_sentence(
    registry: Apicurio, settings: Settings
) -> None:
    topic = TOPICS[REDRIVES]
    foreign = {
        "type": "record",
        "name": "Redrive",
        "namespace": "mendstream",
        "fields": [{"name": "x", "type": "long"}],
    }
    with taken(registry, topic, json.dumps(foreign)):
        said = error("topics", "create", env=environment_of(settings))
        assert said == (
            f"The Schema Registry refuses the schema of Redrive: it is not {topic.compatibility} "
            "with what "
            f"{subject_of(topic)} has. Another version of Mendstream, or another program, "
            "registered it: compare the two."
        )
        said = error("processor", env=environment_of(settings))
        assert said.startswith(
            f"The Schema Registry at {registry.url} does not know this version of Redrive"
        )
        assert said.endswith("Run `mendstream topics create`, which registers the schemas.")
    prepared(settings)


def documented(settings: Settings) -> list[str]:
    """The command of docs/deploy.md, for this Kafka and this registry."""
    text = (ROOT / "docs" / "deploy.md").read_text().replace("\\\n", " ")
    (line,) = [line for line in text.splitlines() if line.startswith("kaskade consumer ")]
    here = {
        "localhost:9092": settings.bootstrap,
        f"http://localhost:8081{API}": settings.registry_url,
    }
    for there, address in here.items():
        assert there in line
        line = line.replace(there, address)
    return [str(KASKADE), *shlex.split(line)[1:]]


def test_a_person_reads_a_command_with_kaskade(settings: Settings, home: Path) -> None:
    codec = codec_for(settings)
    with Child(settings, home / "processor.log") as processor:
        send_harm(settings, [1], codec)
        assert wait_until(
            lambda: processor.ended or len(messages(settings, ROLLBACKS)) > 0, SECONDS
        )
        assert not processor.ended, processor.log.read_text()[-2_000:]
    (message,) = messages(settings, ROLLBACKS)
    value = bytes(message.value() or b"")
    command = codec.decode("RollbackCommand", value)
    assert isinstance(command, RollbackCommand)
    (person := home / "person").mkdir()
    with Terminal(documented(settings), person) as terminal:
        terminal.awaits(
            f"Records [{ROLLBACKS}][1]",
            f"bot-1 {{'command_id': '{command.command_id}', 'attempt': 1,",
        )
        terminal.press("Enter")
        terminal.awaits(
            f"Record Details [{ROLLBACKS}][{message.partition()}][0]",
            "STRING",
            '"bot-1"',
            "Headers [7]",
        )
        terminal.press("Right")
        terminal.awaits(
            f"Confluent · ID {unframe(value)[0]} · {ROLLBACKS}-value v1",
            f'"command_id": "{command.command_id}", "attempt": 1, "subject": "bot-1", "target": '
            '"bot-1/production", '
            '"experiment_id": "exp-1", "variant": "b", "model_version": null, "to_version": null, '
            '"reason": "',
            command.reason,
            '"topic": "experiments.results.v1",',
        )
        terminal.press("Right")
        terminal.awaits("ce_specversion · 0.003 KB")
        terminal.press("Tab")
        for position, (name, text) in enumerate(headers(message)):
            if position:
                terminal.press("Down")
            terminal.awaits(f"{position} {name}", f"{name} · ", f'"{(text or b"").decode()}"')
