"""Gives strangers a place in a partition, or refuses them: anybody may make up a name.

A tenant has room for so many subjects that nobody vouched for; agents.core.known_subjects says
until when a subject is such a newcomer.
"""

from dataclasses import replace

from schemas.ids import tenant_of
from schemas.records import SubjectRow
from schemas.refusals import Reason
from state.partition.subject_tables import SubjectTables
from state.storage.table import row_key

# Of a tenant in a partition that nobody vouched for, at 3 to 5 kB each: names can be made up
# without end.
NEWCOMERS_MAX = 20_000


def _full(name: str) -> str:
    return (
        f"{name[:80]!r} would be one more than the {NEWCOMERS_MAX} subjects of tenant "
        f"{tenant_of(name)[:80]!r} in this "
        "partition that nobody vouched for: a spec makes a subject known"
    )


def is_stranger(subject: str, tables: SubjectTables) -> bool:
    """Whether a subject has no row."""
    return tables.subjects.get(row_key(subject)) is None


def why_no_room(subject: str, tables: SubjectTables) -> tuple[Reason, str] | None:
    """Why a stranger has no place; None where its tenant has room."""
    if tables.newcomers.count(tenant_of(subject), -1) < NEWCOMERS_MAX:
        return None
    return Reason.TOO_MANY_SUBJECTS, _full(subject)


def take_in(subject: str, now: int, tables: SubjectTables) -> None:
    """Notes since when a stranger is there."""
    row = tables.subjects.get(row_key(subject)) or SubjectRow(subject, 0, 0)
    tables.subjects.put(replace(row, new_since=now))
    tables.newcomers.put(tenant_of(subject), now)
