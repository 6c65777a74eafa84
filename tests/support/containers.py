"""A Kafka in a container, for those who have Docker: the tests' brokers in the image that
docker-compose.yml starts.

Asked for with `pytest --kafka=container` or MENDSTREAM_TEST_KAFKA=container; nothing here runs
otherwise.
"""

import gc
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streams.kafka.embedded.jars import VERSION
from streams.kafka.embedded.storage import SETTINGS, claimed
from streams.runtime.clock import wait_until
from streams.runtime.errors import MendstreamError

VARIABLE = "MENDSTREAM_TEST_KAFKA"
IMAGE = f"apache/kafka:{VERSION}"
START_SECONDS = 120.0  # the first start of a machine pulls the image
_PORT = 9092  # in the container


def asked() -> bool:
    return os.environ.get(VARIABLE) == "container"


def choose(kafka: str) -> None:
    """Makes this the choice of the run. Raises MendstreamError for what cannot be meant."""
    if kafka not in (
        "embedded",
        "container",
    ):  # a default from the environment is not checked as an option is
        raise MendstreamError(f"{VARIABLE} is {kafka!r}.", "It is `embedded` or `container`.")
    if kafka == "embedded":
        return
    if "MENDSTREAM_BOOTSTRAP" in os.environ:
        raise MendstreamError(
            "--kafka=container starts a Kafka, MENDSTREAM_BOOTSTRAP names one.",
            "Leave one of them out.",
        )
    os.environ[VARIABLE] = kafka  # what starts a broker of its own reads it there


def variables(host: str, port: int, settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """The image's environment for a broker that is like the embedded one and reached at
    host:port.
    """
    lines = SETTINGS | {
        "listeners": f"CLIENT://0.0.0.0:{_PORT},INTERNAL://127.0.0.1:19092,CONTROLLER://127.0.0.1:19093",
        "advertised.listeners": f"CLIENT://{host}:{port},INTERNAL://127.0.0.1:19092",
        "listener.security.protocol.map": "CLIENT:PLAINTEXT,INTERNAL:PLAINTEXT,"
        "CONTROLLER:PLAINTEXT",
        "controller.quorum.voters": "1@127.0.0.1:19093",
        "log.dirs": "/tmp/kafka-data",
    }
    return {
        f"KAFKA_{name.upper().replace('.', '_')}": value
        for name, value in (lines | dict(settings or {})).items()
    }


def no_engine() -> str:
    """Why no container can be started, as a sentence; empty where a Docker engine answers."""
    # Slow to import, and needed only where somebody asks for a container.
    from docker.errors import DockerException  # type: ignore[import-untyped]
    from testcontainers.core.docker_client import DockerClient

    reason = ""
    with _unusable_sockets():
        try:
            DockerClient().client.ping()
        except (DockerException, OSError) as error:
            reason = str(error)
    if not reason:
        return ""
    where = os.environ.get("DOCKER_HOST", "the default address")
    return (
        f"no Docker engine answers at {where} ({reason}): start Docker or set DOCKER_HOST, "
        "or leave --kafka=container out, since the embedded Kafka needs no Docker"
    )


class ContainerKafka:
    """What tests ask of a broker (`streams.kafka.embedded.broker.EmbeddedKafka`), by a container. A
    context manager.
    """

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        self._settings = settings
        self._container: Any = None
        self.bootstrap = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Raises MendstreamError where no engine answers, or Kafka does not within
        START_SECONDS.
        """
        if reason := no_engine():
            raise MendstreamError(f"There is {reason}.", "The embedded Kafka needs no Docker.")
        from testcontainers.core.container import DockerContainer

        (port,) = claimed((0,))  # chosen beforehand: Kafka must be told where its clients reach it
        container = DockerContainer(IMAGE).with_bind_ports(_PORT, port)
        host = container.get_docker_client().host()
        for name, value in variables(host, port, self._settings).items():
            container.with_env(name, value)
        self._container, self.bootstrap = container, f"{host}:{port}"
        container.start()
        self._wait()

    def stop(self) -> None:
        if self._container is not None:
            self._container.stop()

    def kill(self) -> None:
        """As a crash would (SIGKILL); data and port stay for `restart()`."""
        self._container.get_wrapped_container().kill()

    def restart(self) -> None:
        self._container.get_wrapped_container().restart()
        self._wait()

    def _wait(self) -> None:
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})

        def ready() -> bool:
            try:
                return len(admin.list_topics(timeout=1).brokers) == 1
            except KafkaException:
                return False

        if not wait_until(ready, START_SECONDS):
            out, err = self._container.get_logs()
            self.stop()
            raise MendstreamError(
                f"Kafka in {IMAGE} did not answer on {self.bootstrap} within "
                f"{START_SECONDS:.0f} s.",
                f"It said: {(out + err).decode(errors='replace')[-2_000:]}",
            )


@contextmanager
def _unusable_sockets() -> Iterator[None]:
    """Swallows what Docker's client says of the sockets that it drops where nothing listens."""
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        yield
        gc.collect()
