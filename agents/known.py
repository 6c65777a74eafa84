"""Which subjects are known: anybody may make up a name, and what is made up is never to displace what is not.

A subject is a newcomer for the first day of its data, unless somebody vouched for it: a spec names it, a person orders
something for it, or a deployer has carried out a command for it. Newcomers have a budget and storms of their own.
"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from agents.alerts.raising import crowd_of
from agents.slice import Facts
from schemas.ids import tenant_of
from schemas.records import SubjectRow
from state.table import row_key
from state.tables import Tables
from state.windows import DAY_MS

NEW_MS = DAY_MS  # by the broker's clock: who makes up names has to keep it up for so long before they count


def strangers(facts: Facts, tables: Tables) -> list[str]:
    """The subjects of these records that have no row."""
    names: list[str] = facts.batch.column("subject").unique().to_pylist()
    return [name for name in names if tables.subjects.get(row_key(name)) is None]


def meet(strange: list[str], facts: Facts, refused: Iterable[int], tables: Tables) -> None:
    """Notes since when the strangers among the subjects are there: the append time of the first record of theirs that
    was folded. refused: positions of those that were not."""
    if not strange:
        return
    subjects = facts.batch.column("subject").dictionary_encode()
    folded = np.setdiff1d(np.arange(len(facts)), np.fromiter(refused, np.int64))
    codes, firsts = np.unique(subjects.indices.to_numpy()[folded], return_index=True)
    names = subjects.dictionary.to_pylist()
    since = {names[code]: int(facts.now[folded[at]]) for code, at in zip(codes.tolist(), firsts.tolist(), strict=True)}
    for name in strange:
        if name in since:
            row = tables.subjects.get(row_key(name)) or SubjectRow(name, 0, 0)
            tables.subjects.put(replace(row, new_since=since[name]))
            tables.newcomers.put(tenant_of(name), since[name])


def vouch(subject: str, tables: Tables) -> None:
    """Makes a subject known from now on."""
    row = tables.subjects.get(row_key(subject))
    if row is None:
        tables.subjects.put(SubjectRow(subject, 0, 0))
    elif row.new_since >= 0:
        tables.newcomers.drop(tenant_of(subject), row.new_since)
        tables.subjects.put(replace(row, new_since=-1))


def is_known(subject: str, now: int, tables: Tables) -> bool:
    """Whether it is no newcomer; one without a row is of an older Mendstream, and known."""
    row = tables.subjects.get(row_key(subject))
    return row is None or row.new_since < 0 or row.new_since <= now - NEW_MS


def crowd(subject: str, now: int, tables: Tables) -> str:
    """Whose alerts may be one storm with those of a subject."""
    return crowd_of(tenant_of(subject), not is_known(subject, now, tables))


def known_count(tenant: str, now: int, tables: Tables) -> int:
    """A tenant's known subjects in this partition."""
    return tables.subjects.count(tenant) - tables.newcomers.count(tenant, now - NEW_MS)


def rebuild(tables: Tables) -> None:
    """What is derived, after rows were restored."""
    tables.newcomers.rebuild(
        (tenant_of(row.subject), row.new_since) for row in tables.subjects.rows() if row.new_since >= 0
    )
