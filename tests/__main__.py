"""Runs the whole suite in three stages, the quickest first, each in two processes side by side.

`python -m tests [PYTEST-ARGUMENTS]`. Most failures show in the first stage, which only computes;
then comes what needs a Kafka or another program; then faults, security and the oracle. Within a
stage pytest-xdist hands the next file of tests to whichever process is free, so that neither waits
for the other for longer than one file takes. Each stage is said with its time, and one that fails
keeps none after it from running. Where a path is named, one process runs just that.
"""

import subprocess
import sys
from pathlib import Path

from streams.runtime.clock import monotonic
from tests.conftest import CLOSED_ROOMS

ROOT = Path(__file__).parents[1]
COMPUTING = sorted(f"tests/{room}" for room in CLOSED_ROOMS | {"simulation", "lives"})
LATE = ("faults", "security", "oracle", "hostile")
NOT_HERE = ("ship",)  # `make ship-check` runs these
PROCESSES = 2
# Whole files, for their tests share what they start; in the order in which they are named.
SIDE_BY_SIDE = ("-n", str(PROCESSES), "--dist", "loadfile", "--no-loadscope-reorder")
SLOWEST = "--durations=30"  # printed at each run, so that whoever adds a slow test sees it
NOTHING_COLLECTED = 5  # pytest's exit code: `-k` may choose tests of one stage alone
# Files that take longest begin first, so that a stage does not end with one process at work.
LONG = (
    "tests/simulation/",
    "tests/golden/",
    "tests/lives/",
    "tests/gateway/test_every_page.py",
    "tests/gateway/test_pages.py",
    "tests/kafka/test_client_commands.py",
    "tests/kafka/test_commands.py",
    "tests/kafka/test_demo.py",
    "tests/kafka/test_executor.py",
    "tests/kafka/test_ingest.py",
    "tests/kafka/test_rebalance.py",
    "tests/faults/",
)


def main(arguments: list[str]) -> int:
    """Returns 0 where all tests passed, else the exit code of a stage whose tests did not."""
    pytest = [sys.executable, "-m", "pytest", SLOWEST]
    if any(names_tests(argument) for argument in arguments):
        return run([*pytest, *arguments])
    codes, said = [], []
    for name, files in stages().items():
        print(f"\nStage {name}", flush=True)
        began = monotonic()
        codes.append(run([*pytest, *SIDE_BY_SIDE, *arguments, *files]))
        said.append(stage_line(name, codes[-1], monotonic() - began))
        print(said[-1], flush=True)
    print("\n" + "\n".join(said), flush=True)
    return outcome(codes)


def run(command: list[str]) -> int:
    """Runs pytest; returns its exit code."""
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def stages() -> dict[str, list[str]]:
    """The files of tests of each stage, those that take longest first."""
    found: dict[str, list[str]] = {"closed rooms": [], "Kafka": [], "faults, security, oracle": []}
    computing, waiting, late = found.values()
    for path in files_of_tests():
        room = path.split("/")[1]
        if room in LATE:
            late.append(path)
        elif room not in NOT_HERE:
            # What stands at the top is about the project's own files and needs nothing.
            is_computing = f"tests/{room}" in COMPUTING or room.endswith(".py")
            (computing if is_computing else waiting).append(path)
    return {name: sorted(files, key=_is_short) for name, files in found.items()}


def files_of_tests() -> list[str]:
    """Every file of tests, in order of their names."""
    return sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("test_*.py"))


def _is_short(path: str) -> bool:
    return not path.startswith(LONG)


def stage_line(name: str, code: int, seconds: float) -> str:
    """How a stage ended, and after how long.

    >>> stage_line("Kafka", 0, 754.2), stage_line("Kafka", 1, 4.0)
    ('Stage Kafka: passed in 12 min 34 s', 'Stage Kafka: FAILED (1) in 0 min 4 s')
    """
    ended = "passed" if code in (0, NOTHING_COLLECTED) else f"FAILED ({code})"
    return f"Stage {name}: {ended} in {int(seconds) // 60} min {int(seconds) % 60} s"


def names_tests(argument: str) -> bool:
    """Whether an argument of pytest is a path of tests, or a test in one.

    >>> names_tests("tests/kafka/test_broker.py::test_x"), names_tests("-k"), names_tests("tests")
    (True, False, True)
    """
    path = argument.partition("::")[0]
    return bool(path) and not path.startswith("-") and (ROOT / path).exists()


def outcome(codes: list[int]) -> int:
    """The worst of the exit codes, where a process without any test counts only if all have none.

    >>> outcome([0, 5]), outcome([5, 5]), outcome([1, 0])
    (0, 5, 1)
    """
    told = [code for code in codes if code != NOTHING_COLLECTED]
    return max(map(abs, told), default=NOTHING_COLLECTED)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
