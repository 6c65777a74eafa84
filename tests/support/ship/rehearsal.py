"""docker-compose.yml without Docker: its services' own commands, variables and health checks, as
processes of this machine.

Kafka is configured by its image's own program. Redis is real; the Schema Registry is a small server
of the tests.
"""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import reduce
from pathlib import Path
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streams.kafka.embedded.broker import START_SECONDS
from streams.kafka.embedded.jars import kafka_jars
from streams.kafka.embedded.jvm import Jvm, java
from streams.kafka.embedded.storage import claimed
from streams.runtime.clock import wait_until
from tests.support.kafka.console import ROOT, environment
from tests.support.kafka.registry import Registry, serving
from tests.support.redis_server import RedisServer
from tests.support.ship.composed import Service, ours, services
from tests.support.ship.kafka_image import configured

STOP_SECONDS = 30.0  # as docker-compose.yml gives them
HTTP = "8000"  # of every container; here each process has a port of its own
STATE = "/var/lib/mendstream"
FIRST = "/examples/first"  # where docs/deploy.md mounts the folder of that name


@contextmanager
def kafka_of_compose(home: Path) -> Iterator[str]:
    """The Kafka that the file describes, on free ports; gives the address for the other
    services.
    """
    inner, host, controller = claimed((0, 0, 0))
    ports = {
        ":19092": f":{inner}",
        ":9092": f":{host}",
        ":19093": f":{controller}",
        "//kafka:": "//127.0.0.1:",
    }
    variables = dict(services()["kafka"]["environment"])
    for name, value in variables.items():
        variables[name] = reduce(lambda text, port: text.replace(*port), ports.items(), value)
    properties = configured(variables | {"KAFKA_LOG_DIRS": str(home / "data")}, home / "config")
    jvm = Jvm(
        java(kafka_jars(), "-Xmx384m", "kafka.Kafka", str(properties)), home, home / "kafka.log"
    )
    try:
        client = AdminClient({"bootstrap.servers": f"127.0.0.1:{inner}", "log_level": 0})

        def answers() -> bool:
            assert not jvm.ended, (home / "kafka.log").read_text()[-2_000:]
            try:
                return len(client.list_topics(timeout=1).brokers) == 1
            except KafkaException:
                return False

        assert wait_until(answers, START_SECONDS)
        yield f"127.0.0.1:{inner}"
    finally:
        jvm.end(signal.SIGTERM)


class Stack:
    """All services of ours can be run in it. A context manager."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._open = ExitStack()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._http: dict[str, int] = {}
        self.gateway_port = 0
        self.here = home / "here"  # where processes are started: nothing may be left there
        self.state = home / "state"  # the volume

    def __enter__(self) -> Self:
        self.here.mkdir()
        self._registry = self._open.enter_context(serving(Registry()))
        self._kafka = self._open.enter_context(kafka_of_compose(self._home / "kafka"))
        self._redis = RedisServer(self._home)
        self._open.callback(self._redis.close)
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            process.kill()
            process.wait()
        self._open.close()

    def run(self, name: str, *arguments: str) -> str:
        """What a service that ends prints, or the `cli` with these arguments; it must succeed."""
        done = subprocess.run(
            self._command(name, arguments),
            cwd=self.here,
            env=self._environment(name),
            capture_output=True,
            text=True,
            timeout=60.0,
            check=False,
        )
        assert done.returncode == 0, f"{name}: {done.stdout[-1_000:]}{done.stderr[-2_000:]}"
        return done.stdout

    def start(self, name: str) -> None:
        with self.log(name).open("ab") as log:
            self._processes[name] = subprocess.Popen(
                self._command(name),
                cwd=self.here,
                env=self._environment(name),
                stdout=log,
                stderr=log,
            )

    def healthy(self, name: str) -> bool:
        """What the service's health check says."""
        assert self._processes[name].poll() is None, self.log(name).read_text()[-2_000:]
        word, python, *rest = services()[name]["healthcheck"]["test"]
        assert (word, python) == ("CMD", "python")
        check = [each.replace(f":{HTTP}/", f":{self._http[name]}/") for each in rest]
        return (
            subprocess.run([sys.executable, *check], capture_output=True, check=False).returncode
            == 0
        )

    def stop(self, name: str) -> int:
        """Its exit code after SIGTERM."""
        process = self._processes.pop(name)
        process.terminate()
        return process.wait(STOP_SECONDS)

    def log(self, name: str) -> Path:
        return self._home / f"{name}.log"

    def _command(self, name: str, more: tuple[str, ...] = ()) -> list[str]:
        service = ours()[name]
        arguments = [*service.get("command", ()), *more]
        return [
            sys.executable,
            "-P",
            "-m",
            "streams",
            *(self._local(each, service) for each in arguments),
        ]

    def _environment(self, name: str) -> dict[str, str]:
        service = ours()[name]
        given = {
            variable: self._local(value, service)
            for variable, value in service["environment"].items()
        }
        if "MENDSTREAM_HTTP_PORT" in given:
            assert given["MENDSTREAM_HTTP_PORT"] == HTTP
            (self._http[name],) = claimed((0,))
            given["MENDSTREAM_HTTP_PORT"] = str(self._http[name])
        if "MENDSTREAM_GATEWAY_PORT" in given:
            (self.gateway_port,) = claimed((0,))
            given["MENDSTREAM_GATEWAY_PORT"] = str(self.gateway_port)
        return environment(given) | {
            "HOME": str(self.here),
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def _local(self, value: str, service: Service) -> str:
        """A value with what the containers' network and mounts would make of it."""
        for mount in service.get("configs", ()):
            if value == mount["target"]:
                return str(self._targets())
        names = {
            "kafka:19092": self._kafka,
            "http://registry:8080/apis/ccompat/v7": self._registry.url,
        }
        names |= {
            "redis://redis:6379/0": self._redis.url,
            STATE: str(self.state),
            FIRST: str(ROOT / FIRST.strip("/")),
        }
        return next(
            (value.replace(name, here) for name, here in names.items() if name in value), value
        )

    def _targets(self) -> Path:
        path = self._home / "targets.yaml"
        path.write_text(
            (ROOT / "deploy" / "targets.yaml").read_text().replace(STATE, str(self.state))
        )
        return path
