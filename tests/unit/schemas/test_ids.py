"""Ids and hashes are what Kafka and the published algorithms say, in every process."""

from uuid import UUID

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.compiled import read_only
from schemas.ids import command_id, decision_id, event_uuid, murmur2, partition_of
from schemas.text_hash import hash64, hash_text


@pytest.mark.parametrize(
    ("key", "hashed"),
    [
        ("21", -973932308),
        ("foobar", -790332482),
        ("a-little-bit-long-string", -985981536),
        ("a-little-bit-longer-string", -1486304829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        ("abc", 479470107),
    ],
)
def test_murmur2_is_kafkas(key: str, hashed: int) -> None:
    """The vectors of Kafka's UtilsTest."""
    assert murmur2(key.encode()) == hashed


def test_a_negative_hash_still_gives_a_partition() -> None:
    assert partition_of("21", 12) == (-973932308 & 0x7FFFFFFF) % 12


def test_ids_are_uuids_that_never_change() -> None:
    decided = decision_id("experiments.results.v1", 3, 17, "judge", "b/error")
    assert UUID(decided).version == 5
    assert (decided, command_id(decided, "ROLLBACK")) == (
        "d4dc67a1-d455-56f5-ba34-8c2a9cfdfa8d",
        "0001a91e-ce1e-5ad0-a423-faf2622f48a9",
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a", "bc"), ("ab", "c")),
        (("1",), (1,)),
        (("a", "b"), ("b", "a")),
        (("a", ""), ("a",)),
        (("2:sa",), ("a",)),
        ((1, 11), (11, 1)),
        ((-1,), (1,)),
    ],
)
def test_other_parts_give_another_id(
    one: tuple[str | int, ...], other: tuple[str | int, ...]
) -> None:
    assert event_uuid(*one) != event_uuid(*other)


def murmur64a(key: bytes) -> int:
    """Austin Appleby's MurmurHash64A with seed 0, one word at a time."""
    mask, m = (1 << 64) - 1, 0xC6A4A7935BD1E995
    h = len(key) * m & mask
    whole = len(key) & ~7
    for at in range(0, whole, 8):
        k = int.from_bytes(key[at : at + 8], "little") * m & mask
        h = (h ^ ((k ^ k >> 47) * m & mask)) * m & mask
    if key[whole:]:
        h = (h ^ int.from_bytes(key[whole:], "little")) * m & mask
    h = (h ^ h >> 47) * m & mask
    return h ^ h >> 47


def hashes_by_hand(texts: list[str]) -> list[int]:
    return [murmur64a(text.encode()) or 1 for text in texts]


MIXED = [
    "",
    "a",
    "größe",
    "1234567",
    "12345678",
    "123456789",
    "x" * 256,
    "x" * 257,
    "x" * 5000,
    "日本語の文字列です",
]


@pytest.mark.parametrize(
    "texts",
    [
        MIXED,
        [event_uuid(n) for n in range(100)],
        ["12345678", "abcdefgh"],
        ["", ""],
        ["only"],
        ["y" * 300, "z" * 300],
        [],
    ],
)
def test_hash64_is_murmurhash64a_of_each_string(texts: list[str]) -> None:
    assert hash64(pa.array(texts, pa.string())).tolist() == hashes_by_hand(texts)


@given(st.text(st.characters(codec="utf-8"), max_size=80) | st.sampled_from(MIXED))
def test_a_text_in_a_buffer_has_the_hash_of_hash64(text: str) -> None:
    encoded = text.encode()
    data = read_only(np.frombuffer(b"before" + encoded, np.uint8))
    assert int(hash_text(data, 6, len(encoded))) == hashes_by_hand([text])[0]


def test_hash64_reads_only_its_slice() -> None:
    texts = [*MIXED, *MIXED]
    assert hash64(pa.array(texts, pa.string())[3:15]).tolist() == hashes_by_hand(texts[3:15])


def test_hash64_is_never_zero() -> None:
    assert murmur64a(b"") == 0
    assert hash64(pa.array([""])).tolist() == [1]


def test_hash64_tells_strings_apart_and_fills_all_bits() -> None:
    hashes = hash64(pa.array([f"user-{n}" for n in range(100_000)]))
    assert len(np.unique(hashes)) == len(hashes)
    ones = [int(np.count_nonzero(hashes & np.uint64(1 << bit))) for bit in range(64)]
    assert (
        max(abs(count - 50_000) for count in ones) < 800
    )  # five standard deviations of a fair bit


def test_hash64_refuses_nulls() -> None:
    with pytest.raises(AssertionError, match="1 nulls among 2"):
        hash64(pa.array(["a", None]))
