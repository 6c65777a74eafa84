"""What a broken producer sends: every kind of bad record with the reason that it must be refused
for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import inf, nan
from typing import Any

import numpy as np

from schemas.codec.framing import frame
from schemas.records import ExperimentResult
from schemas.refusals import DecodeError
from streams.runtime.clock import now_ms
from tests.support.kafka.logs import CODEC
from tests.support.mutation import mutated

ONE_IN_A_HUNDRED = 0.01
LARGE_BYTES, VAST_BYTES = 70_000, 10_000_000
Maker = Callable[[ExperimentResult, np.random.Generator, Sequence[bytes]], bytes | None]


@dataclass(frozen=True, slots=True)
class Kind:
    """reason: of the refusal; "": as the value decoded alone is refused; None: it is good, and
    folds as `like` has it.
    """

    name: str
    make: Maker
    reason: str | None
    share: float = ONE_IN_A_HUNDRED
    keyed: bool = True


def with_fields(**fields: Any) -> Maker:
    return lambda record, _rng, _others: CODEC.encode(replace(record, **fields))


def bytes_of(change: Callable[[bytes], bytes | None]) -> Maker:
    return lambda record, _rng, _others: change(CODEC.encode(record))


def damaged(record: ExperimentResult, rng: np.random.Generator, others: Sequence[bytes]) -> bytes:
    """Mutated until it shows: damage within a text or a number that leaves another good record
    cannot be told.
    """
    whole = CODEC.encode(record)
    while True:
        kind, at, size = rng.integers(0, 1 << 20, 3).tolist()
        value = mutated(whole, kind, at, size, others)
        if refusal(value):
            return value


def refusal(value: bytes | None) -> str:
    """Why a value is refused when it is decoded alone; empty if it is not."""
    try:
        CODEC.read("ExperimentResult", value)
    except DecodeError as error:
        return str(error.reason)
    return ""


KINDS = (
    Kind("corrupt", damaged, ""),
    Kind(
        "truncated",
        lambda r, rng, _: (v := CODEC.encode(r))[: int(rng.integers(5, len(v)))],
        "TRUNCATED",
    ),
    Kind("trailing bytes", bytes_of(lambda value: value + b"\x00"), "TRAILING_BYTES"),
    Kind("two in one", bytes_of(lambda value: value + value), "TRAILING_BYTES"),
    Kind("unknown schema id", bytes_of(lambda value: frame(77, value[5:])), "UNKNOWN_SCHEMA"),
    Kind("wrong magic", bytes_of(lambda value: b"\x01" + value[1:]), "NOT_FRAMED"),
    Kind(
        "bad text",
        bytes_of(lambda value: value.replace(b"conversion", b"conver\xffion")),
        "BAD_UTF8",
    ),
    Kind("JSON", lambda _r, _rng, _others: b'{"event_id": "1", "subject": "bot"}', "NOT_FRAMED"),
    Kind("empty", lambda _r, _rng, _others: b"", "NOT_FRAMED"),
    Kind("tombstone", lambda _r, _rng, _others: None, "TOMBSTONE"),
    Kind("NaN", with_fields(sum=nan), "NOT_FINITE"),
    Kind("inf", with_fields(sum=inf), "NOT_FINITE"),
    Kind("-inf", with_fields(sum=-inf), "NOT_FINITE"),
    Kind("NaN squares", with_fields(sum_squares=nan), "NOT_FINITE"),
    Kind("1e308", with_fields(sum=1e308), "NOT_A_COUNT"),
    Kind("negative sum", with_fields(sum=-1.0), "NOT_A_COUNT"),
    Kind("negative count", with_fields(count=-3), "BAD_COUNT"),
    Kind(
        "a wrong clock",
        lambda r, _rng, _: CODEC.encode(replace(r, occurred_at=now_ms() + 86_400_000)),
        "FUTURE",
    ),
    Kind("bad without a key", with_fields(variant=""), "EMPTY_FIELD", keyed=False),
    Kind("large", with_fields(segment="x" * LARGE_BYTES), "TOO_LARGE", share=0.001),
    Kind("vast", lambda _r, _rng, _others: bytes(VAST_BYTES), "TOO_LARGE", share=0.00005),
    Kind("null key", with_fields(), None, keyed=False),
    Kind("-0.0", with_fields(sum=-0.0), None),
)
