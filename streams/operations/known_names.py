"""Tells an order of a person for what nobody ever saw, which is more often a slip than a plan."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from schemas.catalog import TABLES_COMMANDS, TABLES_EXPERIMENTS, TABLES_METRICS, TABLES_SUBJECTS
from schemas.codec.framing import Codec, Record
from schemas.records import CommandRow, ExperimentRow, MetricRow, Request
from streams.kafka.table_reader import read_table
from streams.runtime.settings import Settings

_NEAR = 3  # names that are offered


@dataclass(frozen=True, slots=True)
class UnknownName:
    """A subject, or a version of one, of which no table holds anything; near: the likeliest of
    those that are there.
    """

    what: str
    name: str
    near: tuple[str, ...]

    def sentence(self) -> str:
        offered = f" (there is {', '.join(self.near)})" if self.near else ""
        return f"Nobody ever saw {self.what} {self.name!r}{offered}."


def unknown_name(settings: Settings, codec: Codec, asks: Request) -> UnknownName | None:
    """What an order names that nobody ever saw; None where all is known.

    Of a subject of which no version is known at all none is doubted.
    """
    topics = (TABLES_SUBJECTS, TABLES_COMMANDS, TABLES_METRICS, TABLES_EXPERIMENTS)
    rows = [row for topic in topics for row in read_table(settings, codec, topic).values()]
    return unknown_among(rows, asks)


def unknown_among(rows: Iterable[Record], asks: Request) -> UnknownName | None:
    """As `unknown_name`, by these rows."""
    subjects, versions = set[str](), set[str]()
    for row in rows:
        subject = getattr(row, "subject", "")
        subjects.add(subject)
        if subject == asks.subject:
            versions.update(_versions_of(row))
    if asks.subject not in subjects:
        return UnknownName("subject", asks.subject, _near(asks.subject, subjects))
    for version in (asks.to_version, asks.model_version):
        if version is not None and versions and version not in versions:
            return UnknownName(f"version of {asks.subject}", version, _near(version, versions))
    return None


def _versions_of(row: Record) -> Iterable[str]:
    match row:
        case CommandRow():
            found = [row.model_version]
        case ExperimentRow():
            found = [row.candidate_version, row.baseline_version]
        case MetricRow():
            found = [one.model_version for one in row.versions]
        case _:
            found = []
    return [one for one in found if one]


def _near(name: str, names: Iterable[str]) -> tuple[str, ...]:
    known = sorted(names)
    return tuple(get_close_matches(name, known, _NEAR) or known[:_NEAR])
