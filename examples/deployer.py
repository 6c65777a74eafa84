"""A deployer with plain confluent-kafka: python -m examples.deployer BOOTSTRAP KEYS-FILE STATE-FILE"""

import sys
from typing import Any

from confluent_kafka import Consumer, Producer

from examples.duties import Duties
from streams.verifier import Origin

TOPIC, STATUS_TOPIC = "commands.rollback.v1", "commands.status.v1"


def act(command: dict[str, Any]) -> None:
    """Yours: route the traffic of the target to the version."""
    print(command["command_id"], command["target"], "->", command["to_version"], flush=True)


def main(bootstrap: str, keys_file: str, state_file: str, group: str = "") -> None:
    """group: of the processors that are obeyed; with it a signature has to say the cluster, the group and the schema."""
    kafka = {"bootstrap.servers": bootstrap}
    producer = Producer(kafka | {"enable.idempotence": True, "partitioner": "murmur2_random"})
    reading = {"isolation.level": "read_committed", "auto.offset.reset": "earliest", "enable.auto.commit": False}
    consumer = Consumer(kafka | {"group.id": "deployer", "session.timeout.ms": 6_000} | reading)
    consumer.subscribe([TOPIC])
    origin = Origin(str(consumer.list_topics(timeout=10.0).cluster_id), group) if group else None
    duties = Duties(keys_file, state_file, act, origin)
    while True:
        message = consumer.poll(1.0)
        if message is None or message.error():
            continue
        headers = message.headers() or []
        for status in duties.take(TOPIC, message.key(), message.value(), headers):
            producer.produce(STATUS_TOPIC, status, message.key())
            producer.flush()
        consumer.commit(message=message, asynchronous=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
