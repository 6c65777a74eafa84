"""One suite for every store of views: in memory, and in a real Redis."""

from collections.abc import Iterator

import pytest

from state.stores.redis import RedisStore
from state.stores.views import RANKS, Change, MemoryStore, Store, StoreDown
from tests.support.redis_server import RedisServer

TRUST = "trust-scores"


@pytest.fixture(params=["memory", "redis"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
        return
    made = RedisStore(request.getfixturevalue("server").url)
    yield made
    made.close()


def row(agent: str, overall: float, boost: float = 0.0, outcomes: int = 1) -> Change:
    return Change(
        TRUST, agent, {"agent_id": agent, "overall": overall, "boost": boost, "outcomes": outcomes}
    )


def test_a_row_is_given_back_until_it_is_deleted(store: Store) -> None:
    assert store.get(TRUST, "größe|1") is None
    store.apply([row("größe|1", 0.2), row("größe|1", 0.5)])
    assert store.get(TRUST, "größe|1") == row("größe|1", 0.5).row
    store.apply([Change(TRUST, "größe|1", None)])
    assert store.get(TRUST, "größe|1") is None
    assert store.top(TRUST, "overall", 10) == []
    assert store.keys(TRUST) == set()


def test_rows_are_ranked_the_highest_first_and_of_equals_the_later_name(store: Store) -> None:
    store.apply([row("a", 0.5), row("b", 0.9, -0.5), row("c", 0.5, 0.5), row("d", 0.1)])
    assert [one["agent_id"] for one in store.top(TRUST, "overall", 10)] == ["b", "c", "a", "d"]
    assert [one["agent_id"] for one in store.top(TRUST, "overall", 2, start=1)] == ["c", "a"]
    assert [one["agent_id"] for one in store.top(TRUST, "boost", 1)] == ["c"]
    store.apply([row("d", 1.0)])
    assert store.top(TRUST, "overall", 1)[0]["agent_id"] == "d"


def test_views_do_not_meet(store: Store) -> None:
    store.apply([row("a", 0.5), Change("alerts", "a", {"raised_at": 1})])
    assert store.keys(TRUST) == store.keys("alerts") == {"a"}
    store.apply([Change("alerts", "a", None)])
    assert store.keys(TRUST) == {"a"}


def test_a_mark_stands_until_it_is_replaced(store: Store) -> None:
    assert store.marked() is None
    store.mark("one")
    store.mark("two")
    assert store.marked() == "two"


def test_many_changes_at_once(store: Store) -> None:
    store.apply([row(f"agent {n}", n / 2_500) for n in range(2_500)])
    assert len(store.keys(TRUST)) == 2_500
    assert [one["agent_id"] for one in store.top(TRUST, "overall", 2)] == [
        "agent 2499",
        "agent 2498",
    ]


def test_every_rank_is_a_field_that_can_be_ranked(store: Store) -> None:
    for view, ranks in RANKS.items():
        store.apply([Change(view, "x", dict.fromkeys(ranks, 1.5))])
        assert all(len(store.top(view, rank, 5)) == 1 for rank in ranks)


def test_a_redis_that_is_gone_or_frozen_is_down_within_the_time_out(server: RedisServer) -> None:
    store = RedisStore(server.url, timeout=0.3)
    store.apply([row("a", 0.5)])
    server.freeze()
    with pytest.raises(StoreDown):
        store.get(TRUST, "a")
    server.thaw()
    server.kill()
    with pytest.raises(StoreDown):
        store.apply([row("a", 0.6)])
    store.close()


def test_deployments_share_a_redis_by_their_prefix(server: RedisServer) -> None:
    ours, theirs = RedisStore(server.url, "ours"), RedisStore(server.url, "theirs")
    ours.apply([row("a", 0.5)])
    assert theirs.keys(TRUST) == set()
    ours.close()
    theirs.close()
