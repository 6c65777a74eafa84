"""Runs the whole suite in three stages, the quickest first, each in two processes side by side.

`python -m tests [PYTEST-ARGUMENTS]`. Most failures show in the first stage, which only computes;
then comes what needs a Kafka or another program; then faults, security and the oracle. The tests of
the later stages mostly wait for brokers and sessions, so that two of them beside each other take
little longer than one. What the second process of a stage prints comes once both have ended. Each
stage is said with its time, and one that fails keeps none after it from running. Where a path is
named, one process runs just that.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile

from streams.runtime.clock import monotonic
from tests.conftest import CLOSED_ROOMS

ROOT = Path(__file__).parents[1]
COMPUTING = sorted(f"tests/{room}" for room in CLOSED_ROOMS | {"simulation", "lives"})
LARGEST = "tests/unit"  # takes about as long as the other closed rooms together
LATE = ("faults", "security", "oracle", "hostile")
NOT_HERE = ("ship",)  # `make ship-check` runs these
SLOWEST = "--durations=30"  # printed at each run, so that whoever adds a slow test sees it
NOTHING_COLLECTED = 5  # pytest's exit code: `-k` may choose tests of one process alone

Lanes = tuple[list[str], list[str]]


def main(arguments: list[str]) -> int:
    """Returns 0 where all tests passed, else the exit code of a process whose tests did not."""
    pytest = [sys.executable, "-m", "pytest", SLOWEST, *arguments]
    if any(names_tests(argument) for argument in arguments):
        return subprocess.run(pytest, cwd=ROOT, check=False).returncode
    codes, said = [], []
    for name, lanes in stages().items():
        print(f"\nStage {name}", flush=True)
        began = monotonic()
        ended = side_by_side(pytest, lanes)
        codes += ended
        said.append(stage_line(name, outcome(ended), monotonic() - began))
        print(said[-1], flush=True)
    print("\n" + "\n".join(said), flush=True)
    return outcome(codes)


def stages() -> dict[str, Lanes]:
    """The paths of tests of each stage, for either process."""
    quick = [room for room in COMPUTING if room != LARGEST]
    top = [str(path.relative_to(ROOT)) for path in sorted((ROOT / "tests").glob("test_*.py"))]
    first = {LARGEST, *quick}
    waiting = [
        path
        for path in files_of_tests()
        if not any(path.startswith(f"{room}/") for room in first)
        and path.split("/")[1] not in (*LATE, *NOT_HERE)
        and path not in top
    ]
    late = [path for path in files_of_tests() if path.split("/")[1] in LATE]
    return {
        "closed rooms": ([LARGEST, *top], quick),
        "Kafka": dealt(waiting),
        "faults, security, oracle": dealt(late),
    }


def files_of_tests() -> list[str]:
    """Every file of tests, in order of their names."""
    return sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("test_*.py"))


def dealt(paths: Sequence[str]) -> Lanes:
    """The paths dealt out to two processes in turn.

    >>> dealt(["a", "b", "c"])
    (['a', 'c'], ['b'])
    """
    return list(paths[::2]), list(paths[1::2])


def side_by_side(pytest: list[str], lanes: Lanes) -> list[int]:
    """Runs both lanes at once; returns their exit codes."""
    shown, hidden = lanes
    with TemporaryFile() as printed:
        beside = subprocess.Popen(
            [*pytest, "-p", "no:cacheprovider", *hidden],
            cwd=ROOT,
            stdout=printed,
            stderr=subprocess.STDOUT,
        )
        codes = [subprocess.run([*pytest, *shown], cwd=ROOT, check=False).returncode]
        codes.append(beside.wait())
        printed.seek(0)
        print(f"\nBeside it ({', '.join(hidden)}):", flush=True)
        sys.stdout.buffer.write(printed.read())
        sys.stdout.flush()
    return codes


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
