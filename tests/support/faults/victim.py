"""A processor to which something is done from within, at a named point of a commit; a program for
the faults.

usage: victim OPTIONS-JSON, with the settings in the environment as for `mendstream processor`.
"""

import json
import logging
import os
import signal
import sys
from dataclasses import asdict, dataclass, replace

from agents.core.batch import Slice
from agents.core.effects import Effects
from schemas.codec.framing import Codec
from state.partition.partition_state import PartitionState
from streams.engine import transaction
from streams.engine.processor import Processor
from streams.engine.quarantine import black_box
from streams.engine.topology import DECIDING, Topology
from streams.engine.transaction import Crash
from streams.kafka.backend import Librdkafka
from streams.runtime import metrics
from streams.runtime.clock import monotonic, now_ms
from streams.runtime.errors import MendstreamError
from streams.runtime.settings import Settings
from tests.support.kafka.older import newer_codec, older_codec

POISON, RAISE = b"poison", b"raise"
POINTS = (
    "experiments.results.v1",
    "begun",
    "outputs",
    "rows",
    "offsets",
    "committed",
)  # in the order of a commit


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done, and when.

    point: where; "" for nowhere. after: so many commits of this process come first. decisive: not
    before one that holds decisions. armed: not before whoever started it says so, with SIGUSR1.
    signal: what the process sends itself there. statistics_ms: of the producer, other than the
    engine's; very long, and it has no way out of a delayed EndTxn. jumps: the clock goes to another
    hour, day or year every second. poison: a record with POISON in it ends the process, whoever
    looks at it; with RAISE beside it by an exception, as a bug of our own would, else as one of a
    library in C. release: "older" or "newer"; the older has other agents and older schemas, and
    each can read the other's.
    """

    point: str = ""
    after: int = 0
    decisive: bool = False
    armed: bool = False
    signal: str = "SIGKILL"
    statistics_ms: int = 0
    jumps: bool = False
    poison: bool = False
    release: str = ""

    def program(self) -> tuple[str, ...]:
        """What Python is to be started with."""
        return "-m", "tests.support.faults.victim", json.dumps(asdict(self))


class Fault:
    """The hook that a processor calls at each point."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._commits = 0
        self._decisions = 0.0
        self._decides = False
        self._done = False
        self._armed = not plan.armed

    def arm(self, _number: int, _frame: object) -> None:
        """A signal's handler."""
        self._armed = True

    def __call__(self, reached: str) -> None:
        if reached == "begun":
            before, self._decisions = self._decisions, _decisions()
            self._decides = self._decisions > before
        plan = self._plan
        due = self._armed and self._commits >= plan.after and (self._decides or not plan.decisive)
        if reached == plan.point and due and not self._done:
            self._done = True
            os.kill(os.getpid(), signal.Signals[plan.signal])
        self._commits += reached == "committed"


def _decisions() -> float:
    """How many decisions this process has put into its transactions."""
    return sum(
        sample.value
        for metric in metrics.DECISIONS.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    )


def poisoned(job: Topology[PartitionState]) -> Topology[PartitionState]:
    """The same job, but for what it cannot stomach."""
    remember = job.remember
    assert remember is not None

    def fold(piece: Slice, state: PartitionState, codec: Codec) -> Effects:
        _swallow(piece)
        return job.fold(piece, state, codec)

    def take_in(piece: Slice, state: PartitionState, codec: Codec) -> None:
        _swallow(piece)
        remember(piece, state, codec)

    return replace(job, fold=fold, remember=take_in)


def _swallow(piece: Slice) -> None:
    for value in piece.values:
        if value is not None and POISON in value:
            assert RAISE not in value, "poison"
            os.kill(os.getpid(), signal.SIGSEGV)


def _jumping() -> int:
    """The time, an hour before it, a day after it, and a year before it, a second each."""
    return now_ms() + (0, -3_600_000, 86_400_000, -31_536_000_000)[int(monotonic()) % 4]


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    plan = Plan(**json.loads(sys.argv[1]))
    if plan.statistics_ms:
        transaction.STATISTICS_MS = plan.statistics_ms
    if plan.jumps:
        Librdkafka.now_ms = staticmethod(_jumping)
    try:
        settings = Settings()
        box = black_box(settings) if plan.poison else None
        job = poisoned(DECIDING) if plan.poison else DECIDING
        if plan.release == "older":
            job = replace(job, version=f"{job.version} before")
        codec = older_codec() if plan.release == "older" else newer_codec()
        fault = Fault(plan)
        signal.signal(signal.SIGUSR1, fault.arm)
        Processor(settings, codec, at=fault, topology=job, box=box).run()
    except (Crash, MendstreamError) as error:
        logging.error("%s", error)
        os._exit(1)  # as `mendstream processor` does: nothing may be closed


if __name__ == "__main__":
    main()
