"""Where each field of an experiment result lies among those that are scanned."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.core.record_batch import Batch
from schemas.codec.flat_schema import FlatField, flat_fields
from schemas.codec.record_scan import Fields
from schemas.records import ExperimentResult, ResultKind

RECORD = "ExperimentResult"
_FIELDS = flat_fields(RECORD)
_NUMBER = {field.name: number for number, field in enumerate(_FIELDS)}

EXPERIMENT_ID = _NUMBER["experiment_id"]
VARIANT = _NUMBER["variant"]
UNIT_ID = _NUMBER["unit_id"]
METRIC = _NUMBER["metric"]
KIND = _NUMBER["kind"]
COUNT = _NUMBER["count"]
SUM = _NUMBER["sum"]
SUM_SQUARES = _NUMBER["sum_squares"]
SEGMENT = _NUMBER["segment"]
OCCURRED_AT = _NUMBER["occurred_at"]
ASSIGNED_AT = _NUMBER["assigned_at"]
COVARIATE = _NUMBER["covariate"]
SNAPSHOT = _FIELDS[KIND].symbols.index(ResultKind.SNAPSHOT)


def result_of(batch: Batch, fields: Fields) -> ExperimentResult:
    """A record of the batch as a dataclass, by the fields that were found in it."""
    values = [
        _value_of(batch.data, form, each)
        for form, each in zip(_FIELDS, fields.tolist(), strict=True)
    ]
    return ExperimentResult(**dict(zip(_NUMBER, values, strict=True)))


def _value_of(data: NDArray[np.uint8], form: FlatField, found: tuple[Any, ...]) -> Any:
    """The value of one field; found: a FIELD of schemas/codec/record_scan.py."""
    start, length, number, value, present, _ = found
    if not present:
        return None
    if form.kind == "string":
        return data[start : start + length].tobytes().decode()
    if form.kind == "double":
        return value
    return ResultKind(form.symbols[number]) if form.kind == "enum" else number
