"""Counts the modules through which one result goes on its way to a command.

usage: python -m tests.support.path_trace [--names]
"""

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from schemas.catalog import COMMANDS, RESULTS, SPECS
from schemas.records import Order
from tests.support.builders import result, spec
from tests.support.still import still

ROOT = Path(__file__).parents[2]
_ROOMS = ("schemas", "state", "agents", "streams")
_NO_PART = ("streams/kafka/memory/",)  # the Kafka in memory, in place of a real one
_HARM = {"control": 45.0, "b": 2.0}  # conversions of 50 units


def modules_on_the_path() -> set[str]:
    """The modules of which a function runs between the poll that brings results and the commit of
    the rollback that they lead to, in a worker that was at rest.
    """
    with still() as one:
        worker = one.worker()
        one.send(SPECS, spec(), "bot")
        worker.takes_in(SPECS)
        for n in range(80):
            variant = ("control", "b")[n % 2]
            record = result(n, variant=variant, count=50, sum=_HARM[variant])
            one.send(RESULTS, record, "bot")
        found = _traced(lambda: worker.takes_in(RESULTS))
        assert one.values(COMMANDS[Order.ROLLBACK]), "the results led to no rollback"
    return found


def _traced(run: Callable[[], None]) -> set[str]:
    """The product's modules of which a function is called meanwhile, in any thread."""
    found = set[str]()

    def note(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and frame.f_code.co_name != "<module>":
            found.add(frame.f_code.co_filename)

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    inside = {name.removeprefix(f"{ROOT}/") for name in found if name.startswith(f"{ROOT}/")}
    return {
        name
        for name in inside
        if name.partition("/")[0] in _ROOMS and not name.startswith(_NO_PART)
    }


if __name__ == "__main__":
    names = sorted(modules_on_the_path())
    if "--names" in sys.argv[1:]:
        print("\n".join(names))
    print(f"{len(names)} modules")
