"""The tests' brokers in containers: the image is told what the embedded Kafka is, and who has no
Docker hears of it.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from streams.kafka.embedded.storage import SETTINGS
from streams.runtime.errors import MendstreamError
from tests.support import containers
from tests.support.kafka.console import ROOT, environment
from tests.support.ship.composed import services
from tests.support.ship.kafka_image import configured, lines_of

NOWHERE = "unix:///nonexistent/docker.sock"
BROKERLESS = "tests/kafka/test_codecs.py::test_values_bear_the_registrys_ids"


def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """pytest, where no Docker engine answers."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", BROKERLESS, *arguments],
        cwd=ROOT,
        env=environment(more) | {"DOCKER_HOST": NOWHERE},
        capture_output=True,
        text=True,
        timeout=60.0,
        check=False,
    )


def test_it_is_the_kafka_of_compose() -> None:
    assert services()["kafka"]["image"] == containers.IMAGE


@pytest.mark.kafka
def test_the_image_is_told_what_the_embedded_kafka_is(tmp_path: Path) -> None:
    given = {"group.min.session.timeout.ms": "1000"}
    variables = containers.variables("127.0.0.1", 39092, given) | {
        "KAFKA_LOG_DIRS": str(tmp_path / "data")
    }
    found = lines_of(configured(variables, tmp_path / "config"))
    assert found.items() >= (SETTINGS | given).items()
    assert found["advertised.listeners"].startswith("CLIENT://127.0.0.1:39092,")
    assert (tmp_path / "data" / "meta.properties").is_file(), (
        "the image formats its data with these settings"
    )


@pytest.mark.kafka
def test_settings_that_the_image_refuses_are_told(tmp_path: Path) -> None:
    variables = containers.variables("127.0.0.1", 39092) | {"KAFKA_LISTENERS": "CLIENT//0.0.0.0"}
    with pytest.raises(AssertionError, match="CLIENT"):
        configured(variables, tmp_path)


def test_without_docker_the_tests_are_skipped_and_say_why() -> None:
    done = run("--kafka=container")
    assert done.returncode == 0, done.stdout
    assert "1 skipped" in done.stdout
    assert f"no Docker engine answers at {NOWHERE}" in done.stdout
    assert "leave --kafka=container out" in done.stdout


def test_where_nothing_may_be_skipped_they_fail() -> None:
    done = run(MENDSTREAM_TEST_KAFKA="container", MENDSTREAM_REQUIRE_ALL="1")
    assert done.returncode == 1, done.stdout
    assert "MENDSTREAM_REQUIRE_ALL=1 allows no skip: " in done.stdout


def test_a_choice_that_is_none_is_refused() -> None:
    with pytest.raises(MendstreamError, match="It is `embedded` or `container`"):
        containers.choose("docker")


def test_a_kafka_is_started_or_named_but_not_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MENDSTREAM_BOOTSTRAP", "kafka:9092")
    with pytest.raises(MendstreamError, match=r"Leave one of them out\."):
        containers.choose("container")


def test_a_broker_without_docker_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", NOWHERE)
    with pytest.raises(
        MendstreamError, match=r"no Docker engine answers.* The embedded Kafka needs no Docker\."
    ):
        containers.ContainerKafka().start()
