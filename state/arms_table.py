"""The arms of experiments: totals and evidence that change with every event, in one numpy array."""

from collections.abc import Mapping
from typing import Protocol, get_args, get_type_hints

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schemas.catalog import TABLES_ARMS
from schemas.records import EvidenceKind
from schemas.refusals import DecodeError
from state.pairs import pair_blocks, unit_buckets
from state.storage.attached_rows import NOTHING, AttachedRows
from state.storage.columnar_table import ColumnarTable

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

STATES = ("UNKNOWN", "OK", "HARM", "GAIN", "WAIT", "MISSING", "SPLIT", "UNSTABLE")
EVIDENCE_KIND_SYMBOLS = tuple(map(str, EvidenceKind))
ARM_NAMES = ("subject", "experiment_id", "metric", "variant", "segment", "step")
NULLABLE = (
    *("effect", "low", "high", "running_low", "running_high", "expected_more", "likely"),
    "raw_effect",
)


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
    largest: Ints
    design_effect: Floats
    likely: Floats
    cut_off: Floats
    adjusted: Floats
    covariate_units: Ints
    covariate_sum: Floats
    covariate_squares: Floats
    raw_effect: Floats


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
    totals_method: NDArray[np.int8]
    tally: NDArray[np.int8]
    sign: NDArray[np.int8]
    share: Floats
    prior_wide: Floats
    prior_narrow: Floats
    harm_level: Floats
    gain_level: Floats
    alpha: Floats
    min_count: Ints
    limit: Floats
    cap: Floats
    margin: Floats
    absolute_margin: Floats
    inflation: Floats
    coefficient: Floats
    covariate_mean: Floats
    covariate_least: Floats
    covariate_most: Floats
    randomized: Flags
    in_burn_in: Flags
    ramped: Flags
    stepped: Flags
    snapshots: Flags
    ramp_slot: NDArray[np.int32]
    block_slot: NDArray[np.int32]
    bucket_slot: NDArray[np.int32]
    beside_slot: NDArray[np.int32]
    beside_control: Ints
    beside_treatment: Ints
    beside_since: Ints
    weighs_units: Flags
    aggregate_row: Ints
    next_mark: Ints
    ends_at: Ints
    started_offset: Ints
    heard: Ints
    silent: Flags
    learned_units: Ints
    waits: Flags
    supported: NDArray[np.int8]
    step_times: NDArray[np.int32]


class ArmCells(Protocol):
    """One row as compiled code sees it: the columns of the same names."""

    count: int
    hits: int
    sum: float
    sum_squares: float
    first_offset: int
    applied_offset: int
    base_offset: int
    base_count: int
    flipped: bool
    missing_squares: bool
    repeats: int
    unnamed_offset: int
    harm_offset: int
    gain_offset: int
    unstable_offset: int
    state: int
    effect: float
    low: float
    high: float
    running_low: float
    running_high: float
    log_e_harm: float
    log_e_gain: float
    evidence_kind: int
    expected_more: float
    last_at: int
    crossed: int
    largest: int
    design_effect: float
    likely: float
    cut_off: float
    adjusted: float
    covariate_units: int
    covariate_sum: float
    covariate_squares: float
    raw_effect: float
    experiment_no: int
    next_in_experiment: int
    next_sibling: int
    leads: bool
    is_control: bool
    control: int
    treatment: int
    method: int
    totals_method: int
    tally: int
    sign: int
    share: float
    prior_wide: float
    prior_narrow: float
    harm_level: float
    gain_level: float
    alpha: float
    min_count: int
    limit: float
    cap: float
    margin: float
    absolute_margin: float
    inflation: float
    coefficient: float
    covariate_mean: float
    covariate_least: float
    covariate_most: float
    randomized: bool
    in_burn_in: bool
    ramped: bool
    stepped: bool
    snapshots: bool
    ramp_slot: int
    block_slot: int
    bucket_slot: int
    beside_slot: int
    beside_control: int
    beside_treatment: int
    beside_since: int
    weighs_units: bool
    aggregate_row: int
    next_mark: int
    ends_at: int
    started_offset: int
    heard: int
    silent: bool
    learned_units: int
    waits: bool
    supported: int
    step_times: int


class ArmRows(Protocol):
    """`ArmsTable.records` as compiled code sees it."""

    def __getitem__(self, row: int, /) -> ArmCells: ...


# The fields that each result reads or writes, a few cache lines a row.
_READ_BY_EACH_RESULT = (
    *("count", "hits", "sum", "sum_squares", "applied_offset", "last_at", "heard"),
    *("control", "treatment", "harm_level", "gain_level", "base_count", "next_mark"),
    *("limit", "cap", "ends_at", "started_offset", "share", "base_offset", "inflation"),
    *(
        "experiment_no",
        "aggregate_row",
        "min_count",
        "harm_offset",
        "gain_offset",
        "unnamed_offset",
    ),
    *("method", "tally", "sign", "state", "flipped", "missing_squares", "in_burn_in", "is_control"),
    *("ramped", "stepped", "snapshots", "silent", "waits", "supported"),
    *("ramp_slot", "block_slot", "step_times", "learned_units", "crossed", "repeats"),
    *("largest", "bucket_slot", "design_effect", "weighs_units", "coefficient", "beside_control"),
)


class ArmsTable(ColumnarTable, StoredColumns, DerivedColumns):
    """One row for each arm, metric, segment and ramp step; each column has the shape (capacity,).

    blocks: of the pairs that are judged in blocks, by column `block_slot`. buckets: of the arms of
    which a unit came again, by column `bucket_slot`. beside: of the pairs whose units another
    experiment has too, by column `beside_slot`, two blocks each: of its control, of its treatment.

    A column is an attribute. Fetch it anew after `add` and `drop`, which may make longer columns.
    """

    ATTACHED: Mapping[str, str] = {
        "blocks": "block_slot",
        "buckets": "bucket_slot",
        "beside": "beside_slot",
    }

    def __init__(self) -> None:
        super().__init__(
            TABLES_ARMS,
            "ArmRow",
            ARM_NAMES,
            _types_of(StoredColumns),
            _types_of(DerivedColumns),
            enums={"state": STATES, "evidence_kind": EVIDENCE_KIND_SYMBOLS},
            first=_READ_BY_EACH_RESULT,
        )
        self.blocks = AttachedRows(pair_blocks.WIDTH)
        self.buckets = AttachedRows(unit_buckets.WIDTH)
        self.beside = AttachedRows(2 * pair_blocks.WIDTH)

    def attached(self) -> tuple[Floats, ...]:
        return self.blocks.values, self.buckets.values, self.beside.values

    def _restored(self, rows: Ints, batch: pa.RecordBatch) -> None:
        for field, attached in (
            ("blocks", self.blocks),
            ("buckets", self.buckets),
            ("beside", self.beside),
        ):
            texts, slots = batch.column(field), self[self.ATTACHED[field]]
            slots[rows] = NOTHING
            known = np.flatnonzero(texts.is_valid().to_numpy(zero_copy_only=False))
            try:
                slots[rows[known]] = attached.restore(texts.take(pa.array(known)).to_pylist())
            except ValueError as error:
                raise DecodeError(
                    f"NOT_{field.upper()}", f"{field} of a row of {self.topic}: {error}"
                ) from error


def _types_of(columns: type) -> dict[str, str]:
    """The numpy type of each column, by its name."""
    hints = get_type_hints(columns)
    return {name: np.dtype(get_args(get_args(hint)[1])[0]).str for name, hint in hints.items()}
