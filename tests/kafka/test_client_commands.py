"""A handler is all that a deployer writes: the processor hears what it says of a command."""

import asyncio
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from threading import Event, Thread
from typing import Any

import fastavro
import pytest

from mendstream.client import (
    AsyncCommands,
    CandidateFailed,
    ClientError,
    Command,
    Commands,
    Done,
    RetrainCommand,
    RollbackCommand,
    Superseded,
)
from mendstream.client import following as reading
from mendstream.client.duties import NotObeyed
from mendstream.client.time_and_ids import now_ms
from schemas.catalog import COMMANDS, STATUS, plain_schema, schema_text
from schemas.codec.framing import Codec, datum, frame
from schemas.records import CommandStatus, FailureCause, Status
from streams.kafka.publisher import Publisher
from streams.kafka.schema_ids import codec_for, register
from streams.runtime.clock import wait_until
from streams.runtime.settings import Settings
from tests.support.kafka.logs import CODEC, messages
from tests.support.kafka.registry import Registry, serving
from tests.support.kafka.running import changed, own_topics
from tests.support.signed import ROLLBACK

pytestmark = pytest.mark.kafka
SECONDS = 60.0


@pytest.fixture
def settings(kafka: str) -> Iterator[Settings]:
    with own_topics(kafka) as chosen:
        yield chosen


def command(number: int = 1, **more: Any) -> RollbackCommand:
    fields: dict[str, Any] = {
        "command_id": f"c{number}",
        "fencing_token": number,
        "to_version": "v1",
        "issued_at": now_ms(),
        "expires_at": now_ms() + 3_600_000,
    }
    return replace(ROLLBACK, **fields | more)


def sends(settings: Settings, *commands: Command, codec: Codec = CODEC) -> None:
    publisher = Publisher(settings, codec)
    for each in commands:
        order = type(each).__name__.removesuffix("Command").upper()
        publisher.publish(COMMANDS[order], each.subject, each)
    publisher.flush()


def statuses(settings: Settings) -> list[CommandStatus]:
    found = [CODEC.decode("CommandStatus", each.value()) for each in messages(settings, STATUS)]
    return [each for each in found if isinstance(each, CommandStatus)]


def said(settings: Settings) -> list[tuple[str, Status, str, FailureCause]]:
    return [(each.command_id, each.status, each.detail, each.cause) for each in statuses(settings)]


def given(settings: Settings, state: Path, **more: Any) -> dict[str, Any]:
    of_kafka = {"bootstrap": settings.bootstrap, "topic_prefix": settings.topic_prefix}
    return of_kafka | {"state": state, "reporter": "test"} | more


@contextmanager
def following(commands: Commands, handler: Any) -> Iterator[None]:
    """A deployer in a thread; it must end without an error."""
    ended: list[BaseException] = []

    def follows() -> None:
        try:
            with commands:
                commands.follow(handler)
        except BaseException as error:  # noqa: BLE001 - it is told below
            ended.append(error)

    thread = Thread(target=follows)
    thread.start()
    try:
        yield
    finally:
        commands.stop()
        thread.join(SECONDS)
    assert not thread.is_alive()
    assert ended == []


def answers(settings: Settings, count: int) -> None:
    assert wait_until(lambda: len(statuses(settings)) >= count, SECONDS), said(settings)


def test_what_a_handler_says_is_what_is_reported(settings: Settings, tmp_path: Path) -> None:
    taken: list[Command] = []

    def handler(one: Command) -> Done | str | None:
        taken.append(one)
        match one.command_id:
            case "c2":
                raise CandidateFailed("it answers nothing")
            case "c3":
                raise Superseded("c4")
            case "c4":
                raise OSError("out of reach")
            case "c5":
                return Done("trained", made_version="v9")
        return "it serves v1"

    sent = [command(number) for number in range(1, 6)]
    sends(settings, *sent)
    commands = Commands(**given(settings, tmp_path / "state"))
    with following(commands, handler):
        answers(settings, 10)
    assert taken == sent
    none = FailureCause.UNKNOWN
    assert said(settings)[1::2] == [
        ("c1", Status.COMPLETED, "it serves v1", none),
        ("c2", Status.FAILED, "it answers nothing", FailureCause.CANDIDATE),
        ("c3", Status.FAILED, "c4", FailureCause.SUPERSEDED),
        ("c4", Status.FAILED, "OSError: out of reach", FailureCause.DEPLOYER),
        ("c5", Status.COMPLETED, "trained", none),
    ]
    assert {each.status for each in statuses(settings)[::2]} == {Status.ACKNOWLEDGED}
    assert statuses(settings)[-1].made_version == "v9"
    for each in statuses(settings):
        assert (each.reporter, each.subject) == ("test", ROLLBACK.subject)
        assert each.fencing_token == int(each.command_id[1:])


def test_what_ended_is_answered_alike_and_not_done_again(
    settings: Settings, tmp_path: Path
) -> None:
    taken: list[tuple[str, int]] = []

    def handler(one: Command) -> None:
        taken.append((one.command_id, one.attempt))
        if one.attempt == 1 and one.command_id == "c2":
            raise OSError("out of reach")

    for round_ in range(2):  # the second finds what the first left in its state
        sends(settings, command(1), command(2))
        with following(Commands(**given(settings, tmp_path / "state")), handler):
            answers(settings, 4 + 2 * round_)
    sends(settings, command(3, command_id="c1", attempt=2), command(4, command_id="c2", attempt=2))
    with following(Commands(**given(settings, tmp_path / "state")), handler):
        answers(settings, 9)
    assert taken == [("c1", 1), ("c2", 1), ("c2", 2)]
    by_id = {each.event_id: each.status for each in statuses(settings)}
    assert sorted(by_id.values()) == sorted(
        [
            *(Status.ACKNOWLEDGED, Status.COMPLETED),  # c1
            *(Status.ACKNOWLEDGED, Status.FAILED),  # c2
            Status.COMPLETED,  # c1 again, of attempt 2
            *(Status.ACKNOWLEDGED, Status.COMPLETED),  # c2 again
        ]
    )


def test_what_is_not_obeyed_is_told_and_answered_only_where_it_is_genuine(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[NotObeyed] = []
    good, old = command(5), command(4)
    late, dry = command(6, expires_at=now_ms() - 1), command(7, dry_run=True)
    publisher = Publisher(settings, CODEC)
    publisher.send(COMMANDS["ROLLBACK"], good.subject, b"no command")
    publisher.publish(COMMANDS["ROLLBACK"], "another", command(8))
    publisher.flush()
    sends(settings, good, old, late, dry)
    caplog.set_level(logging.WARNING, "mendstream.client")
    commands = Commands(**given(settings, tmp_path / "state"), on_refused=heard.append)
    with following(commands, lambda one: None):
        answers(settings, 5)
        assert wait_until(lambda: len(heard) == 4, SECONDS)
    assert sorted(each.reason for each in heard) == [
        *("EXPIRED", "STALE_TOKEN", "UNREADABLE", "WRONG_KEY")
    ]
    none = FailureCause.UNKNOWN
    assert sorted(said(settings)) == sorted(
        [
            ("c5", Status.ACKNOWLEDGED, "", none),
            ("c5", Status.COMPLETED, "", none),
            ("c4", Status.REFUSED, "STALE_TOKEN", none),
            ("c6", Status.REFUSED, "EXPIRED", none),
            ("c7", Status.COMPLETED, "a dry run: nothing was changed", none),
        ]
    )
    assert "whoever can write to" in caplog.text, "it has no keys, and says so"
    assert "is not obeyed (UNREADABLE" in caplog.text


def test_a_handler_reports_the_share_of_the_traffic(settings: Settings, tmp_path: Path) -> None:
    sends(settings, command())
    commands = Commands(**given(settings, tmp_path / "state"))
    with pytest.raises(ClientError, match="No command is under way"):
        commands.report("nothing")

    def handler(_: Command) -> None:
        commands.report("a quarter", traffic_share=0.25, share_from=now_ms())
        commands.report("half", traffic_share=0.5)
        with pytest.raises(ClientError, match="Traffic_share 2 is not in"):
            commands.report(traffic_share=2.0)

    with following(commands, handler):
        answers(settings, 4)
    assert [(each.status, each.detail, each.traffic_share) for each in statuses(settings)] == [
        (Status.ACKNOWLEDGED, "", None),
        (Status.IN_PROGRESS, "a quarter", 0.25),
        (Status.IN_PROGRESS, "half", 0.5),
        (Status.COMPLETED, "", None),
    ]
    assert len({each.event_id for each in statuses(settings)}) == 4


def test_asyncio_follows_until_it_is_stopped(settings: Settings, tmp_path: Path) -> None:
    retrain = RetrainCommand(
        **{name: getattr(command(2), name) for name in RollbackCommand.__dataclass_fields__}
        | {"target": "elsewhere"},  # which topic is read first is nobody's promise
        trigger="drift",
    )
    sends(settings, command(), retrain)

    async def obeys() -> list[Command]:
        taken: list[Command] = []
        orders = ("ROLLBACK", "RETRAIN")
        commands = AsyncCommands(**given(settings, tmp_path / "state"), orders=orders)

        async def handler(one: Command) -> Done:
            taken.append(one)
            await commands.report(f"{len(taken)} so far")
            if len(taken) == 2:
                commands.stop()
            return Done(type(one).__name__)

        async with commands:
            await commands.follow(handler)
        return taken

    taken = asyncio.run(obeys())
    assert sorted(each.command_id for each in taken) == ["c1", "c2"]
    assert {type(each) for each in taken} == {RollbackCommand, RetrainCommand}
    assert sorted(each.detail for each in statuses(settings)) == [
        *("", "", "1 so far", "2 so far", "RetrainCommand", "RollbackCommand")
    ]


def test_asyncio_leaves_what_was_cancelled_to_come_again(
    settings: Settings, tmp_path: Path
) -> None:
    sends(settings, command())

    async def is_cancelled() -> bool:
        begun, ended = asyncio.Event(), asyncio.Event()

        async def handler(_: Command) -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        async with AsyncCommands(**given(settings, tmp_path / "state")) as commands:
            task = asyncio.create_task(commands.follow(handler))
            await asyncio.wait_for(begun.wait(), SECONDS)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.wait_for(ended.wait(), SECONDS)
        return True

    assert asyncio.run(is_cancelled())
    assert [each.status for each in statuses(settings)] == [Status.ACKNOWLEDGED]
    with following(Commands(**given(settings, tmp_path / "state")), lambda one: "now"):
        answers(settings, 3)
    assert statuses(settings)[-1].detail == "now"


def test_schema_ids_are_the_registrys_where_there_is_one(
    settings: Settings, tmp_path: Path
) -> None:
    with serving(Registry()) as registry:
        known = changed(settings, registry_url=registry.url)
        register(known)
        codec = codec_for(known)
        sends(settings, command(), codec=codec)
        commands = Commands(**given(settings, tmp_path / "state"), registry_url=registry.url)
        with following(commands, lambda one: None):
            assert wait_until(lambda: len(messages(settings, STATUS)) == 2, SECONDS)
    found = [codec.decode("CommandStatus", each.value()) for each in messages(settings, STATUS)]
    assert [each.status for each in found if isinstance(each, CommandStatus)] == [
        Status.ACKNOWLEDGED,
        Status.COMPLETED,
    ]


def test_commands_of_a_newer_processor_are_read_by_its_schema(
    settings: Settings, tmp_path: Path
) -> None:
    heard: list[NotObeyed] = []
    with serving(Registry()) as registry:
        register(changed(settings, registry_url=registry.url))
        topic, newer = COMMANDS["ROLLBACK"], json.loads(schema_text("RollbackCommand"))
        newer["fields"].append({"name": "urgency", "type": "string", "default": ""})
        known = registry.add(f"{settings.topic(topic)}-value", json.dumps(newer))
        body = BytesIO()
        said = datum(command()) | {"urgency": "high"}
        fastavro.schemaless_writer(body, plain_schema(json.dumps(newer)), said)
        publisher = Publisher(settings, CODEC)
        publisher.send(topic, ROLLBACK.subject, frame(known, body.getvalue()))
        publisher.send(topic, ROLLBACK.subject, frame(999, body.getvalue()))
        publisher.flush()
        commands = Commands(
            **given(settings, tmp_path / "state"),
            registry_url=registry.url,
            on_refused=heard.append,
        )
        taken: list[Command] = []
        with following(commands, taken.append):
            assert wait_until(lambda: len(heard) == 1, SECONDS)
    assert [(each.command_id, each.to_version) for each in taken] == [("c1", "v1")]
    assert heard[0].reason == "UNREADABLE"
    assert "schema 999 is not a known schema" in heard[0].sentence


def test_a_long_command_is_reported_and_keeps_its_place_in_the_group(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "UNDER_WAY_SECONDS", 0.0)
    may_end = Event()
    sends(settings, command())
    commands = Commands(**given(settings, tmp_path / "state"))
    with following(commands, lambda one: str(may_end.wait(SECONDS))):
        answers(settings, 3)
        sends(settings, command(2))  # it waits for its turn
        answers(settings, 5)
        may_end.set()
        assert wait_until(lambda: "c2" in {each.command_id for each in statuses(settings)}, SECONDS)
    by_command = [each for each in statuses(settings) if each.command_id == "c1"]
    ends = [each.status for each in by_command]
    assert ends == [
        Status.ACKNOWLEDGED,
        *[Status.IN_PROGRESS] * (len(ends) - 2),
        Status.COMPLETED,
    ]
    assert len({each.event_id for each in by_command}) == len(by_command)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"orders": ("REMOVE",)}, r"There are no orders \['REMOVE'\]"),
        ({"keys": "/nowhere/keys"}, "The keys in /nowhere/keys cannot be used"),
        ({"topic_prefix": "elsewhere."}, r"has no topic elsewhere\.commands\.rollback\.v1"),
        ({"state": "/nowhere/state"}, "The state file /nowhere/state cannot be used"),
        ({"bootstrap": "127.0.0.1:1", "check_seconds": 1.0}, "No Kafka answers at 127.0.0.1:1"),
    ],
)
def test_what_a_deployer_cannot_begin_with_is_told(
    settings: Settings, tmp_path: Path, more: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ClientError, match=sentence):
        Commands(**(given(settings, tmp_path / "state") | more))
