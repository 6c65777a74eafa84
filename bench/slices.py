"""How long the fold of one slice of results takes, by its length: what a turn of a worker costs
that keeps up.
"""

import argparse
import json
import sys
from pathlib import Path
from statistics import median

import numpy as np

from agents.core.batch import DeliveredRecord, Slice
from agents.flow.pipeline import fold
from schemas.catalog import RESULTS, SPECS, local_ids
from schemas.codec.framing import Codec
from state.partition.partition_state import PartitionState
from streams.bench.workload import Workload
from streams.runtime.clock import monotonic, now_ms

REPORT = Path(__file__).with_name("report.json")
LENGTHS = (1, 10, 100, 1_000)
BARS_US = {10: 200.0}
TIMES = 300  # of each length; their median is given
_WARM = 40_000  # records before: rows are there, and what is compiled at need is


def slice_us(length: int, times: int = TIMES) -> float:
    """Microseconds, the median, of one slice of so many results of keys at random."""
    codec, state, rng = Codec(local_ids()), PartitionState(0, 1), np.random.default_rng(length)
    workload = Workload()
    specs = [codec.encode(spec) for spec in workload.specs()]
    fold(_slice(SPECS, specs, 0), state, codec)
    keys = rng.integers(workload.keys, size=_WARM + length * times)
    ((_, pairs),) = workload.results(codec, 1, 0, keys, rng)
    values = [value for _, value in pairs]
    for first in range(0, _WARM, _WARM // 10):
        fold(_slice(RESULTS, values[first : first + _WARM // 10], first), state, codec)
    took = []
    for first in range(_WARM, len(values), length):
        piece = _slice(RESULTS, values[first : first + length], first)
        began = monotonic()
        fold(piece, state, codec)
        took.append(monotonic() - began)
    return round(1e6 * median(took), 1)


def _slice(topic: str, values: list[bytes], first: int) -> Slice:
    now = now_ms()
    made = [DeliveredRecord(value, first + at, now) for at, value in enumerate(values)]
    return Slice.of(topic, 0, made)


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.slices", description=__doc__)
    parser.add_argument("--json", type=Path, default=REPORT, help="the report that is added to")
    given = parser.parse_args()
    found = {length: slice_us(length) for length in LENGTHS}
    for length, us in found.items():
        bar = BARS_US.get(length)
        told = "" if bar is None else f" (bar {bar:g}: {'yes' if us <= bar else 'NO'})"
        print(f"a slice of {length:,}: {us:,.1f} us, {us / length:.2f} us an event{told}")
    report = json.loads(given.json.read_text()) if given.json.exists() else {}
    report |= {"slice_us": {str(length): us for length, us in found.items()}}
    given.json.write_text(json.dumps(report, indent=1) + "\n")
    return 0 if all(found[length] <= bar for length, bar in BARS_US.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
