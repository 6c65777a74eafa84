"""Three brokers and the controller that leads them, each a JVM of its own, to be killed one by
one.
"""

import signal
from pathlib import Path
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streams.kafka.admin_types import ClusterMetadata
from streams.kafka.embedded.jars import kafka_jars
from streams.kafka.embedded.jvm import Jvm, java
from streams.kafka.embedded.storage import (
    HOST,
    SETTINGS,
    claimed,
    formatted,
    new_id,
    write_properties,
)
from streams.runtime.clock import wait_until

BROKERS = (1, 2, 3)
CONTROLLER = (
    9  # apart from the brokers: two of them may die, and a majority of voters is still there
)
SECONDS = 60.0
LOOK_SECONDS = 0.2
SAFE = {
    # Each record on all three, acknowledged by two at least.
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    # four JVMs on two cores: half of it is now and then not enough
    "broker.session.timeout.ms": "3000",
    # how long a frozen follower holds up what waits for all in sync; 30 s by default
    "replica.lag.time.max.ms": "3000",
}


class Cluster:
    """A context manager; data lie below `directory`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._ports = claimed(
            (0,) * (2 * len(BROKERS) + 1)
        )  # two of each broker, then the controller's
        self._cluster = new_id()
        self._jvms: dict[int, Jvm] = {}
        self._admin = self._asking()

    def __enter__(self) -> Self:
        try:
            for node in (CONTROLLER, *BROKERS):
                self.start(node)
            self.heals()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for node in list(self._jvms):
            self.kill(node)

    @property
    def bootstrap(self) -> str:
        return ",".join(f"{HOST}:{self._ports[2 * i]}" for i in range(len(BROKERS)))

    def start(self, node: int) -> None:
        assert node not in self._jvms, f"node {node} runs"
        home = self._directory / f"node-{node}"
        home.mkdir(exist_ok=True)
        properties = write_properties(home, self._settings(node, home))
        jars = kafka_jars()
        formatted(home / "data", jars, str(node), self._cluster)
        memory = f"-Xmx{128 if node == CONTROLLER else 256}m", f"-Djava.io.tmpdir={home}"
        self._jvms[node] = Jvm(
            java(jars, *memory, "kafka.Kafka", str(properties)), home, home / "kafka.log"
        )

    def kill(self, node: int) -> None:
        self._jvms.pop(node).end(signal.SIGKILL)

    def stop(self, node: int) -> None:
        """Hands its partitions over first."""
        self._jvms.pop(node).end(signal.SIGTERM)

    def revives(self) -> None:
        """Starts the nodes that do not run."""
        for node in set(BROKERS) - self._jvms.keys():
            self.start(node)

    def heals(self, in_sync: int = len(BROKERS)) -> None:
        """Waits until every partition has a leader and so many replicas in sync."""
        assert wait_until(lambda: self._in_sync() >= in_sync, SECONDS), (
            f"no healing; see the logs in {self._directory}"
        )

    def thins(self, in_sync: int) -> None:
        """Waits until some partition has no more than so many replicas in sync."""
        assert wait_until(lambda: self._in_sync() <= in_sync, SECONDS), (
            f"all is well; see the logs in {self._directory}"
        )

    def leader(self, topic: str, partition: int) -> int:
        """The broker that leads a partition."""
        found = -1

        def led() -> bool:
            nonlocal found
            there = self._metadata()
            found = there.topics[topic].partitions[partition].leader if there is not None else -1
            return found in BROKERS

        assert wait_until(led, SECONDS), f"nobody leads {topic}/{partition}"
        return found

    def _in_sync(self) -> int:
        """The fewest replicas in sync of any partition; 0 where one has no leader or nobody
        answers.
        """
        there = self._metadata()
        if there is None:
            return 0
        parts = [part for topic in there.topics.values() for part in topic.partitions.values()]
        return min(
            (len(part.isrs) if part.leader in BROKERS else 0 for part in parts),
            default=len(there.brokers),
        )

    def _metadata(self) -> ClusterMetadata | None:
        """What the brokers know, asked a few times a second at most: they have enough to do."""
        wait_until(lambda: False, LOOK_SECONDS)
        try:
            return self._admin.list_topics(timeout=2.0)
        except KafkaException:
            self._admin = self._asking()
            return None

    def _asking(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})

    def _settings(self, node: int, home: Path) -> dict[str, str]:
        controller = f"{HOST}:{self._ports[-1]}"
        lines = SETTINGS | SAFE | {"node.id": str(node), "log.dirs": str(home / "data")}
        lines |= {
            "listener.security.protocol.map": "CLIENT:PLAINTEXT,INTERNAL:PLAINTEXT,"
            "CONTROLLER:PLAINTEXT",
            "controller.quorum.voters": f"{CONTROLLER}@{controller}",
        }
        if node == CONTROLLER:
            del lines["inter.broker.listener.name"]
            return lines | {
                "process.roles": "controller",
                "listeners": f"CONTROLLER://{controller}",
            }
        client, internal = self._ports[2 * (node - 1) : 2 * node]
        listeners = f"CLIENT://{HOST}:{client},INTERNAL://{HOST}:{internal}"
        return lines | {"process.roles": "broker", "listeners": listeners}
