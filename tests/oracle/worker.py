"""A worker that the ordeal does things to; a program.

usage: worker engine|control, with the settings in the environment as for `mendstream processor`.

Each line on its input, `SIGNAL POINT`, has it send itself that signal when a commit next comes to
that point. When its input ends, it finishes what it holds and leaves.
"""

import logging
import os
import signal
import sys
import threading
import traceback
from collections import deque
from typing import NoReturn

from schemas.catalog import local_ids
from schemas.codec.framing import Codec
from streams.engine.processor import Processor
from streams.engine.transaction import Hook
from streams.runtime.clock import wait_until
from streams.runtime.settings import Settings
from tests.oracle.control import Control
from tests.oracle.topology import EOS, Totals

AT_WORK = "at work"  # said once, after the first commit
GRACE_SECONDS = 20.0  # to leave; past them it ends at once, so that none outlives its parent
POINTS = ("begun", "outputs", "rows", "offsets", "committed")  # in the order of a commit

log = logging.getLogger("mendstream.oracle")


class Orders:
    """What is to happen at the next commit."""

    def __init__(self) -> None:
        self._orders: deque[tuple[signal.Signals, str]] = deque()
        self._at_work = False

    def __call__(self, reached: str) -> None:
        if reached == POINTS[-1] and not self._at_work:
            self._at_work = True
            log.info(AT_WORK)
        if self._orders and self._orders[0][1] == reached:
            number, _ = self._orders.popleft()
            os.kill(os.getpid(), number)

    def obey(self, worker: Processor[Totals] | Control) -> None:
        """Takes orders until there are no more."""
        for line in sys.stdin:
            name, point = line.split()
            self._orders.append((signal.Signals[name], point))
        worker.stop()
        wait_until(lambda: False, GRACE_SECONDS)
        _end(1)


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    code = 1
    try:
        orders = Orders()
        worker = _made(sys.argv[1], orders)
        threading.Thread(target=orders.obey, args=(worker,), name="orders", daemon=True).start()
        worker.run()
        code = 0
    except BaseException:  # noqa: BLE001 - whatever it was, nothing may be closed: see _end
        traceback.print_exc()
    _end(code)


def _made(kind: str, at: Hook) -> Processor[Totals] | Control:
    settings, codec = Settings(), Codec(local_ids())
    return (
        Processor(settings, codec, at=at, topology=EOS)
        if kind == "engine"
        else Control(settings, codec, at)
    )


def _end(code: int) -> NoReturn:
    """Ends at once: closing a consumer after a crash would hand over partitions as if their tables
    were committed.
    """
    logging.shutdown()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
