"""Simulates every case on which the judge's error rates are promised, and says which promises hold.

The figures that other methods reach, and where the bars come from, are the cases' own business;
this runs them.
"""

import argparse
import json
import multiprocessing
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path

from bench import (
    cases_anomalies,
    cases_counts,
    cases_covariates,
    cases_drift,
    cases_latency,
    cases_many,
    cases_margins,
    cases_means,
    cases_overlap,
    cases_power,
    cases_ramp,
    cases_strange,
    cases_units,
    cases_watch,
    cases_words,
)
from bench.case import Case, Figure

CASES: tuple[Case, ...] = (
    *cases_counts.CASES,
    *cases_ramp.CASES,
    *cases_margins.CASES,
    *cases_means.CASES,
    *cases_covariates.CASES,
    *cases_latency.CASES,
    *cases_units.CASES,
    *cases_drift.CASES,
    *cases_watch.CASES,
    *cases_strange.CASES,
    *cases_many.CASES,
    *cases_overlap.CASES,
    *cases_power.CASES,
    *cases_words.CASES,
    *cases_anomalies.CASES,
)
RESULT = Path(__file__).with_name("statistics.json")


def measure(cases: Sequence[Case], scale: float) -> list[Figure]:
    """Runs all cases, a batch on each core at a time; which core takes which changes nothing."""
    figures: list[Figure] = []
    # A forked child would inherit the locks of Arrow's threads, but not the threads.
    pool = ProcessPoolExecutor(os.cpu_count(), mp_context=multiprocessing.get_context("spawn"))
    try:
        waiting = [
            [(job.number, pool.submit(job.run)) for job in case.jobs(scale)] for case in cases
        ]
        for case, batches in zip(cases, waiting, strict=True):
            done = []
            for world, batch in batches:
                done.append((world, batch.result()))
                _tell(f"{case.name}: {len(done)} of {len(batches)}")
            figures += case.figures(done)
        _tell("")
    finally:
        pool.shutdown(cancel_futures=True)
    return figures


def _tell(progress: str) -> None:
    """Shows how far it is, in place, where somebody looks on."""
    if sys.stderr.isatty():
        print(f"\r\033[K{progress}", end="", file=sys.stderr, flush=True)
    elif progress:
        print(progress, file=sys.stderr, flush=True)


def table(figures: Sequence[Figure]) -> str:
    width = max(len(figure.case) for figure in figures)
    head = f"{'case':{width}} {'value':>10} {'bar':>8}  holds"
    rows = [
        f"{one.case:{width}} {one.value:>10.6g} {one.bar:>8g}  {'yes' if one.holds else 'NO'}"
        for one in figures
    ]
    return "\n".join([head, *rows])


def kept_in(chosen: Sequence[str], scale: float) -> Path | None:
    """The file that keeps the figures of all cases; None for a run of some, or of fewer units.

    >>> kept_in([], 1.0) == RESULT, kept_in(["drift"], 1.0), kept_in([], 0.1)
    (True, None, None)
    """
    return None if chosen or scale != 1.0 else RESULT


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.statistics", description=__doc__)
    parser.add_argument(
        "--runs-scale", type=float, default=1.0, help="multiplies the runs of every case"
    )
    parser.add_argument(
        "--case", action="append", default=[], help="only cases whose name contains this"
    )
    parser.add_argument(
        "--json",
        type=Path,
        help=f"where the figures are written; {RESULT.name} beside this file for a whole run alone",
    )
    given = parser.parse_args()
    cases = [
        case for case in CASES if not given.case or any(part in case.name for part in given.case)
    ]
    if not cases:
        parser.error(
            "no case has that in its name; there are: " + ", ".join(case.name for case in CASES)
        )
    figures = measure(cases, given.runs_scale)
    written = given.json or kept_in(given.case, given.runs_scale)
    if written is not None:
        text = json.dumps([asdict(figure) for figure in figures], indent=1) + "\n"
        written.write_text(text, encoding="utf-8")
    print(table(figures))
    return 0 if all(figure.holds for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
