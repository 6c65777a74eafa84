"""What a delayed EndTxn does where nothing tells that the coordinator was out of reach.

That is so for one tick of the producer's statistics, here made longer than the test. So the case in
end_txn.py can fail, and this is what happens in the blind window: the late commit shows half a
transaction, and the next worker stops.
"""

from pathlib import Path

import pytest

from schemas.catalog import RESULTS
from tests.faults.end_txn import COMMIT_MS, hold_up, loaded
from tests.support.faults.case import Harm
from tests.support.faults.judge import judged
from tests.support.faults.proxy import kafka_behind_proxy
from tests.support.faults.victim import Plan
from tests.support.kafka.logs import ends_of
from tests.support.kafka.running import Child

pytestmark = pytest.mark.kafka
BLIND = Plan(statistics_ms=600_000)


def test_in_the_blind_window_a_late_commit_shows_half_a_transaction_and_the_next_worker_stops(
    tmp_path: Path,
) -> None:
    with kafka_behind_proxy(commit_ms=COMMIT_MS, dedupe_window=100_000) as (proxy, settings):
        load = loaded(settings)
        answer, _ = hold_up(proxy, settings, load, tmp_path / "blind.log", abort=False, plan=BLIND)
        assert answer == 0, "the broker took it for the end of the next transaction"
        with Child(settings, tmp_path / "next.log") as stopped:
            assert stopped.wait() == 1
        (said,) = [
            line for line in stopped.log.read_text().splitlines() if not line.startswith("{")
        ]
        assert said.startswith("error: Partition ")
        assert ": the journal ends at {" in said
        harm = judged(settings, ends_of(settings, RESULTS))
        assert harm.wrong > 0
        assert harm.duplicated == Harm().duplicated
