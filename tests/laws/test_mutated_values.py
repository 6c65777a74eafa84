"""Law: damage stays where it is. A hundred thousand mutated values in mixed batches, each judged as
it is alone.
"""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec.columns import decode
from tests.laws.test_decoders_agree import FLAT
from tests.support.builders import CODEC
from tests.support.decoding import Verdict, alone, exact
from tests.support.mutation import KINDS, mutated, sound

MUTATED = 100_000
SHARES = (
    0.002,
    0.02,
    0.2,
    0.7,
    1.0,
)  # of a batch: one bad value among hundreds, up to nothing else
SEED = 20_250_611
LARGEST = 500


def verdicts(name: str, values: list[bytes | None]) -> list[tuple[bool, Verdict]]:
    """What the columns say of each value."""
    decoded = decode(values, name, CODEC)
    said: list[tuple[bool, Verdict] | None] = [None] * len(values)
    for index, row in zip(decoded.rows.tolist(), decoded.batch.to_pylist(), strict=True):
        said[index] = True, exact(row)
    for each in decoded.refused:
        assert said[each.index] is None, f"value {each.index} is both good and refused"
        said[each.index] = False, (each.reason, each.sentence)
    assert None not in said
    return said  # type: ignore[return-value]


@pytest.mark.parametrize("name", FLAT)
def test_a_mutated_value_is_judged_as_alone_and_disturbs_no_neighbour(name: str) -> None:
    rng = np.random.default_rng([SEED, FLAT.index(name)])
    others = [sound(each, rng) for each in FLAT for _ in range(8)]
    whole = [sound(name, rng) for _ in range(200)]
    expected = {value: alone(name, value) for value in whole}  # neighbours are decoded alone once
    left, met = MUTATED // len(FLAT) + 1, Counter[str]()
    while left > 0:
        size, share = int(rng.integers(1, LARGEST)), SHARES[rng.integers(len(SHARES))]
        bad = rng.random(size) < share
        numbers = rng.integers(0, 1 << 20, (size, 7)).tolist()
        values: list[bytes | None] = []
        for is_bad, (base, kind, at, length, again, kind_2, at_2) in zip(
            bad.tolist(), numbers, strict=True
        ):
            value = whole[base % len(whole)]
            if is_bad:
                value = mutated(value, kind, at, length, others)
                if again % 3 == 0:  # damage seldom comes alone
                    value = mutated(value, kind_2, at_2, length, others)
            values.append(value)
        right = [expected.get(value) or alone(name, value) for value in values]  # type: ignore[arg-type]
        for index, (said, should) in enumerate(zip(verdicts(name, values), right, strict=True)):
            assert said == should, f"{name}, value {index} of {size}: {values[index]!r}"
        left -= int(bad.sum())
        met.update(verdict[0] for good, verdict in right if not good)
        met["good"] += sum(
            good for (good, _), is_bad in zip(right, bad.tolist(), strict=True) if is_bad
        )
    seldom = {reason for reason, count in met.items() if count < 20}
    assert {
        "NOT_FRAMED",
        "UNKNOWN_SCHEMA",
        "TRUNCATED",
        "TRAILING_BYTES",
        "good",
    } <= met.keys() - seldom, met


_NUMBERS = st.tuples(st.integers(0, KINDS - 1), st.integers(0, 400), st.integers(0, 200))


@given(
    st.sampled_from(FLAT),
    st.integers(0, 9),
    st.lists(st.lists(_NUMBERS, max_size=3), min_size=1, max_size=8),
)
def test_the_smallest_batch_that_breaks_the_law(
    name: str, seed: int, damage: list[list[tuple[int, int, int]]]
) -> None:
    """The same law where a failure shrinks to few values with little damage."""
    rng = np.random.default_rng(seed)
    others, values = [sound(each, rng) for each in FLAT], list[bytes | None]()
    for steps in damage:
        value = sound(name, rng)
        for kind, at, size in steps:
            value = mutated(value, kind, at, size, others)
        values.append(value)
    assert verdicts(name, values) == [alone(name, value) for value in values]
