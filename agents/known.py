"""Which subjects are known: anybody may make up a name, and what is made up is never to displace what is not.

A subject is a newcomer for the first day of its data, unless somebody vouched for it: a spec names it, a person orders
something for it, or a deployer has carried out a command for it. Newcomers have a budget and storms of their own.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.alerts.raising import crowd_of
from agents.slice import Facts
from schemas.ids import tenant_of
from schemas.records import SubjectRow
from schemas.refusals import Reason, Refused
from state.table import row_key
from state.tables import Tables
from state.windows import DAY_MS

# Of a tenant in a partition that nobody vouched for, at 3 to 5 kB each: names can be made up without end.
NEWCOMERS_MOST = 20_000
NEW_MS = DAY_MS  # by the broker's clock: who makes up names has to keep it up for so long before they count


def admitted(facts: Facts, tables: Tables) -> tuple[Facts, Facts, list[Refused]]:
    """(those to be folded at once, those behind them, those refused), in the order of the log.

    A tenant has room for NEWCOMERS_MOST subjects in a partition. Where more strangers come than there is room for, the
    records are cut where it may end, and looked at again from there: who is refused is the same however a slice is cut.
    """
    strange, rest = strangers(facts, tables), facts.part(len(facts), len(facts))
    room = {tenant: NEWCOMERS_MOST - tables.newcomers.count(tenant, -1) for tenant in map(tenant_of, strange)}
    if all(count <= room[tenant] for tenant, count in Counter(map(tenant_of, strange)).items()):
        return facts, rest, []
    subjects = facts.batch.column("subject").dictionary_encode()
    names, codes = subjects.dictionary.to_pylist(), subjects.indices.to_numpy()
    turned_away = {name for name in strange if room[tenant_of(name)] <= 0}
    out = np.isin(codes, [code for code, name in enumerate(names) if name in turned_away])
    refused = [Refused(int(at), Reason.TOO_MANY_SUBJECTS, _full(names[codes[at]])) for at in np.flatnonzero(out)]
    end = _room_ends(names, codes, set(strange) - turned_away, room)
    kept = np.flatnonzero(~out)
    return facts.take(kept[kept < end]), facts.take(kept[kept >= end]), refused


def _room_ends(names: list[str], codes: NDArray[Any], strange: set[str], room: dict[str, int]) -> int:
    """The position of the first record of a stranger for whom there may be no room, their number where there is none."""
    left, (found, firsts) = dict(room), np.unique(codes, return_index=True)
    for first, code in sorted(zip(firsts.tolist(), found.tolist(), strict=True)):
        if names[code] in strange:
            tenant = tenant_of(names[code])
            if left[tenant] <= 0:
                return int(first)
            left[tenant] -= 1
    return len(codes)


def _full(name: str) -> str:
    return (
        f"{name[:80]!r} would be one more than the {NEWCOMERS_MOST} subjects of tenant {tenant_of(name)[:80]!r} in this "
        "partition that nobody vouched for: a spec makes a subject known"
    )


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
