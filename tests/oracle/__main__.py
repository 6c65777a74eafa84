"""Has Kafka's own test judge the engine, and beside it a control that it must find fault with;
writes report.json.

usage: python -m tests.oracle [SEED]
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from streams.runtime.clock import monotonic
from tests.oracle.ordeal import CONTROL, FULL, Outcome, Stage, undergo

REPORT = Path(__file__).parent / "report.json"


def main(seed: int) -> int:
    """Returns 0 if the engine passed and the control did not."""
    engine, control = _undergone("engine", FULL, seed), _undergone("control", CONTROL, seed)
    good = engine.verdict.passed and control.verdict.refused
    report = {"good": good, "seed": seed, "engine": asdict(engine), "control": asdict(control)}
    REPORT.write_text(json.dumps(report, indent=2) + "\n")
    return 0 if good else 1


def _undergone(kind: str, stages: tuple[Stage, ...], seed: int) -> Outcome:
    began = monotonic()

    def say(what: str) -> None:
        print(f"{kind} {monotonic() - began:5.0f} s  {what}", flush=True)

    with TemporaryDirectory(prefix="mendstream-oracle-") as directory:
        outcome = undergo(kind, stages, Path(directory), seed, say)
    verdict = outcome.verdict
    said = (
        "passed"
        if verdict.passed
        else "refused: " + verdict.reason
        if verdict.refused
        else verdict.reason
    )
    print(
        f"{kind}: {outcome.kills} kills, {outcome.zombies} zombies, {outcome.rescalings} "
        "rescalings, "
        f"{outcome.records} records, {outcome.echoes} echoes, recovered within "
        f"{outcome.kill_recovery_seconds:.1f} s of "
        f"a kill and {outcome.zombie_recovery_seconds:.1f} s of a freeze [{outcome.seconds:.0f} "
        "s]\n"
        f"{kind}: {said}",
        flush=True,
    )
    return outcome


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1))
