"""A redrive that kills itself with SIGKILL at a named point of a transaction; a program for the
tests.

usage: redriver POINT NUMBER LETTERS, with the settings in the environment

Dies when it reaches POINT for the NUMBERth time; a transaction holds at most LETTERS letters.
"""

import os
import signal
import sys

from streams.operations.redrive import Wanted, redrive
from streams.runtime.settings import Settings


def main() -> None:
    point, number, letters = sys.argv[1:]
    reached = 0

    def at(name: str) -> None:
        nonlocal reached
        reached += name == point
        if name == point and reached == int(number):
            os.kill(os.getpid(), signal.SIGKILL)

    redrive(Settings(), Wanted(), at, int(letters))


if __name__ == "__main__":
    main()
