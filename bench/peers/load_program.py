"""Sends results at a steady rate until it is stopped, from a process of its own.

usage: load_program BOOTSTRAP RECORDS-A-SECOND
"""

import sys
from functools import partial
from itertools import count

import numpy as np
from confluent_kafka import Producer

from schemas.catalog import RESULTS, local_ids
from schemas.wire import Codec
from streams.bench import Workload
from streams.clock import monotonic, wait_until
from streams.config import Settings

AT_A_TIME = 0.01  # seconds
_FIRST = 1 << 63  # ids that no other writer of the bench uses


def main(bootstrap: str, rate: str) -> None:
    settings, codec, rng = Settings(bootstrap=bootstrap), Codec(local_ids()), np.random.default_rng(0)
    workload = Workload()
    producer = Producer(settings.client(**{"linger.ms": 2, "compression.type": "lz4"}))
    began, sent = monotonic(), 0
    for turn in count(1):
        wait_until(partial(_past, began + turn * AT_A_TIME), 1.0)
        due = int((monotonic() - began) * int(rate)) - sent
        keys = rng.integers(workload.keys, size=due)
        for partition, pairs in workload.results(codec, settings.partitions, _FIRST + sent, keys, rng):
            producer.produce_batch(RESULTS, [{"key": k, "value": v} for k, v in pairs], partition=partition)
        producer.poll(0)
        sent += due


def _past(moment: float) -> bool:
    return monotonic() >= moment


if __name__ == "__main__":
    main(*sys.argv[1:])
