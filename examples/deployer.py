"""A deployer with plain confluent-kafka: python -m examples.deployer BOOTSTRAP KEYS-FILE STATE-FILE
[GROUP [MS]]

GROUP: of the processors that are obeyed, mendstream behind the topic prefix unless named. MS: from
when on signatures of scheme 1 alone are refused. MENDSTREAM_TOPIC_PREFIX in the environment: what
the names of their topics begin with.
"""

import os
import sys
from typing import Any

from confluent_kafka import Consumer, Producer

from examples.duties import Duties
from streams.verifier import Origin

TOPIC, STATUS_TOPIC = "commands.rollback.v1", "commands.status.v1"


def act(command: dict[str, Any]) -> None:
    """Yours: route the traffic of the target to the version."""
    print(command["command_id"], command["target"], "->", command["to_version"], flush=True)


def duties_of(
    keys_file: str, state_file: str, cluster: str, group: str = "mendstream", until: str = ""
) -> Duties:
    return Duties(keys_file, state_file, act, Origin(cluster, group), int(until) if until else None)


def main(bootstrap: str, keys_file: str, state_file: str, *obeyed: str) -> None:
    prefix = os.environ.get("MENDSTREAM_TOPIC_PREFIX", "")
    topic, status_topic = f"{prefix}{TOPIC}", f"{prefix}{STATUS_TOPIC}"
    kafka = {"bootstrap.servers": bootstrap}
    producer = Producer(kafka | {"enable.idempotence": True, "partitioner": "murmur2_random"})
    reading = {
        "isolation.level": "read_committed",
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    }
    own = {"group.id": f"{prefix}deployer", "session.timeout.ms": 6_000}
    consumer = Consumer(kafka | own | reading)
    consumer.subscribe([topic])
    cluster = str(consumer.list_topics(timeout=10.0).cluster_id)
    duties = duties_of(keys_file, state_file, cluster, *(obeyed or (f"{prefix}mendstream",)))
    while True:
        message = consumer.poll(1.0)
        if message is None or message.error():
            continue
        headers = message.headers() or []
        for status in duties.take(topic, message.key(), message.value(), headers):
            producer.produce(status_topic, status, message.key())
            producer.flush()
        consumer.commit(message=message, asynchronous=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
