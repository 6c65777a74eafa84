"""Does every fault at full size, shows what came of each, and writes report.json beside this file.

usage: python -m tests.faults [TEXT-IN-THE-NAME-OF-A-FAULT ...]
"""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from streams.clock import monotonic
from tests.faults.case import Case, Setting
from tests.faults.cases import CASES

REPORT = Path(__file__).parent / "report.json"


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the report."""

    fault: str
    runs: int
    lost: int
    duplicated: int
    wrong: int
    recovered_seconds: float


def main(wanted: list[str]) -> int:
    """Returns how many cases lost, doubled or got something wrong, or recovered too late."""
    cases = [case for case in CASES if not wanted or any(text in case.fault for text in wanted)]
    rows: list[Row] = []
    bad = 0
    for number, case in enumerate(cases, 1):
        began = monotonic()
        print(f"[{number}/{len(cases)}] {case.fault} ...", end=" ", flush=True)
        row = _done(case)
        late = row.recovered_seconds > case.within
        bad += late or row.lost + row.duplicated + row.wrong > 0
        rows.append(row)
        print(
            f"{row.runs} runs: lost {row.lost}, duplicated {row.duplicated}, wrong {row.wrong}, recovered in "
            f"{row.recovered_seconds:.2f} s (at most {case.within:g}){' TOO LATE' if late else ''} "
            f"[{monotonic() - began:.0f} s]",
            flush=True,
        )
    if not wanted:
        REPORT.write_text("[\n" + ",\n".join("  " + json.dumps(asdict(row)) for row in rows) + "\n]\n")
    return bad


def _done(case: Case) -> Row:
    with TemporaryDirectory(prefix="mendstream-fault-") as directory:
        outcome = case.run(Setting(full=True, directory=Path(directory)))
    return Row(case.fault, outcome.runs, *outcome.harm, round(outcome.recovered_seconds, 2))


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
