"""Sends results at a steady rate, from a process of its own; they are made before the first is
sent, which it says.

usage: python -m streams.bench.load BOOTSTRAP RECORDS-A-SECOND SECONDS
"""

import sys
from functools import partial
from itertools import count

import numpy as np

from schemas.catalog import RESULTS, local_ids
from schemas.codec.framing import Codec
from streams.bench.workload import Workload
from streams.kafka.backend import backend_of
from streams.runtime.clock import monotonic, wait_until
from streams.runtime.settings import Settings

AT_A_TIME = 0.01  # seconds
READY = "ready"
_FIRST = 1 << 63  # ids that no other writer of the bench uses
_CHUNK = 20_000


def main(bootstrap: str, rate: str, seconds: str) -> None:
    settings = Settings(bootstrap=bootstrap)
    made = _made(settings, int(int(rate) * float(seconds)))
    producer = backend_of(settings).producer(
        settings.client(**{"linger.ms": 2, "compression.type": "lz4"})
    )
    print(READY, flush=True)
    sys.stdin.readline()  # the word to begin
    began, at = monotonic(), 0
    for turn in count(1):
        wait_until(partial(_past, began + turn * AT_A_TIME), 1.0)
        upto = int((monotonic() - began) * int(rate)) // settings.partitions
        for partition, messages in enumerate(made):
            producer.produce_batch(RESULTS, messages[at:upto], partition=partition)
        producer.poll(0)
        at = upto


def _made(settings: Settings, records: int) -> list[list[dict[str, str | bytes]]]:
    """As many for each partition."""
    workload, codec, rng = Workload(), Codec(local_ids()), np.random.default_rng(0)
    made: list[list[dict[str, str | bytes]]] = [[] for _ in range(settings.partitions)]
    for start in count(0, _CHUNK):
        if min(map(len, made)) >= records // settings.partitions:
            return made
        keys = rng.integers(workload.keys, size=_CHUNK)
        for partition, pairs in workload.results(
            codec, settings.partitions, _FIRST + start, keys, rng
        ):
            made[partition] += [{"key": key, "value": value} for key, value in pairs]
    raise AssertionError


def _past(moment: float) -> bool:
    return monotonic() >= moment


if __name__ == "__main__":
    main(*sys.argv[1:])
