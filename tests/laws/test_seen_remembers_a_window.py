"""The ids seen equal a plain dict of ids to offsets, and the hash map a dict, however they are
asked.
"""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from state.seen_ids import SeenIds, carrier
from state.storage.hash_map import HashMap64, exchange, find

IDS = st.lists(
    st.tuples(st.integers(1, 30), st.integers(1, 4)), max_size=120
)  # id, and the step to its offset


def reference(ids: list[int], offsets: list[int], window: int) -> list[bool]:
    last: dict[int, int] = {}
    found = []
    for one, offset in zip(ids, offsets, strict=True):
        found.append(one in last and last[one] >= offset - window)
        last[one] = offset
    return found


@given(IDS, st.integers(1, 60), st.lists(st.integers(0, 120)), st.integers(0, 10**7))
def test_a_duplicate_is_an_id_within_the_window_whatever_the_batches(
    drawn: list[tuple[int, int]], window: int, cuts: list[int], start: int
) -> None:
    ids = [one for one, _ in drawn]
    offsets = (start + np.cumsum([step for _, step in drawn], dtype=np.int64)).tolist()
    seen, found = SeenIds(window), list[bool]()
    bounds = sorted({0, len(ids), *(cut for cut in cuts if cut < len(ids))})
    for first, last in pairwise(bounds):
        batch = np.array(ids[first:last], np.uint64), np.array(offsets[first:last], np.int64)
        found += seen.duplicates(*batch).tolist()
    assert found == reference(ids, offsets, window)


@given(IDS, st.integers(1, 60), st.integers(0, 10**7))
def test_a_loop_over_records_finds_the_same_carriers(
    drawn: list[tuple[int, int]], window: int, start: int
) -> None:
    ids = np.array([one for one, _ in drawn], np.uint64)
    offsets = start + np.cumsum([step for _, step in drawn], dtype=np.int64)
    seen, looped, found = SeenIds(window), SeenIds(window), list[int]()
    for one, offset in zip(ids, offsets.tolist(), strict=True):
        looped.make_room(1)
        found.append(carrier(looped.slots, looped.used, window, one, offset))
        looped.sweep(offset)
    assert found == seen.carriers(ids, offsets).tolist()


def test_the_set_holds_at_most_two_and_a_half_windows() -> None:
    seen = SeenIds(1_000)
    for first in range(0, 20_000, 250):
        offsets = np.arange(first, first + 250)
        assert not seen.duplicates((offsets + 1).astype(np.uint64), offsets).any()
        assert len(seen._last) <= 2_500


KEYS = (
    st.integers(1, 40)
    | st.integers(2**64 - 40, 2**64 - 1)
    | st.integers(1, 40).map(lambda n: n << 54)
)
PUTS = st.dictionaries(KEYS, st.integers(0, 2**62), max_size=50)


@settings(max_examples=60)
@given(st.lists(PUTS | st.integers(0, 2**62), max_size=8), st.lists(KEYS, max_size=30))
def test_the_map_is_a_dict(steps: list[dict[int, int] | int], asked: list[int]) -> None:
    table, plain = HashMap64(), dict[int, int]()
    for step in steps:
        if isinstance(step, int):
            table.keep(step)
            plain = {key: value for key, value in plain.items() if value >= step}
        else:
            table.put(np.array(list(step), np.uint64), np.array(list(step.values()), np.int64))
            plain.update(step)
        assert len(table) == len(plain)
        keys = [*plain, *asked]
        assert table.get(np.array(keys, np.uint64)).tolist() == [plain.get(key, -1) for key in keys]


@given(st.lists(st.tuples(KEYS, st.integers(-(2**63), 2**63 - 1)), max_size=60))
def test_a_loop_over_keys_is_a_dict_too(pairs: list[tuple[int, int]]) -> None:
    table, whole, plain = HashMap64(), HashMap64(), dict[int, int]()
    keys, values = [key for key, _ in pairs], [value for _, value in pairs]
    before = []
    table.make_room(len(pairs))
    for key, value in pairs:
        hashed = np.uint64(key)
        assert find(table.slots, hashed) == plain.get(key, -1)
        before.append(plain.get(key, -1))
        assert exchange(table.slots, table.used, hashed, value) == before[-1]
        plain[key] = value
        assert len(table) == len(plain)
    found = whole.exchange(np.array(keys, np.uint64), np.array(values, np.int64))
    assert found.tolist() == before  # a key may come twice
    for each in (table, whole):
        held, at = each.items()
        assert dict(zip(held.tolist(), at.tolist(), strict=True)) == plain


def test_the_map_grows_past_many_keys_that_collide() -> None:
    rng = np.random.default_rng(0)
    keys = np.unique(rng.integers(1, 2**63, 50_000, dtype=np.int64).astype(np.uint64))
    table = HashMap64()
    for chunk in np.array_split(rng.permutation(keys), 60):
        table.put(chunk, chunk.astype(np.int64) % 1_000)
    assert (table.get(keys) == keys.astype(np.int64) % 1_000).all()
    assert (table.get(keys + np.uint64(2**63)) == -1).all()
