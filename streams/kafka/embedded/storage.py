"""Prepares what a Kafka node in KRaft mode needs before it starts: ports, settings, formatted
data.
"""

import re
import secrets
import shutil
import socket
import subprocess
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from streams.kafka.embedded.jvm import environment, java
from streams.runtime.errors import MendstreamError

HOST = "127.0.0.1"

SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "INTERNAL",
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    # After SIGKILL the controller waits for the old session to end before it lets the broker in
    # again: 1.5 s, not 9.
    "broker.session.timeout.ms": "1500",
    "broker.heartbeat.interval.ms": "300",
    # One node holds one replica of everything, and few partitions of the internal topics are soon
    # created.
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
    "log.cleaner.dedupe.buffer.size": str(
        16 << 20
    ),  # bytes, taken from the heap at the start; 128 MiB by default
}


def claimed(ports: Sequence[int]) -> list[int]:
    """The same ports, with a free one for each 0; all are held until the last is chosen, so that
    they differ.

    Linux prefers odd ports for listeners and even ones for connections, so clients that try to
    reconnect to a killed broker do not take its port by chance.
    """
    chosen = []
    with ExitStack() as held:
        for port in ports:
            claim = held.enter_context(socket.socket())
            # connections of the last broker here may still wait for their end; they take nobody's
            # port
            if port:
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


def write_properties(home: Path, lines: Mapping[str, str]) -> Path:
    """The node's settings as a file that none but us can read: they may hold passwords."""
    path = home / "server.properties"
    path.touch(mode=0o600)
    text = "".join(f"{key}={value}\n" for key, value in lines.items())
    path.write_text(text.replace("\\", "\\\\"))
    return path


def single(home: Path, ports: Sequence[int], users: Mapping[str, str]) -> dict[str, str]:
    """The settings of a node that is its own controller; ports for clients, for the node itself,
    for its controller.
    """
    client, internal, controller = ports
    protocol = "SASL_PLAINTEXT" if users else "PLAINTEXT"
    lines = SETTINGS | {
        "log.dirs": str(home / "data"),
        "listeners": f"CLIENT://{HOST}:{client},INTERNAL://{HOST}:{internal},CONTROLLER://{HOST}:{controller}",
        "listener.security.protocol.map": f"CLIENT:{protocol},INTERNAL:PLAINTEXT,"
        "CONTROLLER:PLAINTEXT",
        "controller.quorum.voters": f"1@{HOST}:{controller}",
    }
    if users:
        accounts = " ".join(f'user_{name}="{password}"' for name, password in users.items())
        module = "org.apache.kafka.common.security.plain.PlainLoginModule"
        lines |= {
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.client.plain.sasl.jaas.config": f"{module} required {accounts};",
        }
    return lines


def formatted(
    data: Path,
    jars: Path,
    node: str = "1",
    cluster: str = "",
    scram: Mapping[str, str] | None = None,
) -> str:
    """Formats `data` unless it is formatted already, for a cluster or a new one; returns the
    cluster's id.

    scram: users, name to password, that a new cluster begins with.
    """
    meta = data / "meta.properties"
    if not meta.exists():
        data.mkdir(exist_ok=True)
        if scram:
            _write_checkpoint(data / "bootstrap.checkpoint", jars, scram)
        else:
            shutil.copyfile(_features(jars), data / "bootstrap.checkpoint")
        identity = f"node.id={node}\ncluster.id={cluster or new_id()}\ndirectory.id={new_id()}\n"
        meta.write_text(f"version=1\n{identity}")
    return dict(line.split("=", 1) for line in meta.read_text().splitlines() if "=" in line)[
        "cluster.id"
    ]


def _features(jars: Path) -> Path:
    """The record of a new cluster's features, as Kafka's own tool writes it.

    It is the same for every cluster of one version, so it is made once per cache (1 s, another JVM)
    and kept beside the jars. Without it Kafka would start at the latest metadata.version with all
    other features off: transactions v1.
    """
    features = jars.with_name(f"{jars.name}.checkpoint")
    if not features.exists():
        _write_checkpoint(features, jars, {})
    return features


def _write_checkpoint(path: Path, jars: Path, scram: Mapping[str, str]) -> None:
    """Writes the records that a new cluster begins with: its features and users. It appears at once
    and whole.
    """
    with TemporaryDirectory(prefix=".formatting-", dir=path.parent) as stage:
        properties = write_properties(
            Path(stage), single(Path(stage), (1, 2, 3), {})
        )  # no port is opened
        tool = java(
            jars, "kafka.tools.StorageTool", "format", "-t", new_id(), "-c", str(properties)
        )
        for name, password in scram.items():
            tool += ["--add-scram", f"SCRAM-SHA-512=[name={name},password={password}]"]
        done = subprocess.run(tool, capture_output=True, text=True, env=environment(), check=False)
        if done.returncode:
            raise MendstreamError(
                f"Kafka's storage tool failed: {last_useful_line(done.stdout + done.stderr)}.",
                f"Delete {jars}; the jars are then fetched again.",
            )
        Path(stage, "data", "bootstrap.checkpoint").replace(path)


def new_id() -> str:
    """An id of a cluster or a directory: 22 characters; Kafka wants no leading "-"."""
    return "m" + urlsafe_b64encode(secrets.token_bytes(16)).decode()[1:22]


def last_useful_line(log: str) -> str:
    """Returns the last line in a log of Kafka that says what went wrong."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    telling = [
        line for line in lines if re.search(r"Exception|Error|ERROR|Invalid|Too small", line)
    ]
    return (telling or lines or ["its log is empty"])[-1].rstrip(".")
