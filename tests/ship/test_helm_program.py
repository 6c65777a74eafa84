"""What the chart tells the program, the program understands: settings, commands, files, and what it
serves.
"""

import json
import tomllib
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import typer
import yaml
from pydantic import SecretStr

from gateway.gateway_process import check_settings
from gateway.web.csrf import origin_of
from schemas.catalog import INPUTS
from streams.cli.app import application
from streams.executor import process
from streams.executor.config_files import read_written
from streams.executor.notify.routes import RoutesFile
from streams.executor.targets_config import TargetsFile
from streams.runtime.settings import Settings, load
from streams.signing.verifier import load_keys
from tests.support.ship.chart import (
    CASES,
    CHART,
    ROOT,
    Document,
    Pod,
    documents,
    of_kind,
    pod,
    pods,
)

PREFIX = "MENDSTREAM_"
SCHEMA = yaml.safe_load((CHART / "values.schema.json").read_text(encoding="utf-8"))
FIELDS = Settings.model_fields


def told(one: Pod) -> dict[str, str]:
    """The environment of a container, its name where Kubernetes fills in the pod's."""
    return {name: each.get("value", f"{one.name}-0") for name, each in one.env.items()}


def secrets(one: Pod) -> dict[str, str]:
    """The settings that stand in files, by the Secret that each is of."""
    sources = [
        volume["projected"]["sources"]
        for volume in one.spec["volumes"]
        if volume["name"] == "secrets"
    ]
    found = [source["secret"] for each in sources for source in each]
    return {item["path"]: secret["name"] for secret in found for item in secret["items"]}


def parse(arguments: list[str]) -> None:
    """Parses a command line as the program does, without running it. Raises for what it does not
    have.
    """
    command: Any = typer.main.get_command(application())
    name, rest, context = "mendstream", arguments, None
    while True:
        context = command.make_context(name, [*rest], parent=context)
        if not hasattr(command, "resolve_command"):
            return
        name, command, rest = command.resolve_command(
            context, [*context._protected_args, *context.args]
        )


@pytest.mark.parametrize("case", CASES)
def test_every_variable_is_a_setting_and_its_value_one_that_it_takes(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, one in enumerate(pods(documents(case))):
        assert all(name.removeprefix(PREFIX).lower() in FIELDS for name in one.env), one.env.keys()
        assert all(name.startswith(PREFIX) for name in one.env)
        (folder := tmp_path / str(number)).mkdir()
        for name in secrets(one):
            (folder / name).write_text(f"secret {name}\n")
        with monkeypatch.context() as patch:
            for name, value in told(one).items():
                patch.setenv(name, str(folder) if name == "MENDSTREAM_SECRETS_DIRECTORY" else value)
            settings = load(None, {})
        for name in secrets(one):
            value = getattr(settings, name)
            assert isinstance(value, SecretStr)
            assert value.get_secret_value() == f"secret {name}"


def test_what_the_values_say_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    values = yaml.safe_load((CHART / "ci" / "production.yaml").read_text(encoding="utf-8"))
    worker = pod(documents("production"), "processor")
    for name, value in told(worker).items():
        if name != "MENDSTREAM_SECRETS_DIRECTORY":
            monkeypatch.setenv(name, value)
    settings = load(None, {})
    assert (settings.bootstrap, settings.partitions) == (
        values["kafka"]["bootstrap"],
        values["kafka"]["partitions"],
    )
    assert settings.security_protocol == values["kafka"]["securityProtocol"]
    assert {name: getattr(settings, name) for name in values["settings"]} == values["settings"]
    assert secrets(worker) == {"ssl_key_password": "mendstream-worker"}
    assert secrets(pod(documents("production"), "views"))["redis_url"] == "mendstream-redis"


def test_every_setting_can_be_set_within_the_programs_own_range() -> None:
    free = SCHEMA["properties"]["settings"]["properties"]
    known = Settings.model_json_schema()["properties"]
    for name, allowed in free.items():
        assert {key: known[name].get(key) for key in allowed} == allowed, name
    given = {
        name.removeprefix(PREFIX).lower()
        for case in CASES
        for one in pods(documents(case))
        for name in one.env
    }
    given |= {name for case in CASES for one in pods(documents(case)) for name in secrets(one)}
    missing = FIELDS.keys() - given - free.keys()
    assert not missing, (
        f"no value of the chart sets {missing}: add them to `settings` in values.schema.json"
    )


@pytest.mark.parametrize("case", CASES)
def test_every_command_is_one_of_the_program(case: str) -> None:
    for one in pods(documents(case)):
        assert "command" not in one.container, "the image's entrypoint is the program"
        parse(one.container["args"])


def test_what_the_program_does_not_know_would_be_noticed() -> None:
    for wrong in (["procesor"], ["topics", "make"], ["executor"], ["processor", "--slots", "a"]):
        with pytest.raises(Exception, match=r"(?i)no such|missing parameter"):
            parse(wrong)


@pytest.mark.parametrize("case", CASES)
def test_every_file_that_is_named_is_mounted(case: str) -> None:
    for one in pods(documents(case)):
        files, folders = _mounted(one, documents(case))
        settings = {name.removeprefix(PREFIX).lower(): value for name, value in told(one).items()}
        named = {name: value for name, value in settings.items() if value.startswith("/")}
        for name, value in named.items():
            if name.endswith("_directory"):
                held = any(PurePosixPath(value).is_relative_to(folder) for folder in folders)
            else:
                held = value in files
            assert held, f"{one.name}: {name} is {value}"
        for argument in one.container["args"]:
            assert not argument.startswith("/") or argument in files, argument


@pytest.mark.parametrize("case", CASES)
def test_a_process_writes_only_where_it_can(case: str) -> None:
    for one in pods(documents(case)):
        empty = {volume["name"] for volume in one.spec["volumes"] if "emptyDir" in volume}
        writable = {
            mount["mountPath"] for mount in one.container["volumeMounts"] if mount["name"] in empty
        }
        assert one.container["workingDir"] in writable, "Faust makes a directory where it starts"
        assert "/tmp" in writable
        if one.role == "processor":
            assert told(one)["MENDSTREAM_CRASH_DIRECTORY"] in writable
        if one.role == "gateway":  # makes a folder that is its user's own
            views = PurePosixPath(told(one)["MENDSTREAM_VIEWS_DIRECTORY"])
            assert str(views.parent) in writable


@pytest.mark.parametrize("case", [case for case in CASES if case != "small"])
def test_the_executors_files_are_what_it_reads(case: str, tmp_path: Path) -> None:
    found = documents(case)
    one = pod(found, "executor")
    (data,) = [
        each["data"] for each in of_kind(found, "ConfigMap") if each["metadata"]["name"] == one.name
    ]
    for name, content in data.items():
        (tmp_path / name).write_text(content)
    mounted = [mount["mountPath"] for mount in one.container["volumeMounts"]]
    targets = read_written(TargetsFile, tmp_path / "targets.yaml")
    assert targets.targets
    named = [each.token_file for each in targets.trainers]
    named += [
        getattr(each, name, None)
        for each in targets.targets
        for name in ("token_file", "directory")
    ]
    if "routes.yaml" in data:
        routes = read_written(RoutesFile, tmp_path / "routes.yaml")
        named += [getattr(each, "url_file", None) for each in routes.channels.values()]
    for path in filter(None, named):
        assert any(PurePosixPath(path).is_relative_to(place) for place in mounted), path
    if "keys.txt" in data:
        assert load_keys(tmp_path / "keys.txt")


def test_each_worker_has_its_pods_name_as_slot() -> None:
    for role in ("processor", "executor", "gateway"):
        slot = pod(documents("production"), role).env["MENDSTREAM_SLOT"]
        assert slot["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    assert pod(documents("production"), "processor").kind == "StatefulSet", (
        "else a name would not last"
    )


@pytest.mark.parametrize("case", [case for case in CASES if case != "small"])
def test_a_gateway_is_told_all_that_it_needs_to_start(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = documents(case)
    one = pod(found, "gateway")
    for name in secrets(one):
        (tmp_path / name).write_text("0123456789abcdef0123456789abcdef\n")
    for name, value in told(one).items():
        monkeypatch.setenv(name, str(tmp_path) if name == "MENDSTREAM_SECRETS_DIRECTORY" else value)
    settings = load(None, {})
    check_settings(settings, no_auth=False, environment=dict[str, str]())
    assert origin_of(settings.public_origin) == settings.public_origin
    assert told(pod(found, "executor"))["MENDSTREAM_PUBLIC_ORIGIN"] == settings.public_origin


def test_the_image_is_pinned_to_a_release() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert chart["appVersion"] == project["version"]
    for one in pods(documents("small")):
        assert one.container["image"] == f"mendstream:{project['version']}"
    for one in pods(documents("production")):
        assert one.container["image"].startswith("registry.example/mendstream@sha256:")


def test_the_chart_and_the_image_agree_on_user_and_entrypoint() -> None:
    file = ROOT / "Dockerfile"
    if file.exists():
        lines = file.read_text(encoding="utf-8").splitlines()
        (entrypoint,) = [line for line in lines if line.startswith("ENTRYPOINT")]
        assert json.loads(entrypoint.removeprefix("ENTRYPOINT")) in (
            ["python", "-m", "streams"],
            ["mendstream"],
        )
        user = [line.split()[1] for line in lines if line.startswith("USER")][-1]
        assert user.partition(":")[0] == str(
            pod(documents("small"), "processor").spec["securityContext"]["runAsUser"]
        )


@pytest.mark.parametrize("case", CASES)
def test_kubernetes_waits_for_a_process_to_leave(case: str) -> None:
    found = documents(case)
    worker = pod(found, "processor")
    transaction_ms = int(
        told(worker).get(
            "MENDSTREAM_TRANSACTION_TIMEOUT_MS", FIELDS["transaction_timeout_ms"].default
        )
    )
    assert worker.spec["terminationGracePeriodSeconds"] >= transaction_ms / 1_000 + 10
    for one in pods(found):
        if one.role == "executor":
            assert one.spec["terminationGracePeriodSeconds"] > process._LEAVE_SECONDS


def test_keda_looks_at_topics_that_the_processors_read() -> None:
    for case in CASES:
        for each in of_kind(documents(case), "ScaledObject"):
            topics = {trigger["metadata"]["topic"] for trigger in each["spec"]["triggers"]}
            prefix = told(pod(documents(case), "processor")).get("MENDSTREAM_TOPIC_PREFIX", "")
            assert topics <= {f"{prefix}{name}" for name in INPUTS}
            groups = {trigger["metadata"]["consumerGroup"] for trigger in each["spec"]["triggers"]}
            assert groups == {told(pod(documents(case), "processor"))["MENDSTREAM_GROUP"]}


def _mounted(one: Pod, found: list[Document]) -> tuple[set[str], set[str]]:
    """The files and the folders that a container finds."""
    files, folders = set[str](), set[str]()
    volumes = {volume["name"]: volume for volume in one.spec["volumes"]}
    for mount in one.container["volumeMounts"]:
        folders.add(mount["mountPath"])
        files |= {f"{mount['mountPath']}/{name}" for name in _names(volumes[mount["name"]], found)}
    return files, folders


def _names(volume: Document, found: list[Document]) -> list[str]:
    if "projected" in volume:
        return [
            item["path"]
            for source in volume["projected"]["sources"]
            for item in source["secret"]["items"]
        ]
    if "configMap" in volume:
        name = volume["configMap"]["name"]
        return [
            key
            for each in of_kind(found, "ConfigMap")
            if each["metadata"]["name"] == name
            for key in each["data"]
        ]
    return [item["path"] for item in volume.get("secret", {}).get("items", [])]


@pytest.mark.parametrize("group", ["", "mine"])
def test_a_topic_prefix_is_what_the_program_takes_it_for(
    group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ["--set", f"kafka.topicPrefix=staging.,kafka.group={group}"]
    found = documents("production", *given)
    for one in pods(found):
        assert one.env["MENDSTREAM_TOPIC_PREFIX"]["value"] == "staging."
        with monkeypatch.context() as patch:
            patch.setenv("MENDSTREAM_TOPIC_PREFIX", "staging.")
            derived = load(None, {"group": group or None}).group
        assert one.env["MENDSTREAM_GROUP"]["value"] == derived
    (scaled,) = of_kind(found, "ScaledObject")
    triggers = [each["metadata"] for each in scaled["spec"]["triggers"]]
    assert {each["consumerGroup"] for each in triggers} == {derived}
    assert all(each["topic"].removeprefix("staging.") in INPUTS for each in triggers)
    assert all(each["topic"].startswith("staging.") for each in triggers)
