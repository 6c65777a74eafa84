"""The bench of the tables of failures and trust does what it says it times."""

import pytest

from bench import memory
from state.stores.views import RANKS
from streams.files.rendering import plain


def test_a_cycle_is_timed_where_one_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "AGENTS", 50)
    monkeypatch.setattr(memory, "RECOMMENDED", 120)
    assert 0.0 < memory.cycled() < 60.0
    monkeypatch.setattr(memory, "RECOMMENDED", 60)  # fewer outcomes than a cycle waits for
    with pytest.raises(AssertionError, match="no cycle was due"):
        memory.cycled()


def test_the_95th_percentile_is_of_single_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter(range(10_000))
    monkeypatch.setattr(memory, "monotonic", lambda: float(next(moments)))
    assert memory.p95(lambda _: None) == 1_000.0  # each call takes one second by this clock


def test_what_is_filled_in_is_what_views_hold() -> None:
    assert set(RANKS["trust-scores"]) <= set(memory.trusted(3))
    assert set(RANKS["failure-patterns"]) <= set(plain(memory.pattern(3)))
