"""docker-compose.yml says what Docker Compose and our own program understand, and leaves no door
open.
"""

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from gateway.gateway_process import check_settings
from streams.executor.config_files import read_written
from streams.executor.targets_config import InFiles, TargetsFile
from streams.kafka.embedded.jars import VERSION as KAFKA_VERSION
from streams.kafka.embedded.storage import SETTINGS
from streams.runtime.errors import MendstreamError
from streams.runtime.settings import Settings, load
from tests.support.ship.composed import ROOT, compose, once, ours, parsed, pinned, services

SPECIFICATION = Draft202012Validator(
    json.loads((Path(__file__).parent / "compose-spec" / "compose-spec.json").read_text())
)
_SECRET_NAME = re.compile(
    r"password|passwd|secret|token|credential|auth|(^|_)key(_|$)|jaas", re.IGNORECASE
)
_SECRET_VALUE = re.compile(r"://[^/@]*:[^/@]*@|-----BEGIN|[A-Za-z0-9+/_-]{32,}")


def environment(service: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = service.get("environment", {})
    return found


def test_it_is_a_compose_file() -> None:
    assert [error.message for error in SPECIFICATION.iter_errors(compose())] == []


@pytest.mark.parametrize(
    "wrong", [{"imagee": "x:1.0"}, {"ports": 8080}, {"healthcheck": {"tests": ["CMD"]}}]
)
def test_what_is_no_compose_file_would_be_told(wrong: dict[str, Any]) -> None:
    broken = copy.deepcopy(compose())
    broken["services"]["kafka"] |= wrong
    assert list(SPECIFICATION.iter_errors(broken))


@pytest.mark.parametrize("name", services())
def test_every_image_is_of_one_version(name: str) -> None:
    assert pinned(services()[name]["image"])


@pytest.mark.parametrize(
    "image", ["redis", "redis:latest", "redis:8", "redis:alpine", "apache/kafka:latest-4.3.1"]
)
def test_a_tag_that_moves_is_told_from_a_version(image: str) -> None:
    assert not pinned(image)


def test_all_services_are_there_and_ours_are_one_image() -> None:
    assert set(services()) - set(ours()) == {"kafka", "registry", "redis", "kafka-ui"}
    assert set(ours()) == {
        "topics",
        "processor-0",
        "processor-1",
        "executor",
        "views",
        "gateway",
        "demo",
        "cli",
    }
    assert services()["kafka"]["image"] == f"apache/kafka:{KAFKA_VERSION}", (
        "the Kafka that the tests run on"
    )


@pytest.mark.parametrize("name", ours())
def test_the_program_reads_every_variable_that_is_set(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = environment(ours()[name])
    read = {f"MENDSTREAM_{setting.upper()}" for setting in Settings.model_fields}
    assert set(given) <= read
    for variable, value in given.items():
        monkeypatch.setenv(variable, value)
    assert load(None, {}).model_fields_set == {
        variable.removeprefix("MENDSTREAM_").lower() for variable in given
    }


@pytest.mark.parametrize("name", [name for name, service in ours().items() if "command" in service])
def test_the_program_understands_every_command(name: str) -> None:
    assert parsed(ours()[name]["command"])


@pytest.mark.parametrize(
    "command", [["executor"], ["processr"], ["processor", "--slt", "a"], ["topics", "make"]]
)
def test_a_command_that_the_program_does_not_know_is_told(command: list[str]) -> None:
    with pytest.raises(Exception, match=r"Missing|No such"):
        parsed(command)


def test_each_worker_has_a_slot_of_its_own() -> None:
    commands = [
        service["command"] for service in ours().values() if "--slot" in service.get("command", ())
    ]
    slots = [command[command.index("--slot") + 1] for command in commands]
    assert len(set(slots)) == len(slots) == 3


@pytest.mark.parametrize("name", services())
def test_no_secret_is_written_down(name: str) -> None:
    for variable, value in environment(services()[name]).items():
        assert not _SECRET_NAME.search(variable), variable
        assert not _SECRET_VALUE.search(value), f"{variable} looks like a secret"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MENDSTREAM_SASL_PASSWORD", "x"),
        ("X", "redis://me:pw@redis"),
        ("X", "4Yz0" * 8),
        ("SSL_KEY", "x"),
    ],
)
def test_a_secret_would_be_found(variable: str, value: str) -> None:
    assert _SECRET_NAME.search(variable) or _SECRET_VALUE.search(value)


@pytest.mark.parametrize("name", services())
def test_a_service_says_whether_it_is_well_or_ends(name: str) -> None:
    service = services()[name]
    assert once(service) != ("healthcheck" in service)
    if not once(service):
        assert service["restart"] == "unless-stopped"
        assert {"test", "interval", "timeout", "retries", "start_period"} <= set(
            service["healthcheck"]
        )


@pytest.mark.parametrize("name", services())
def test_it_waits_for_what_it_needs(name: str) -> None:
    wanted = services()[name].get("depends_on", {})
    for other, how in wanted.items():
        condition = (
            "service_completed_successfully" if once(services()[other]) else "service_healthy"
        )
        assert how == {"condition": condition}
    if name in ours():
        assert {"kafka", "registry"} <= set(wanted)
        assert ("topics" in wanted) == (name != "topics"), (
            "who comes before the topics does not start"
        )


@pytest.mark.parametrize("name", services())
def test_it_is_confined(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "network_mode", "pid", "ipc", "devices"} & set(service)
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), (
        "nobody is asked who he is"
    )
    assert "/tmp" in {mount.split(":")[0] for mount in service["tmpfs"]}


def test_no_port_is_given_twice() -> None:
    taken = [
        port.rsplit(":", 1)[0]
        for service in services().values()
        for port in service.get("ports", ())
    ]
    assert len(set(taken)) == len(taken)


def test_the_executor_reads_its_targets_and_may_write_there() -> None:
    executor = ours()["executor"]
    (mounted,) = executor["configs"]
    assert mounted["target"] in executor["command"]
    source = ROOT / compose()["configs"][mounted["source"]]["file"]
    (target,) = read_written(TargetsFile, source).targets
    assert isinstance(target, InFiles)
    assert writable(executor, target.directory)


def test_a_gateway_that_asks_nobody_is_published_to_the_loopback_alone() -> None:
    one = ours()["gateway"]
    given = environment(one)
    port = given["MENDSTREAM_GATEWAY_PORT"]
    assert {"--no-auth", "--published-locally"} <= set(one["command"])
    assert f"127.0.0.1:3010:{port}" in one["ports"]
    assert all(each.startswith("127.0.0.1:") for each in one["ports"])
    assert given["MENDSTREAM_PUBLIC_ORIGIN"] == "http://127.0.0.1:3010"
    assert environment(ours()["executor"])["MENDSTREAM_PUBLIC_ORIGIN"] == "http://127.0.0.1:3010"
    assert writable(one, Path(given["MENDSTREAM_VIEWS_DIRECTORY"]))
    settings = Settings(gateway_host=given["MENDSTREAM_GATEWAY_HOST"])
    check_settings(settings, no_auth=True, published_locally=True)
    with pytest.raises(MendstreamError, match="--published-locally"):
        check_settings(settings, no_auth=True)


def test_what_a_worker_notes_outlives_its_container() -> None:
    for name in ("processor-0", "processor-1"):
        assert writable(ours()[name], Path(environment(ours()[name])["MENDSTREAM_CRASH_DIRECTORY"]))


def writable(service: dict[str, Any], path: Path) -> bool:
    """Whether the path is in a volume of the service that the file declares."""
    mounts = [mount.split(":") for mount in service["volumes"]]
    return any(
        volume in compose()["volumes"] and path.is_relative_to(where) for volume, where in mounts
    )


def test_kafka_keeps_one_replica_as_the_one_of_the_tests_does() -> None:
    given = environment(services()["kafka"])
    for name, value in SETTINGS.items():
        if name.endswith(
            ("replication.factor", "isr", "insync.replicas", "num.partitions", "topics.enable")
        ):
            assert given[f"KAFKA_{name.upper().replace('.', '_')}"] == value


def test_the_ui_decodes_with_the_registry_that_we_write_with() -> None:
    ui, topics = environment(services()["kafka-ui"]), environment(ours()["topics"])
    assert ui["KAFKA_CLUSTERS_0_SCHEMAREGISTRY"] == topics["MENDSTREAM_REGISTRY_URL"]
    assert ui["KAFKA_CLUSTERS_0_BOOTSTRAPSERVERS"] == topics["MENDSTREAM_BOOTSTRAP"]
    assert ui["KAFKA_CLUSTERS_0_PROPERTIES_ISOLATION_LEVEL"] == "read_committed"
