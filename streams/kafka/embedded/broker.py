"""Runs the real Apache Kafka without Docker: a single-node development Kafka in KRaft mode, on a
JRE from PyPI.
"""

import atexit
import re
import shutil
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streams.kafka.embedded.jars import kafka_jars
from streams.kafka.embedded.jvm import Jvm, java
from streams.kafka.embedded.storage import (
    HOST,
    claimed,
    formatted,
    last_useful_line,
    single,
    write_properties,
)
from streams.runtime.clock import wait_until
from streams.runtime.errors import MendstreamError

START_SECONDS = 60.0  # a cold disk and a busy machine; 3 s are usual


class EmbeddedKafka:
    """One Kafka node of this process's own: a context manager, or `start()` and `stop()`.

    It is the real Kafka, formatted with the features that a new 4.3 cluster has (transactions v2),
    but a development Kafka: one node, one replica, loopback only. Measured on 2 cores: 1.5 s from
    `start()` to an answer (2.7 s the first time on a machine or when the cores are busy), 3 s for a
    restart after SIGKILL, 205 MiB of memory.

    `directory` keeps data, settings and log; without it they live in a temporary directory until
    `stop()`. `port` is where clients connect; 0 chooses a free one, which `restart()` keeps.
    `heap_mb` is the JVM's limit in MiB. With `users` (name to password) clients must authenticate
    with SASL PLAIN. `settings` override Kafka's properties. `scram` (name to password) are users
    that exist from the first start, for SCRAM-SHA-512; `client` is what a client needs beside the
    address where `settings` ask for more, as they do with `scram`.
    """

    def __init__(
        self,
        *,
        directory: Path | None = None,
        port: int = 0,
        users: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
        scram: Mapping[str, str] | None = None,
        client: Mapping[str, Any] | None = None,
        heap_mb: int = 384,
    ) -> None:
        self._users, self._scram, self._client = (
            dict(users or {}),
            dict(scram or {}),
            dict(client or {}),
        )
        for text in (*self._users, *self._users.values(), *self._scram, *self._scram.values()):
            if not re.fullmatch(r"[\w.-]+", text, re.ASCII):
                raise ValueError(
                    f"user names and passwords are letters, digits and '_.-' here, not {text!r}"
                )
        self._settings = dict(settings or {})
        self._heap_mb = heap_mb
        self._directory = directory.resolve() if directory else None
        self._home = self._directory
        self._ports: Sequence[int] = (
            port,
            0,
            0,
        )  # for clients, for the node itself, for its controller
        self._cluster_id = ""
        self._jvm: Jvm | None = None

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
        return self._jvm.pid if self._jvm else None

    @property
    def ended(self) -> bool:
        """True once the JVM has ended, by itself or because it was stopped."""
        return self._jvm is None or self._jvm.ended

    @property
    def log(self) -> Path:
        """Kafka's log file; all starts append to it."""
        assert self._home, "start() chooses the directory"
        return self._home / "kafka.log"

    def client_config(self) -> dict[str, Any]:
        """Returns the settings that a confluent-kafka client needs to connect.

        It connects as the first of the users, if there are any.
        """
        config: dict[str, Any] = {"bootstrap.servers": self.bootstrap, **self._client}
        if not self._users:
            return config
        name, password = next(iter(self._users.items()))
        sasl = {"sasl.mechanism": "PLAIN", "sasl.username": name, "sasl.password": password}
        return config | {"security.protocol": "SASL_PLAINTEXT"} | sasl

    def start(self) -> None:
        """Starts Kafka and returns when it answers clients.

        Raises MendstreamError if the jars cannot be had, the port is taken, or Kafka ends or stays
        silent for 60 s.
        """
        assert self._jvm is None, f"already runs as process {self.pid}"
        self._ports = claimed(self._ports)
        jars = kafka_jars()
        if self._home is None:
            self._home = Path(mkdtemp(prefix="mendstream-kafka-"))
        self._home.mkdir(parents=True, exist_ok=True)
        properties = write_properties(
            self._home, single(self._home, self._ports, self._users) | self._settings
        )
        self._cluster_id = formatted(self._home / "data", jars, scram=self._scram)
        start_of_log = self.log.stat().st_size if self.log.exists() else 0
        atexit.register(self.stop)
        memory = f"-Xmx{self._heap_mb}m", f"-Djava.io.tmpdir={self._home}"
        try:
            self._jvm = Jvm(
                java(jars, *memory, "kafka.Kafka", str(properties)), self._home, self.log
            )
            self._wait_ready(self._jvm, start_of_log)
        except BaseException:
            self._end(signal.SIGKILL)
            atexit.unregister(self.stop)  # which would delete the log that the error names
            raise

    def stop(self) -> None:
        """Stops Kafka cleanly, for good: temporary data is deleted. Does nothing if it does not
        run.
        """
        self._end(signal.SIGTERM)
        atexit.unregister(self.stop)
        if self._directory is None and self._home is not None:
            shutil.rmtree(self._home, ignore_errors=True)
            self._home = None

    def kill(self) -> None:
        """Kills Kafka as a crash would (SIGKILL); data and port stay for `restart()`."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Starts again on the same port and data, after a clean stop if Kafka runs; raises what
        `start()` raises.
        """
        self._end(signal.SIGTERM)
        self.start()

    def _end(self, with_signal: signal.Signals) -> None:
        jvm, self._jvm = self._jvm, None
        if jvm is not None:
            jvm.end(with_signal)

    def _wait_ready(self, jvm: Jvm, start_of_log: int) -> None:
        # Refused connections are expected until Kafka listens: look again soon and say nothing
        # (times in ms).
        admin = AdminClient(
            self.client_config()
            | {"log_level": 0, "reconnect.backoff.ms": 50, "reconnect.backoff.max.ms": 50}
        )

        def ready() -> bool:
            if jvm.ended:
                log = self.log.read_bytes()[start_of_log:].decode(errors="replace")
                raise MendstreamError(
                    f"Kafka ended as it started: {last_useful_line(log)}.",
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
                f"Kafka did not answer on {self.bootstrap} within {START_SECONDS:.0f} s.",
                f"Its log is {self.log}.",
            )
