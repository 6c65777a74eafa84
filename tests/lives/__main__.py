"""Searches for lives of commands that break a rule; prints how many steps were walked, and the
seeds that found something.

usage: python -m tests.lives [SEED [STEPS]]
"""

import logging
import sys
from concurrent.futures import ProcessPoolExecutor
from os import cpu_count

from streams.runtime.clock import monotonic
from tests.lives.search import EPISODE, walk

STEPS = 1_000_000
_BATCH = 25


def main(first: int, steps: int) -> int:
    """Returns how many walks broke a rule."""
    logging.getLogger("mendstream").setLevel(logging.CRITICAL)
    seeds = range(first, first + -(-steps // EPISODE))
    began, walked, bad = monotonic(), 0, 0
    with ProcessPoolExecutor(cpu_count()) as pool:
        for number, found in enumerate(
            pool.map(_walked, [seeds[at : at + _BATCH] for at in range(0, len(seeds), _BATCH)])
        ):
            walked = min(len(seeds), (number + 1) * _BATCH) * EPISODE
            bad += len(found)
            for line in found:
                print(line, flush=True)
            if number % 20 == 0:
                print(
                    f"{walked:,} steps, {bad} violations, {walked / (monotonic() - began):,.0f} a "
                    "second",
                    flush=True,
                )
    print(
        f"{walked:,} steps from seed {first}, {bad} violations, in {monotonic() - began:,.0f} s",
        flush=True,
    )
    return bad


def _walked(seeds: range) -> list[str]:
    logging.getLogger("mendstream").setLevel(logging.CRITICAL)
    return [line for seed in seeds for line in _told(seed)]


def _told(seed: int) -> list[str]:
    try:
        walk(seed)
    except Exception as error:  # noqa: BLE001 - whatever a walk dies of is what is looked for
        return [f"seed {seed}: {type(error).__name__}: {error}"]
    return []


if __name__ == "__main__":
    sys.exit(
        min(1, main(int((sys.argv[1:2] or ["0"])[0]), int((sys.argv[2:3] or [str(STEPS)])[0])))
    )
