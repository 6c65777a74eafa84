"""The executor under its own principal, over TLS: it does its work with the rights of its role.

It comes after the main job, whose audit would find the command that nothing led to.
"""

import signal
from pathlib import Path

import pytest

from schemas.catalog import ALERTS, COMMANDS, STATUS
from schemas.records import CommandStatus, Order, Status
from streams.executor.targets.file_target import FileTarget
from streams.runtime.clock import now_ms, wait_until
from tests.support.executor.fakes import command
from tests.support.kafka.console import error
from tests.support.kafka.logs import CODEC, messages, send
from tests.support.kafka.running import SECONDS, Child, environment_of
from tests.support.security.secured import Secured

pytestmark = pytest.mark.kafka

TARGET = "rights/production"


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    """Of an executor with a target in files and a channel that is never used."""
    targets, routes = tmp_path / "targets.yaml", tmp_path / "routes.yaml"
    targets.write_text(
        f"targets: [{{kind: file, match: {TARGET}, directory: {tmp_path}, strategy: immediate}}]"
    )
    routes.write_text(
        "channels: {am: {kind: alertmanager, url: 'http://127.0.0.1:1'}}\nroutes: [{channels: "
        "[am]}]"
    )
    return ["executor", "--targets", str(targets), "--routes", str(routes)]


def test_it_carries_a_command_out_with_the_rights_of_its_role(
    secured: Secured, tmp_path: Path, arguments: list[str]
) -> None:
    now = now_ms()
    given = command(
        Order.ROLLBACK, target=TARGET, command_id="secured", issued_at=now, expires_at=now + 600_000
    )
    with Child(secured.as_("executor"), tmp_path / "log", "-m", "streams", *arguments) as child:
        child.awaits("carrying commands out")
        send(secured.as_("processor"), COMMANDS["ROLLBACK"], [given])
        assert wait_until(lambda: child.ended or Status.COMPLETED in told(secured), SECONDS), (
            child.log.read_text()
        )
        child.send(signal.SIGTERM)
        assert child.wait() == 0, child.log.read_text()
    assert told(secured) == [Status.ACKNOWLEDGED, Status.COMPLETED]
    assert [each["phase"] for each in FileTarget(tmp_path).effects(TARGET)] == ["ROLLED_BACK"]


def test_without_rights_it_says_which_are_missing(secured: Secured, arguments: list[str]) -> None:
    user = secured.newcomer([])
    said = error(*arguments, env=environment_of(secured.as_(user)))
    assert f"denies '{user}' this: DESCRIBE topic" in said
    assert {name for name in (STATUS, ALERTS, *COMMANDS.values()) if name not in said} == set()


def told(secured: Secured) -> list[Status]:
    ours = (
        each for each in messages(secured.as_("operator"), STATUS) if each.key() == b"shop"
    )  # not what others tried
    found = [CODEC.decode("CommandStatus", each.value()) for each in ours]
    return [
        each.status
        for each in found
        if isinstance(each, CommandStatus) and each.command_id == "secured"
    ]
