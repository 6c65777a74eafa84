"""Seeded runs: a range of them, and each that once found something, under the name of what it
found.
"""

import pytest

from streams.engine.transaction import Transactions
from tests.simulation.seeds import count, simulate
from tests.simulation.world import Faults
from tests.support.faults.case import Harm

MANY = Faults(kills=6, freezes=4, expiries=4, time_outs=3, requests=6)


@pytest.mark.parametrize("first", range(0, 400, 50))
def test_counting_is_exact_under_any_faults(first: int) -> None:
    runs = [count(seed) for seed in range(first, first + 50)]
    assert {run.harm for run in runs} == {Harm(0, 0, 0)}
    assert sum(len(run.happened) for run in runs) > 100, "hardly a fault happened"


# A seed stands for a run of the code as it is; where the engine takes other steps, take the mend
# back to find another.
FOUND = {
    "the journal was read before another worker's commit, the group's offsets after it": 364,
    "a worker was overtaken while it restored, and called it a deleted topic": 464,
    "partitions were lost and given again in one poll, and the restore waited for its own open "
    "transaction": 96,
}


@pytest.mark.parametrize("seed", FOUND.values(), ids=FOUND.keys())
def test_what_a_seed_once_found_is_mended(seed: int) -> None:
    assert count(seed, MANY).harm == Harm(0, 0, 0)


@pytest.mark.parametrize("seed", range(12))
def test_deciding_is_exact_under_any_faults(seed: int) -> None:
    assert simulate(seed, MANY).harm == Harm(0, 0, 0)


def test_a_run_can_be_had_again() -> None:
    assert count(7, MANY) == count(7, MANY)


def test_a_delayed_end_of_a_transaction_is_found_to_harm_where_nobody_looks_out_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The simulation bites: without the way out some runs go wrong, or stop because journal and
    group disagree.
    """
    monkeypatch.setattr(Transactions, "_watch_brokers", lambda _self, _statistics: None)
    faults = Faults(kills=3, freezes=0, expiries=0, time_outs=0, requests=12)
    assert any(_goes_wrong(seed, faults) for seed in range(1_000))


def _goes_wrong(seed: int, faults: Faults) -> bool:
    try:
        return count(seed, faults, workers=1).harm != Harm(0, 0, 0)
    except Exception:  # noqa: BLE001 - a worker that refuses to go on has found it too
        return True
