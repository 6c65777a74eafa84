"""The life of a command over a real Kafka, at the command line: approved, issued, answered for,
undone; frozen everywhere.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event
from confluent_kafka import Message
from jsonschema import Draft7Validator

from schemas.catalog import (
    ALERTS,
    COMMANDS,
    DECISIONS,
    FAILURES,
    POLICIES,
    STATUS,
    TABLES_COMMANDS,
    TOPICS,
    TRANSITIONS,
)
from schemas.ids import event_uuid
from schemas.records import (
    Alert,
    AlertState,
    Command,
    CommandRow,
    CommandStatus,
    Phase,
    Policy,
    Status,
    Transition,
)
from streams.history.replay import main as replay
from streams.operations.asyncapi.document import document
from streams.operations.asyncapi.messages import is_cloud_event
from streams.runtime.clock import now_ms, utc
from streams.runtime.settings import Settings
from tests.support.kafka.console import error, lines, output
from tests.support.kafka.logs import (
    CODEC,
    commands,
    headers,
    messages,
    send,
    send_harm,
    send_planted,
    table,
)
from tests.support.kafka.running import Threaded, own_topics, where

pytestmark = pytest.mark.kafka
CLOUD_EVENT = {"specversion", "id", "source", "type", "time", "subject", "datacontenttype"}


@pytest.fixture
def settings(kafka: str) -> Iterator[Settings]:
    with own_topics(kafka) as chosen:
        yield chosen


def completed(command: Command) -> CommandStatus:
    return CommandStatus(
        event_id=event_uuid("completed", command.command_id, command.attempt),
        command_id=command.command_id,
        attempt=command.attempt,
        subject=command.subject,
        status=Status.COMPLETED,
        fencing_token=command.fencing_token,
        reported_at=now_ms(),
        reporter="a test",
    )


def row(settings: Settings, command_id: str) -> CommandRow:
    found = table(settings, TABLES_COMMANDS)[command_id]
    assert isinstance(found, CommandRow)
    return found


def test_a_persons_deployment_is_approved_by_another_and_undone(settings: Settings) -> None:
    at = where(settings)
    with Threaded(settings) as worker:
        worker.until(lambda: worker.ready)
        asked = ("deploy", "acme/bot", "--variant", "b", "--to-version", "v2", "--by", "ann")
        assert error(*asked, *at) == (
            "Nobody ever saw subject 'acme/bot'. Nothing was ordered; --yes orders it all the same."
        )
        said = output(*asked, "--yes", *at)
        command_id, _, phase = said.strip().partition(": ")
        assert phase == "PENDING_APPROVAL, because the policy asks a person"
        assert [one["command_id"] for one in lines("pending", *at)] == [command_id]
        assert lines("pending", "--subject", "acme/other", *at) == []
        (status,) = lines("status", *at)
        assert [one["command_id"] for one in status["waits for a person"]] == [command_id]
        assert "asked for" in error("approve", command_id, "--by", "ann", *at)
        assert (
            output("approve", command_id[:8], "--by", "bob", *at).strip()
            == f"{command_id}: PENDING_APPROVAL -> ISSUED"
        )
        assert "does not wait" in error("reject", command_id, "--by", "bob", *at)
        assert lines("pending", *at) == []
        (status,) = lines("status", "--subject", "acme/bot", *at)
        assert [one["command_id"] for one in status["under way"]] == [command_id]
        (deployment,) = commands(settings)
        send(settings, STATUS, [completed(deployment)])
        worker.until(lambda: row(settings, command_id).phase == Phase.COMPLETED)
        assert (
            output("cancel", command_id, "--by", "bob", *at).strip()
            == f"{command_id}: COMPLETED -> COMPENSATING"
        )
        undo = max(commands(settings), key=lambda one: one.fencing_token)
        assert (undo.compensates, undo.fencing_token) == (command_id, deployment.fencing_token + 1)
        send(settings, STATUS, [completed(undo)])
        worker.until(lambda: row(settings, command_id).phase == Phase.COMPENSATED)
    (life,) = lines("show", command_id[:8], *at)
    assert [(one["after"], one["by"]) for one in life["steps"]] == [
        ("PENDING_APPROVAL", "ann"),
        ("ISSUED", "bob"),
        ("COMPLETED", "a test"),
        ("COMPENSATING", "bob"),
        ("COMPENSATED", "a test"),
    ]
    assert life["command"]["command_id"] == command_id
    assert life["may_be_done"] == []
    assert "No command" in error("show", "ffffff0000", *at)
    told = [
        CODEC.decode("Transition", message.value()) for message in messages(settings, TRANSITIONS)
    ]
    moves = [
        one.after for one in told if isinstance(one, Transition) and one.command_id == command_id
    ]
    assert moves == [
        Phase.PENDING_APPROVAL,
        Phase.ISSUED,
        Phase.COMPLETED,
        Phase.COMPENSATING,
        Phase.COMPENSATED,
    ]
    assert replay(settings) == 0


def test_a_freeze_of_everything_reaches_every_partition_and_outlives_a_restart(
    settings: Settings,
) -> None:
    at = where(settings)
    with Threaded(settings) as worker:
        worker.until(lambda: worker.ready)
        assert output("freeze", "--by", "ann", *at).strip() == "*: freeze asked by ann"
        worker.until(
            lambda: sum(one["frozen_by"] == "ann" for one in lines("table", "subjects", *at)) >= 1
        )
    with Threaded(settings) as worker:
        worker.takes_in(send_planted(settings, 30_000))
        worker.until(lambda: len(waiting(settings)) > 4)
        assert commands(settings) == []
        frozen = waiting(settings)
        assert {one.waits_for for one in frozen} == {"ann froze *"}
        output("unfreeze", "--by", "ann", *at)
        output("approve", frozen[0].command_id, "--by", "bob", *at)
        assert len(commands(settings)) == 1
    assert replay(settings) == 0


def test_a_storm_stays_within_the_budget_and_the_rest_waits_under_one_alert(
    settings: Settings,
) -> None:
    storm, budget = 50, 20
    policy = Policy(
        event_id="tight", policy_id="tight", commands_per_hour=budget, subjects_share=1.0
    )
    send(settings, POLICIES, [policy], [policy.policy_id])
    with Threaded(settings) as worker:
        worker.until(lambda: worker.ready)
        send_harm(settings, range(storm))
        worker.until(lambda: len(commands(settings)) + len(waiting(settings)) == storm)
        assert (len(commands(settings)), len(waiting(settings))) == (budget, storm - budget)
        first, *_ = waiting(settings)
        output("approve", first.command_id, "--by", "bob", *where(settings))
        assert len(commands(settings)) == budget + 1
    told = [CODEC.decode("Alert", message.value()) for message in messages(settings, ALERTS)]
    assert [
        (one.key, one.state)
        for one in told
        if isinstance(one, Alert) and one.rule == "budget spent"
    ] == [("default", AlertState.RAISED)]
    assert replay(settings) == 0


def waiting(settings: Settings) -> list[CommandRow]:
    rows = table(settings, TABLES_COMMANDS).values()
    return [
        one for one in rows if isinstance(one, CommandRow) and one.phase == Phase.PENDING_APPROVAL
    ]


def event_of(message: Message) -> Any:
    """What a consumer of CloudEvents is given."""
    found = {name: value or b"" for name, value in headers(message)}
    assert len(found) == len(headers(message)), "a header stands there twice"
    return from_binary_event(KafkaMessage(found, message.key(), message.value() or b""))


def test_a_consumer_of_cloud_events_reads_what_was_written_with_the_headers_that_are_documented(
    settings: Settings,
) -> None:
    with Threaded(settings) as worker:
        worker.takes_in(send_planted(settings, 30_000))
        said = output(
            "rollback",
            "acme/events",
            "--version",
            "v2",
            "--by",
            "ann",
            "--yes",
            *where(settings),
        )
    (message,) = [
        each for each in messages(settings, COMMANDS["ROLLBACK"]) if each.key() == b"acme/events"
    ]
    event, command = event_of(message), CODEC.decode("RollbackCommand", message.value())
    assert isinstance(command, Command)
    assert said.startswith(command.command_id)
    assert event.get_type() == "mendstream.RollbackCommand.v1"
    assert event.get_source() == f"mendstream/{settings.group}"
    assert event.get_subject() == event.get_extension("partitionkey") == command.subject
    assert event.get_datacontenttype() == "application/avro"
    assert event.get_time() == utc(command.issued_at)
    assert event.get_time().utcoffset() == timedelta(0)
    assert event.get_data() == message.value()
    (moved,) = [each for each in messages(settings, TRANSITIONS) if each.key() == b"acme/events"]
    told = CODEC.decode("Transition", moved.value())
    assert isinstance(told, Transition)
    assert (event_of(moved).get_id(), event_of(moved).get_time()) == (
        told.event_id,
        utc(told.moved_at),
    )
    _headers_are_documented(settings)


def _headers_are_documented(settings: Settings) -> None:
    """Compares the headers of each topic with what the AsyncAPI document says of them."""
    described, seen = document(settings)["components"]["messages"], set()
    for topic in TOPICS.values():
        for message in messages(settings, topic.name):
            found = dict(headers(message))
            assert is_cloud_event(topic) == ("ce_id" in found), topic.name
            if is_cloud_event(topic):
                texts = {name: (value or b"").decode() for name, value in found.items()}
                Draft7Validator(described[topic.record]["headers"]).validate(texts)
                event = event_of(message)
                assert event.get_type() == f"mendstream.{topic.record}.v1"
                assert set(event.get_attributes()) == CLOUD_EVENT | {"partitionkey"}, (
                    "no extension that is not told of"
                )
                seen.add(topic.name)
    assert {COMMANDS["ROLLBACK"], DECISIONS, TRANSITIONS, FAILURES} <= seen
