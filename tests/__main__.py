"""Runs the whole suite in two processes at once: the closed rooms beside the tests that wait for a
Kafka.

`python -m tests [PYTEST-ARGUMENTS]`. The closed rooms (`conftest.CLOSED_ROOMS` and the simulation)
only compute; the others mostly wait for brokers and sessions. Beside each other they take little
longer than the others alone. The closed rooms yield the processor, so that no deadline of a test on
Kafka is missed for their sake; what they print comes once both have ended. Where a path is named,
one process runs just that.
"""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryFile

from tests.conftest import CLOSED_ROOMS

ROOT = Path(__file__).parents[1]
COMPUTING = sorted(f"tests/{room}" for room in CLOSED_ROOMS | {"simulation"})
SLOWEST = "--durations=20"  # printed at each run, so that whoever adds a slow test sees it
NOTHING_COLLECTED = 5  # pytest's exit code: `-k` may choose tests of one process alone


def main(arguments: list[str]) -> int:
    """Returns 0 where all tests passed, else the exit code of a process whose tests did not."""
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
