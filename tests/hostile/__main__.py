"""Has a stranger do every case, then weighs a million made-up names, and keeps what came of it in
report.json beside this file.

usage: python -m tests.hostile [TEXT-IN-THE-NAME-OF-A-CASE ...]
"""

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from streams.runtime.clock import monotonic
from tests.hostile import names
from tests.hostile.cases import Case, cases
from tests.hostile.world import World
from tests.support.kafka.running import own_kafka

REPORT = Path(__file__).parent / "report.json"
PARTITIONS = 2
DEDUPE_WINDOW = 100_000


def run(wanted: list[Case], told: Any = print) -> list[dict[str, Any]]:
    """What came of these cases, one after the other under one worker."""
    with (
        TemporaryDirectory() as directory,
        own_kafka(partitions=PARTITIONS, dedupe_window=DEDUPE_WINDOW) as (_, settings),
    ):
        world = World(settings, Path(directory), len(wanted))
        try:
            for number, case in enumerate(wanted, 1):
                row = world.do(case)
                took = (
                    f"{row.seconds:.2f} s, {row.cpu_seconds:.2f} of the worker's processor, "
                    f"{row.rss_mb:.0f} MB"
                )
                told(f"[{number}/{len(wanted)}] {case.name}: {took} {row.notes or ''}")
            return world.judged()
        finally:
            world.close()


def main(texts: list[str]) -> int:
    """Returns how many cases were not survived, harmed the other tenant or were not told."""
    began = monotonic()
    chosen = [case for case in cases() if not texts or any(text in case.name for text in texts)]
    rows = run(chosen, lambda line: print(line, flush=True)) if chosen else []
    if not texts or any(text in names.CASE for text in texts):
        rows.append(names.run())
        print(json.dumps(rows[-1]), flush=True)
    bad = [row for row in rows if not (row["survived"] and row["others_unharmed"] and row["told"])]
    for row in bad:
        print("bad:", json.dumps(row), flush=True)
    if not texts:
        REPORT.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    print(f"{len(rows)} cases, {len(bad)} bad, {monotonic() - began:.0f} s", flush=True)
    return len(bad)


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
