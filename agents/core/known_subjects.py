"""Which subjects are known: anybody may make up a name, and what is made up is never to displace
what is not.

A subject is a newcomer for a day from its first record that made sense, unless somebody vouched for
it: a spec names it, a person orders something for it, or a deployer has carried out a command for
it. Newcomers have a budget and storms of their own.
"""

from dataclasses import replace

from schemas.ids import tenant_of
from schemas.records import SubjectRow
from state.partition.subject_tables import SubjectTables
from state.rolling_windows import DAY_MS
from state.storage.table import row_key

# By the broker's clock, from the first record that was folded. It takes patience and nothing else:
# a made-up name of which one
# record made sense is known a day later, whatever it sent since. So it puts off what made-up names
# do and does not end it.
NEW_MS = DAY_MS


def vouch(subject: str, tables: SubjectTables) -> None:
    """Makes a subject known from now on."""
    row = tables.subjects.get(row_key(subject))
    if row is None:
        tables.subjects.put(SubjectRow(subject, 0, 0))
    elif row.new_since >= 0:
        tables.newcomers.drop(tenant_of(subject), row.new_since)
        tables.subjects.put(replace(row, new_since=-1))


def is_known(subject: str, now: int, tables: SubjectTables) -> bool:
    """Returns whether a subject is no newcomer; one without a row is older, and known."""
    row = tables.subjects.get(row_key(subject))
    return row is None or row.new_since < 0 or row.new_since <= now - NEW_MS


def known_count(tenant: str, now: int, tables: SubjectTables) -> int:
    """A tenant's known subjects in this partition."""
    return tables.subjects.count(tenant) - tables.newcomers.count(tenant, now - NEW_MS)


def rebuild(tables: SubjectTables) -> None:
    """Works out what is derived, after rows were restored."""
    tables.newcomers.rebuild(
        (tenant_of(row.subject), row.new_since)
        for row in tables.subjects.rows()
        if row.new_since >= 0
    )
