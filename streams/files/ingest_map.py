"""Reads the map of `mendstream ingest`: YAML that says which topics hold what, by JMESPath.

A fault is told with the line where it stands.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import jmespath
from jmespath.exceptions import JMESPathError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from ingest.mapping import (
    METRIC_CHARACTERS,
    Getter,
    IngestMap,
    Kind,
    PerUnit,
    Source,
    UnitMetric,
    Without,
)
from schemas.records import ExperimentResult, ModelMetric
from streams.files.ingest_presets import PRESETS
from streams.files.parsing import Convert, converter, names_of
from streams.runtime.errors import MendstreamError
from streams.runtime.yaml_files import document, lines_of

_UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"(\d{1,9})\s*([smhd])")
_NAME = r"^[a-z0-9][a-z0-9-]{0,62}$"  # it stands in the name of a consumer group
_FOR_UNITS = ("unit_id", "event_id", "occurred_at")
_FIELDS: Mapping[Kind, tuple[type, tuple[str, ...]]] = {
    Kind.EXPOSURES: (
        ExperimentResult,
        (*_FOR_UNITS, "subject", "experiment_id", "variant", "segment"),
    ),
    Kind.OUTCOMES: (ExperimentResult, _FOR_UNITS),
    Kind.RESULTS: (ExperimentResult, tuple(names_of(ExperimentResult))),
    Kind.METRICS: (ModelMetric, tuple(names_of(ModelMetric))),
}
_REQUIRED: Mapping[Kind, tuple[str, ...]] = {
    Kind.EXPOSURES: ("unit_id", "subject", "experiment_id", "variant"),
    Kind.OUTCOMES: ("unit_id",),
    Kind.RESULTS: ("subject", "experiment_id", "variant", "metric", "sum"),
    Kind.METRICS: ("subject", "model_version", "metric", "sum"),
}


def _path(text: str) -> str:
    """Returns a JMESPath as it is. Raises ValueError for what is none."""
    try:
        jmespath.compile(text)
    except JMESPathError as error:
        said = " ".join(str(error).splitlines()[0].split())
        raise ValueError(
            f"{text!r} is no JMESPath ({said}); https://jmespath.org has it"
        ) from error
    return text


def _duration(text: object) -> int:
    """The milliseconds of a text such as 30m. Raises ValueError."""
    found = _DURATION.fullmatch(str(text).strip())
    if found is None:
        raise ValueError(f"{text!r} is no duration: write 90s, 30m, 12h or 7d")
    return int(found[1]) * _UNITS_MS[found[2]]


MetricName = Annotated[str, Field(min_length=1, max_length=METRIC_CHARACTERS)]
JmesPath = Annotated[str, AfterValidator(_path)]
Constant = str | int | float | bool


class _Written(BaseModel):
    """A base of what people write: an unknown key is a fault."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class WrittenMetric(_Written):
    """How a unit's outcomes become one result."""

    per_unit: PerUnit = PerUnit.SUM
    without: Without = Without.ZERO


class WrittenSource(_Written):
    """One topic."""

    topic: str = Field(min_length=1, max_length=249)
    kind: Kind
    format: Literal["json"] = "json"
    preset: str | None = None
    where: JmesPath | None = None
    records: JmesPath | None = None
    fields: dict[str, JmesPath] = {}
    constants: dict[str, Constant] = {}
    values: dict[MetricName, JmesPath] = {}

    @model_validator(mode="before")
    @classmethod
    def _with_preset(cls, written: Any) -> Any:
        """Fills in what the preset says and the source does not."""
        if not isinstance(written, dict) or "preset" not in written:
            return written
        name = written["preset"]
        if name not in PRESETS:
            raise ValueError(f"preset {name!r} is none of {', '.join(PRESETS)}")
        if written.get("kind") != Kind.EXPOSURES:
            raise ValueError("a preset is for a source of kind exposures")
        preset = PRESETS[name]
        given = written.get("fields") or {}
        constant = written.get("constants") or {}
        own = {f: path for f, path in preset["fields"].items() if f not in constant}
        if not isinstance(given, dict):
            return written
        return {**preset, **written, "fields": {**own, **given}}

    @model_validator(mode="after")
    def _makes_sense(self) -> "WrittenSource":
        _, allowed = _FIELDS[self.kind]
        for name in (*self.fields, *self.constants):
            if name not in allowed:
                raise ValueError(
                    f"{self.kind} have no field {name!r}; there are {', '.join(allowed)}"
                )
        if both := [name for name in self.fields if name in self.constants]:
            raise ValueError(f"{both[0]} stands in fields and in constants: leave one")
        lacking = [n for n in _REQUIRED[self.kind] if n not in (*self.fields, *self.constants)]
        if lacking:
            raise ValueError(
                f"nothing says where {', '.join(lacking)} of {self.kind} come from: add a path to "
                "fields, or a value to constants"
            )
        if (self.kind is Kind.OUTCOMES) != bool(self.values):
            raise ValueError(
                "outcomes need values: a path for each metric"
                if self.kind is Kind.OUTCOMES
                else f"only outcomes have values, {self.kind} do not"
            )
        return self


class WrittenMap(_Written):
    """ingest.yaml."""

    name: str = Field(pattern=_NAME)
    window: Annotated[Any, AfterValidator(_duration)] = "7d"
    lateness: Annotated[Any, AfterValidator(_duration)] = "1h"
    remember: Annotated[Any, AfterValidator(_duration)] = "30d"
    units_max: int = Field(1_000_000, ge=1, le=100_000_000)
    metrics: dict[str, WrittenMetric] = {}
    sources: tuple[WrittenSource, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _fits_together(self) -> "WrittenMap":
        topics = [source.topic for source in self.sources]
        if twice := [topic for topic in topics if topics.count(topic) > 1]:
            raise ValueError(f"topic {twice[0]!r} stands in two sources: leave one")
        brought = {name for source in self.sources for name in source.values}
        if idle := [name for name in self.metrics if name not in brought]:
            raise ValueError(
                f"metric {idle[0]!r} is in no source's values: add it, or leave it out"
            )
        kinds = {source.kind for source in self.sources}
        if Kind.OUTCOMES in kinds and Kind.EXPOSURES not in kinds:
            raise ValueError("outcomes count for exposed units: add a source of kind exposures")
        if Kind.EXPOSURES in kinds and Kind.OUTCOMES not in kinds:
            raise ValueError("exposures alone give no result: add a source of kind outcomes")
        return self


def read_map(path: Path) -> IngestMap:
    """The map in a file. Raises MendstreamError that names the line of what is wrong."""
    written = document(path)
    lines = lines_of(path)
    if not isinstance(written, dict):
        raise MendstreamError(f"{path.name} is no map.", "docs/ingest.md has an example.")
    try:
        found = WrittenMap.model_validate(written)
    except ValidationError as error:
        first = error.errors()[0]
        raise MendstreamError(
            f"{_where(path, first['loc'], lines)}: {_said(first)}.", _REMEDY
        ) from error
    return _made(path, found)


_REMEDY = "Mend the map; docs/ingest.md says what each key means."


def _said(error: Mapping[str, Any]) -> str:
    if error["type"] == "extra_forbidden":
        return f"there is no key {str(error['loc'][-1])!r} here"
    said: str = error["msg"].removeprefix("Value error, ")
    return f"{said[0].lower()}{said[1:]}"


def _where(path: Path, place: tuple[Any, ...], lines: Mapping[tuple[Any, ...], int]) -> str:
    """The file's name, the line and the key; the line of what encloses it where it is missing."""
    key = place
    while key not in lines and key:
        key = key[:-1]
    named = ".".join(map(str, place))
    return f"{path.name}, line {lines.get(key, 1)}{f', {named}' if named else ''}"


def _made(path: Path, written: WrittenMap) -> IngestMap:
    names = dict.fromkeys(name for source in written.sources for name in source.values)
    metrics = {
        name: UnitMetric(name, each.per_unit, each.without)
        for name in names
        for each in (written.metrics.get(name, WrittenMetric()),)
    }
    return IngestMap(
        name=written.name,
        sources=tuple(_source(path, source) for source in written.sources),
        metrics=metrics,
        window_ms=_duration_of(written.window),
        lateness_ms=_duration_of(written.lateness),
        remember_ms=_duration_of(written.remember),
        units_max=written.units_max,
    )


def _duration_of(value: object) -> int:
    """A default is not validated, so it may still be a text."""
    return value if isinstance(value, int) else _duration(value)


def _source(path: Path, written: WrittenSource) -> Source:
    record, _ = _FIELDS[written.kind]
    fields = {name: _getter(text, _convert(record, name)) for name, text in written.fields.items()}
    for name, value in written.constants.items():
        fields[name] = _constant(path, name, value, _convert(record, name))
    number = converter(ExperimentResult, "sum")
    return Source(
        topic=written.topic,
        kind=written.kind,
        fields=fields,
        values={name: _getter(text, number) for name, text in written.values.items()},
        where=_getter(written.where, None) if written.where is not None else None,
        records=_getter(written.records, None) if written.records is not None else None,
    )


def _convert(record: type, name: str) -> Convert:
    return converter(record, name, "auto")


def _constant(path: Path, name: str, value: Constant, convert: Convert) -> Getter:
    try:
        made = convert(value)
    except ValueError as error:
        raise MendstreamError(f"{path.name}, constants.{name}: {error}.", _REMEDY) from error
    return lambda _record: made


def _getter(text: str, convert: Convert | None) -> Getter:
    """What a path leads to, converted; None where it leads to nothing."""
    find = _plain(text) or jmespath.compile(text).search
    if convert is None:
        return find

    def get(record: Any) -> Any:
        found = find(record)
        return None if found is None else convert(found)

    return get


def _plain(text: str) -> Getter | None:
    """The same for a path of names alone, five times as fast; None for another path."""
    parts = text.split(".")
    if not all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", part) for part in parts):
        return None

    def find(record: Any) -> Any:
        for part in parts:
            if not isinstance(record, dict):
                return None
            record = record.get(part)
        return record

    return find
