"""The executor on a real Kafka: acts on what is committed, once, whatever it dies of."""

import json
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from confluent_kafka import TopicPartition

from schemas.catalog import ALERTS, COMMANDS, STATUS
from schemas.ids import partition_of
from schemas.records import Command, CommandStatus, Order, Status
from streams.kafka.backend import backend_of
from streams.kafka.reading import committed
from streams.runtime.clock import now_ms, wait_until
from streams.runtime.settings import Settings
from tests.support.builders import alert
from tests.support.executor.fakes import command
from tests.support.executor.servers import Receiver, apart
from tests.support.executor.store import Store
from tests.support.kafka.console import error, output
from tests.support.kafka.logs import CODEC, messages, send
from tests.support.kafka.running import SECONDS, Child, changed, own_topics, where

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def settings(kafka: str) -> Iterator[Settings]:
    """One broker; each test has a group and a target of its own, and leaves the commands of the
    others alone.
    """
    with own_topics(kafka, session_timeout_ms=2_000) as chosen:
        yield chosen


def target_of(settings: Settings) -> str:
    return f"{settings.group}/production"


def ordered(settings: Settings, order: Order, token: int, **fields: Any) -> Command:
    now = now_ms()
    given = {"target": target_of(settings), "issued_at": now, "expires_at": now + 3_600_000}
    return command(order, token, **given | fields)


def targets(
    settings: Settings,
    directory: Path,
    url: str,
    strategy: str = "immediate",
    bake_seconds: float = 0.0,
) -> Path:
    path = directory / "targets.yaml"
    site = (
        f"{{kind: http, match: {target_of(settings)}, url: '{url}/targets/{{target}}', "
        f"strategy: {strategy}, "
    )
    path.write_text(f"targets: [{site} bake_seconds: {bake_seconds}}}]")
    return path


class Executor(Child):
    def __init__(self, settings: Settings, file: Path, *more: str) -> None:
        log = file.with_suffix(".log")
        super().__init__(settings, log, "-m", "streams", "executor", "--targets", str(file), *more)


def reports(settings: Settings, command_id: str) -> list[CommandStatus]:
    found = [CODEC.decode("CommandStatus", each.value()) for each in messages(settings, STATUS)]
    return [
        each for each in found if isinstance(each, CommandStatus) and each.command_id == command_id
    ]


def ends(settings: Settings, command_id: str) -> list[Status]:
    final = (Status.COMPLETED, Status.FAILED, Status.REFUSED)
    return [each.status for each in reports(settings, command_id) if each.status in final]


def until(condition: Callable[[], bool], executor: Executor) -> None:
    assert wait_until(lambda: condition() or executor.ended, SECONDS), executor.log.read_text()
    assert condition(), executor.log.read_text()


def of(store: Store, command_id: str) -> list[tuple[str, int]]:
    return [
        (each["phase"], each["share"]) for each in store.effects if each["command_id"] == command_id
    ]


def transact(settings: Settings, sent: Command, commit: bool) -> None:
    """Publishes a command in a transaction, as the processor does."""
    producer = backend_of(settings).producer(
        settings.client(
            **{"transactional.id": f"test-{sent.command_id}", "compression.type": "lz4"}
        )
    )
    producer.init_transactions(SECONDS)
    producer.begin_transaction()
    part = partition_of(sent.subject, settings.partitions)
    producer.produce(COMMANDS["DEPLOY"], CODEC.encode(sent), sent.subject, part)
    producer.flush(SECONDS)
    (producer.commit_transaction if commit else producer.abort_transaction)(SECONDS)


def group_offset(settings: Settings, topic: str) -> int:
    consumer = backend_of(settings).consumer(
        settings.client(**{"group.id": f"{settings.group}-executor"})
    )
    try:
        part = TopicPartition(topic, partition_of("shop", settings.partitions))
        return committed(consumer, [part], settings).get((part.topic, part.partition), -1)
    finally:
        consumer.close()


def test_what_was_aborted_is_not_acted_upon_and_what_was_committed_is_once(
    settings: Settings, tmp_path: Path
) -> None:
    own = changed(settings, group="aborts")
    store = Store(target_of(own))
    with apart(store.app()) as url:
        file = targets(own, tmp_path, url)
        with Executor(own, file) as executor:
            executor.awaits("carrying commands out")
            transact(
                own,
                ordered(own, Order.DEPLOY, 1, command_id="aborted", model_version="bad"),
                commit=False,
            )
            transact(own, ordered(own, Order.DEPLOY, 2, command_id="committed"), commit=True)
            until(lambda: ends(own, "committed") == [Status.COMPLETED], executor)
            transact(
                own,
                ordered(own, Order.DEPLOY, 3, command_id="aborted too", model_version="bad"),
                commit=False,
            )
            transact(
                own,
                ordered(own, Order.DEPLOY, 4, command_id="last", model_version="v3"),
                commit=True,
            )
            until(lambda: ends(own, "last") == [Status.COMPLETED], executor)
            (last,) = [
                each
                for each in messages(own, COMMANDS["DEPLOY"])
                if command_of(each.value()) == "last"
            ]
            until(
                lambda: group_offset(own, COMMANDS["DEPLOY"]) == (last.offset() or 0) + 1, executor
            )
            assert listening(executor) == 1, "only /metrics, /live and /ready are served"
            executor.send(signal.SIGTERM)
            assert executor.wait() == 0
        told = len(messages(own, STATUS))
        with Executor(own, file) as executor:
            executor.awaits("carrying commands out", 2)
            transact(own, ordered(own, Order.ROLLBACK, 5, command_id="stray"), commit=False)
            send(
                own,
                COMMANDS["ROLLBACK"],
                [
                    ordered(
                        own,
                        Order.ROLLBACK,
                        6,
                        command_id="rollback",
                        model_version="v3",
                        to_version="v2",
                    )
                ],
            )
            until(lambda: ends(own, "rollback") == [Status.COMPLETED], executor)
        assert len(messages(own, STATUS)) == told + 2, "what was answered for did not come again"
    assert {each["command_id"] for each in store.effects} == {"committed", "last", "rollback"}
    assert of(store, "committed") == of(store, "last") == [("BAKING", 100), ("PROMOTED", 0)]
    assert [each.status for each in reports(own, "committed")] == [
        Status.ACKNOWLEDGED,
        Status.IN_PROGRESS,
        Status.COMPLETED,
    ]
    assert reports(own, "committed")[1].detail == "immediate of v2: share=100%"
    assert reports(own, "aborted") == reports(own, "aborted too") == []


@pytest.mark.parametrize("dies_at", ["BAKING", "PROMOTED"])
def test_killed_between_act_and_report_it_acts_once_and_reports_once(
    settings: Settings, tmp_path: Path, dies_at: str
) -> None:
    own = changed(settings, group=f"killed-{dies_at.lower()}")
    store = Store(target_of(own))
    given = ordered(own, Order.DEPLOY, 10, command_id=f"killed at {dies_at}", model_version="v7")
    with apart(store.app()) as url:
        file = targets(own, tmp_path, url)
        with Executor(own, file) as executor:
            executor.awaits("carrying commands out")

            def kill(effect: Mapping[str, Any]) -> None:
                if (effect["command_id"], effect["phase"]) == (given.command_id, dies_at):
                    executor.send(signal.SIGKILL)

            store.after_put = kill
            send(own, COMMANDS["DEPLOY"], [given])
            assert executor.wait() == -signal.SIGKILL
        assert ends(own, given.command_id) == []
        store.after_put = lambda _: None
        with Executor(own, file) as executor:
            until(lambda: ends(own, given.command_id) != [], executor)
            later = replace(
                given, command_id=f"{given.command_id}, later", fencing_token=11, model_version="v8"
            )
            send(own, COMMANDS["DEPLOY"], [later])
            until(lambda: ends(own, later.command_id) == [Status.COMPLETED], executor)
    assert of(store, given.command_id) == [("BAKING", 100), ("PROMOTED", 0)]
    assert ends(own, given.command_id) == [Status.COMPLETED]


def test_killed_again_and_again_a_canary_goes_up_its_ramp_once(
    settings: Settings, tmp_path: Path
) -> None:
    own = changed(settings, group="canary")
    store = Store(target_of(own))
    given = ordered(own, Order.DEPLOY, 20, command_id="canary", model_version="v20")
    with apart(store.app()) as url:
        file = targets(own, tmp_path, url, "canary", 0.1)
        send(own, COMMANDS["DEPLOY"], [given])
        for share in (1, 25, 100):
            with Executor(own, file) as executor:

                def kill(
                    effect: Mapping[str, Any], dying: Executor = executor, at: int = share
                ) -> None:
                    if (effect["command_id"], effect["share"]) == (given.command_id, at):
                        dying.send(signal.SIGKILL)

                store.after_put = kill
                assert executor.wait() == -signal.SIGKILL, executor.log.read_text()
        store.after_put = lambda _: None
        with Executor(own, file) as executor:
            until(lambda: ends(own, given.command_id) == [Status.COMPLETED], executor)
    ramp = [("BAKING", share) for share in (1, 5, 10, 25, 50, 100)]
    assert of(store, given.command_id) == [*ramp, ("PROMOTED", 0)]


def test_a_rollout_moves_to_another_executor_and_a_rollback_stops_it_there(
    settings: Settings, tmp_path: Path
) -> None:
    own = changed(settings, group="moved")
    store = Store(target_of(own))
    given = ordered(own, Order.DEPLOY, 30, command_id="moved", model_version="v30")
    with apart(store.app()) as url:
        file = targets(own, tmp_path, url, "canary", 600.0)
        with Executor(own, file) as first, Executor(changed(own, slot="1"), file) as second:
            first.awaits("carrying commands out", 2)
            send(own, COMMANDS["DEPLOY"], [given])
            until(lambda: of(store, given.command_id) == [("BAKING", 1)], first)
            first.send(signal.SIGKILL)
            assert first.wait() == -signal.SIGKILL
            send(
                own,
                COMMANDS["ROLLBACK"],
                [ordered(own, Order.ROLLBACK, 31, command_id="stopped", model_version="v30")],
            )
            until(lambda: ends(own, "stopped") == [Status.COMPLETED], second)
            until(lambda: ends(own, given.command_id) != [], second)
    assert of(store, given.command_id) == [("BAKING", 1)]
    assert of(store, "stopped") == [("ROLLED_BACK", 0)]
    assert ends(own, given.command_id) in ([Status.FAILED], [Status.REFUSED])


def test_alerts_are_told_of_and_told_again_where_nobody_took_them(
    settings: Settings, tmp_path: Path
) -> None:
    own = changed(settings, group="alerts")
    receiver = Receiver(first=[web.Response(status=503)])
    raised = alert(raised_at=now_ms())
    with apart(receiver.app()) as url:
        file = targets(own, tmp_path, url)
        routes = tmp_path / "routes.yaml"
        routes.write_text(
            f"channels: {{am: {{kind: alertmanager, url: '{url}'}}}}\nroutes: [{{channels: [am]}}]"
        )
        with Executor(own, file, "--routes", str(routes)) as executor:
            send(own, ALERTS, [raised], [raised.key])
            until(lambda: len(receiver.asked) == 2, executor)
            until(lambda: executor.says("am has alert a-1, raised"), executor)
    assert receiver.asked[0].body == receiver.asked[1].body


def test_a_forged_command_is_told_of_and_neither_obeyed_nor_answered(
    settings: Settings, tmp_path: Path
) -> None:
    own = changed(settings, group="forged")
    receiver, store = Receiver(), Store(target_of(own))

    def forged() -> list[str]:
        """The reasons that were told of; other tests' alerts stand on the topic too."""
        labels = [each["labels"] for asked in receiver.asked for each in json.loads(asked.body)]
        return [each["metric"] for each in labels if each["alertname"] == "forged command"]

    output("keys", "new", tmp_path / "key.pem")
    (tmp_path / "keys").write_text(output("keys", "public", tmp_path / "key.pem"))
    with apart(receiver.app()) as hook, apart(store.app()) as url:
        file, routes = targets(own, tmp_path, url), tmp_path / "routes.yaml"
        routes.write_text(
            f"channels: {{am: {{kind: alertmanager, url: '{hook}'}}}}\nroutes: [{{channels: [am]}}]"
        )
        with Executor(
            own, file, "--routes", str(routes), "--keys", str(tmp_path / "keys")
        ) as executor:
            send(own, COMMANDS["DEPLOY"], [ordered(own, Order.DEPLOY, 40, command_id="forged")])
            until(lambda: forged() == ["UNSIGNED"], executor)
    assert (store.effects, reports(own, "forged")) == ([], [])


def test_what_keeps_it_from_starting_is_said_in_a_line(settings: Settings, tmp_path: Path) -> None:
    missing = tmp_path / "none.yaml"
    assert (
        error("executor", "--targets", missing) == f"There is no file {missing}. Name a YAML file."
    )
    file = targets(settings, tmp_path, "http://127.0.0.1:1")
    assert error("executor", "--targets", file, "--bootstrap", "127.0.0.1:1").startswith(
        "No Kafka answers at 127.0.0.1:1."
    )
    said = error("executor", "--targets", file, *where(settings), "--partitions", "9")
    assert "has 4 partitions, 9 are configured." in said


def command_of(value: bytes | None) -> str:
    found = CODEC.decode("DeployCommand", value)
    assert isinstance(found, Command)
    return found.command_id


def listening(executor: Executor) -> int:
    """How many TCP sockets a process listens at."""
    table = Path("/proc/net/tcp").read_text().splitlines()[1:]
    open_to_all = {fields[9] for fields in (line.split() for line in table) if fields[3] == "0A"}
    links = (Path(f"/proc/{executor.pid}/fd")).iterdir()
    return sum(
        f"{link.readlink()}".removeprefix("socket:[").removesuffix("]") in open_to_all
        for link in links
    )
