"""The arms of experiments: totals and evidence that change with every event, in numpy columns."""

from typing import get_args, get_type_hints

import numpy as np
from numpy.typing import NDArray

from schemas.catalog import TABLES_ARMS
from schemas.records import EvidenceKind
from state.storage.columnar_table import ColumnarTable

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

STATES = ("UNKNOWN", "OK", "HARM", "GAIN", "WAIT", "MISSING", "SPLIT", "UNSTABLE")
EVIDENCE_KIND_SYMBOLS = tuple(map(str, EvidenceKind))
ARM_NAMES = ("subject", "experiment_id", "metric", "variant", "segment", "step")
NULLABLE = ("effect", "low", "high", "running_low", "running_high", "expected_more")


class StoredColumns:
    """What the topic of arms holds of a row."""

    count: Ints
    hits: Ints
    sum: Floats
    sum_squares: Floats
    first_offset: Ints
    applied_offset: Ints
    base_offset: Ints
    base_count: Ints
    flipped: Flags
    missing_squares: Flags
    repeats: Ints
    unnamed_offset: Ints
    harm_offset: Ints
    gain_offset: Ints
    unstable_offset: Ints
    state: NDArray[np.int8]
    effect: Floats
    low: Floats
    high: Floats
    running_low: Floats
    running_high: Floats
    log_e_harm: Floats
    log_e_gain: Floats
    evidence_kind: NDArray[np.int8]
    expected_more: Floats
    last_at: Ints
    crossed: Ints


class DerivedColumns:
    """How a row is judged, worked out from its experiment's row when it is made or restored."""

    experiment_no: Ints
    next_in_experiment: NDArray[np.int32]
    next_sibling: NDArray[np.int32]
    leads: Flags
    is_control: Flags
    control: Ints
    treatment: Ints
    method: NDArray[np.int8]
    tally: NDArray[np.int8]
    sign: NDArray[np.int8]
    share: Floats
    harm_level: Floats
    gain_level: Floats
    alpha: Floats
    min_count: Ints
    limit: Floats
    cap: Floats
    margin: Floats
    absolute_margin: Floats
    inflation: Floats
    in_burn_in: Flags
    ramped: Flags
    stepped: Flags
    snapshots: Flags
    aggregate_row: Ints
    next_mark: Ints
    closed_offset: Ints
    ends_at: Ints
    started_offset: Ints
    heard: Ints
    silent: Flags


class ArmsTable(ColumnarTable, StoredColumns, DerivedColumns):
    """One row for each arm, metric, segment and ramp step; each column has the shape (capacity,).

    A column is an attribute. Fetch it anew after `add` and `drop`, which may make longer columns.
    """

    def __init__(self) -> None:
        super().__init__(
            TABLES_ARMS,
            "ArmRow",
            ARM_NAMES,
            _types_of(StoredColumns),
            _types_of(DerivedColumns),
            nullable=NULLABLE,
            enums={"state": STATES, "evidence_kind": EVIDENCE_KIND_SYMBOLS},
        )


def _types_of(columns: type) -> dict[str, str]:
    """The numpy type of each column, by its name."""
    hints = get_type_hints(columns)
    return {name: np.dtype(get_args(get_args(hint)[1])[0]).str for name, hint in hints.items()}
