"""Reads the input and does nothing with it: the limit of what any of them could reach from Python.

usage: plain_program BOOTSTRAP GROUP INPUT
"""

import sys

from confluent_kafka import Consumer

from streams.runtime.clock import monotonic

AT_ONCE = 20_000
COMMIT_SECONDS = 0.1


def main(bootstrap: str, group: str, source: str) -> None:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "queued.min.messages": 200_000,
            "queued.max.messages.kbytes": 131_072,
            # the default, a second, is how long a full queue would starve the loop
            "fetch.queue.backoff.ms": 2,
            "fetch.message.max.bytes": 4_194_304,
        }
    )
    consumer.subscribe([source])
    committed, fresh = monotonic(), False
    while True:
        fresh |= bool(consumer.consume(AT_ONCE, timeout=0.05))
        if fresh and monotonic() - committed > COMMIT_SECONDS:
            consumer.commit(asynchronous=True)
            committed, fresh = monotonic(), False


if __name__ == "__main__":
    main(*sys.argv[1:])
