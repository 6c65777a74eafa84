"""Runs series of values through a partition: real records in, decisions and rows out."""

import numpy as np
from numpy.typing import NDArray

from agents.flow.fold_metrics import fold_metrics
from agents.flow.ingress import BatchFates
from bench.watching import DAY_MS, MONDAY, SUBJECT, Stream, slice_of, state_of
from schemas.records import Decision, Policy, Verdict
from state.storage.table import row_key
from streams.operations.simulated_tests import CODEC

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

POLICY = Policy(event_id="simulated", policy_id="all")
METRIC = "gauge"
_STEP_MS = 300_000


def unusual(occurred_at: Ints, values: Floats, policy: Policy = POLICY) -> list[int]:
    """The points at which something unusual was told to begin."""
    state, stream = state_of(policy), _stream(occurred_at, values)
    piece, fates = slice_of(stream, slice(0, len(values))), BatchFates()
    outputs = fold_metrics(piece, piece.append_times, state, CODEC, fates)
    assert not fates.refused, fates.refused[0]
    decided = [one.record for one in outputs if isinstance(one.record, Decision)]
    found = [one for one in decided if one.verdict == Verdict.ANOMALY]
    return [one.evidence[0].last_offset for one in found]


def changes(values: Floats) -> list[int]:
    """Where levels began that the row of the series told of, record by record: one each five
    minutes, for only their order is known.
    """
    occurred_at = MONDAY + _STEP_MS * np.arange(len(values))
    state, stream = state_of(POLICY), _stream(occurred_at, values)
    key, told, begun = row_key(SUBJECT, METRIC, None), 0, list[int]()
    for at in range(len(values)):
        piece, fates = slice_of(stream, slice(at, at + 1)), BatchFates()
        fold_metrics(piece, piece.append_times, state, CODEC, fates)
        assert not fates.refused, fates.refused[0]
        row = state.anomalies.series.get(key)
        if row is not None and row.changes > told:
            told = row.changes
            begun.append(int(np.searchsorted(occurred_at, row.level_since)))
    return begun


def _stream(occurred_at: Ints, values: Floats) -> Stream:
    return Stream(METRIC, (occurred_at - MONDAY) / DAY_MS, values)
