"""Does every fault at full size, shows what came of each, and keeps the last result of each in
report.json beside this file.

usage: python -m tests.faults [TEXT-IN-THE-NAME-OF-A-FAULT ...]
"""

import json
import sys
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from streams.runtime.clock import monotonic
from tests.faults.cases import CASES
from tests.support.faults.case import Case, Setting

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
    """Returns how many cases lost, doubled or got something wrong, recovered too late, or did not
    come to an end.
    """
    cases = [case for case in CASES if not wanted or any(text in case.fault for text in wanted)]
    rows, bad = _known(), 0
    for number, case in enumerate(cases, 1):
        began = monotonic()
        print(f"[{number}/{len(cases)}] {case.fault} ...", flush=True)
        rows.pop(case.fault, None)
        try:
            row = _done(case)
        except Exception:  # noqa: BLE001 - the other faults are done all the same
            traceback.print_exc()
            print(f"   did not come to an end [{monotonic() - began:.0f} s]", flush=True)
            bad += 1
            continue
        late = row.recovered_seconds > case.within
        bad += late or row.lost + row.duplicated + row.wrong > 0
        rows[case.fault] = row
        print(
            f"   {row.runs} runs: lost {row.lost}, duplicated {row.duplicated}, wrong {row.wrong}, "
            "recovered in "
            f"{row.recovered_seconds:.2f} s (at most {case.within:g}){' TOO LATE' if late else ''} "
            f"[{monotonic() - began:.0f} s]",
            flush=True,
        )
        _write(rows)
    return bad


def _known() -> dict[str, Row]:
    """The last results of the faults that there are."""
    names = {case.fault for case in CASES}
    rows = [Row(**row) for row in json.loads(REPORT.read_text())] if REPORT.exists() else []
    return {row.fault: row for row in rows if row.fault in names}


def _write(rows: dict[str, Row]) -> None:
    told = [json.dumps(asdict(rows[case.fault])) for case in CASES if case.fault in rows]
    REPORT.write_text("[\n  " + ",\n  ".join(told) + "\n]\n")


def _done(case: Case) -> Row:
    directory = Path(mkdtemp(prefix="mendstream-fault-"))
    try:
        outcome = case.run(Setting(full=True, directory=directory))
    except BaseException:
        print(f"   its logs are kept in {directory}", flush=True)
        raise
    if any(outcome.harm) or outcome.recovered_seconds > case.within:
        print(f"   its logs are kept in {directory}", flush=True)
    else:
        rmtree(directory)
    return Row(case.fault, outcome.runs, *outcome.harm, round(outcome.recovered_seconds, 2))


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
