"""Runs the whole suite in two processes at once: the closed rooms beside the tests that wait for a
Kafka.

`python -m tests [PYTEST-ARGUMENTS]`. The closed rooms (`conftest.CLOSED_ROOMS` and the simulation)
only compute; the others mostly wait for brokers and sessions. Beside each other they take little
longer than the others alone. The closed rooms yield the processor, so that no deadline of a test on
Kafka is missed for their sake; what they print comes once both have ended. Where a path is named,
one process runs just that.

`python -m tests --stages [PYTEST-ARGUMENTS]` runs the same tests in three stages, one after the
other and the quickest first, so that most failures show within minutes: the closed rooms; what
needs a Kafka or another program; faults, security and the oracle. Each is said with its time, and
a stage that fails keeps none after it from running.
"""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryFile

from streams.runtime.clock import monotonic
from tests.conftest import CLOSED_ROOMS

ROOT = Path(__file__).parents[1]
COMPUTING = sorted(f"tests/{room}" for room in CLOSED_ROOMS | {"simulation"})
QUICK = [*COMPUTING, "tests/lives", "tests/test_architecture.py"]
SLOW = [f"tests/{room}" for room in ("faults", "security", "oracle", "hostile")]
STAGES = {
    "closed rooms": QUICK,
    "Kafka": ["tests", *(f"--ignore={path}" for path in (*QUICK, *SLOW))],
    "faults, security, oracle": SLOW,
}
SLOWEST = "--durations=30"  # printed at each run, so that whoever adds a slow test sees it
NOTHING_COLLECTED = 5  # pytest's exit code: `-k` may choose tests of one process alone


def main(arguments: list[str]) -> int:
    """Returns 0 where all tests passed, else the exit code of a process whose tests did not."""
    if "--stages" in arguments:
        return in_stages([each for each in arguments if each != "--stages"])
    pytest = [sys.executable, "-m", "pytest", SLOWEST, *arguments]
    if any(names_tests(argument) for argument in arguments):
        return subprocess.run(pytest, cwd=ROOT, check=False).returncode
    waiting = [*pytest, *(f"--ignore={room}" for room in COMPUTING)]
    computing = ["nice", *pytest, "-p", "no:cacheprovider", *COMPUTING]
    with TemporaryFile() as printed:
        beside = subprocess.Popen(computing, cwd=ROOT, stdout=printed, stderr=subprocess.STDOUT)
        codes = [subprocess.run(waiting, cwd=ROOT, check=False).returncode, beside.wait()]
        printed.seek(0)
        print(f"\nThe closed rooms ({', '.join(COMPUTING)}):", flush=True)
        sys.stdout.buffer.write(printed.read())
    return outcome(codes)


def in_stages(arguments: list[str]) -> int:
    """Runs each stage and says how it ended; returns as `main` does."""
    codes, said = [], []
    for name, paths in STAGES.items():
        print(f"\nStage: {name}", flush=True)
        began = monotonic()
        command = [sys.executable, "-m", "pytest", SLOWEST, *arguments, *paths]
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        codes.append(code)
        said.append(stage_line(name, code, monotonic() - began))
        print(said[-1], flush=True)
    print("\n" + "\n".join(said), flush=True)
    return outcome(codes)


def stage_line(name: str, code: int, seconds: float) -> str:
    """
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
