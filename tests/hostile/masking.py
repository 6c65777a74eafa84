"""Leaves out of records what differs from run to run, so that those of two runs can be compared."""

import base64
import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import numpy as np

from state.pairs.pair_blocks import RUN_SINCE

_OF_A_RUN = (
    "offset",
    "_at",
    "_id",
    "token",
    "partition",
    "subject",
    "target",
)  # parts of names of what differs by run


def masked(records: Iterable[Any]) -> list[str]:
    """Records as text, sorted, without what differs from run to run: offsets, moments, ids and
    names of the subject.
    """
    return sorted(
        json.dumps(_masked(asdict(one)), sort_keys=True).replace(one.subject, "SUBJECT")
        for one in records
    )


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: _without_moment(each) if name == "blocks" else _masked(each)
            for name, each in value.items()
            if not any(part in name for part in _OF_A_RUN)
        }
    return [_masked(each) for each in value] if isinstance(value, list | tuple) else value


def _without_moment(blocks: str | None) -> list[float] | None:
    """The numbers of a pair's blocks without since when only one arm has sent."""
    if blocks is None:
        return None
    values = np.frombuffer(base64.b64decode(blocks), "<f8").copy()
    values[RUN_SINCE] = 0.0
    numbers: list[float] = values.tolist()
    return numbers
