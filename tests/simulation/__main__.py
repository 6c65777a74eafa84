"""Many runs of counting, and some of deciding; prints how many a minute, and the seeds that found
something.

usage: python -m tests.simulation [FIRST-SEED [RUNS]]
"""

import logging
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from os import cpu_count

from streams.runtime.clock import monotonic
from tests.simulation.seeds import Run, count, simulate

RUNS = 10_000
DECIDING_OF = 50  # one run in so many is of the whole of deciding
_BATCH = 100


def main(first: int, runs: int) -> int:
    """Returns how many runs went wrong."""
    bad = 0
    for name, job, n in (
        ("counting", count, runs),
        ("deciding", simulate, max(1, runs // DECIDING_OF)),
    ):
        began, found = monotonic(), 0
        with ProcessPoolExecutor(cpu_count()) as pool:
            batches = range(first, first + n, _BATCH)
            work = partial(_batch, job, first + n)
            for done, failed in enumerate(pool.map(work, batches), 1):
                found += len(failed)
                for line in failed:
                    print(line, flush=True)
                ran = min(done * _BATCH, n)
                rate = 60 * ran / (monotonic() - began)
                print(
                    f"{name}: {ran} of {n} runs, {found} went wrong, {rate:,.0f} a minute",
                    flush=True,
                )
        bad += found
    return bad


def _batch(job: Callable[[int], Run], end: int, first: int) -> list[str]:
    logging.getLogger("mendstream").setLevel(logging.CRITICAL)
    return [line for seed in range(first, min(first + _BATCH, end)) for line in _told(job, seed)]


def _told(job: Callable[[int], Run], seed: int) -> list[str]:
    try:
        run = job(seed)
    except Exception as error:  # noqa: BLE001 - whatever a run dies of is what is looked for
        return [f"seed {seed}: {type(error).__name__}: {error}"]
    return [f"seed {seed}: {run.harm}; " + "; ".join(run.happened)] if any(run.harm) else []


if __name__ == "__main__":
    sys.exit(min(1, main(int((sys.argv[1:2] or ["0"])[0]), int((sys.argv[2:3] or [str(RUNS)])[0]))))
