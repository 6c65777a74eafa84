"""Gives strangers a place in a partition, or refuses them: anybody may make up a name.

A tenant has room for so many subjects that nobody vouched for; agents.core.known_subjects says
until when a subject is such a newcomer.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.core.batch import Facts
from schemas.ids import tenant_of
from schemas.records import SubjectRow
from schemas.refusals import Reason, RefusedRecord
from state.partition.subject_tables import SubjectTables
from state.storage.table import row_key

# Of a tenant in a partition that nobody vouched for, at 3 to 5 kB each: names can be made up
# without end.
NEWCOMERS_MAX = 20_000
Senseless = Callable[[Facts], list[RefusedRecord]]


def admitted(
    facts: Facts, tables: SubjectTables, senseless: Senseless
) -> tuple[Facts, list[RefusedRecord]]:
    """(those to be folded, those refused), each in the order of the log.

    senseless: which of some records will be refused. Subjects share nothing, so that a partition
    without rows tells.

    A tenant has room for NEWCOMERS_MAX subjects in a partition, which a stranger takes by its first
    record that makes sense: who is refused is the same however a slice is cut.
    """
    strange = strangers(facts, tables)
    room = {
        tenant: NEWCOMERS_MAX - tables.newcomers.count(tenant, -1)
        for tenant in map(tenant_of, strange)
    }
    short = {
        tenant for tenant, count in Counter(map(tenant_of, strange)).items() if count > room[tenant]
    }
    if not short:
        return facts, []
    subjects = facts.batch.column("subject").dictionary_encode()
    names, codes = subjects.dictionary.to_pylist(), subjects.indices.to_numpy()
    held = {name for name in strange if tenant_of(name) in short}
    at = np.flatnonzero(np.isin(codes, [code for code, name in enumerate(names) if name in held]))
    some_room = any(room[tenant] > 0 for tenant in short)
    wrong = {int(at[one.index]) for one in senseless(facts.take(at))} if some_room else set[int]()
    out = _without_room(at, names, codes, wrong, room)
    refused = [RefusedRecord(i, Reason.TOO_MANY_SUBJECTS, _full(names[codes[i]])) for i in out]
    return facts.take(np.setdiff1d(np.arange(len(facts)), np.array(out, np.int64))), refused


def _without_room(
    at: NDArray[np.int64],
    names: list[str],
    codes: NDArray[Any],
    wrong: set[int],
    room: dict[str, int],
) -> list[int]:
    """Which of these records come when there is no room for their stranger, ascending."""
    left, let_in, out = dict(room), set[str](), list[int]()
    for i in at.tolist():
        name = names[codes[i]]
        tenant = tenant_of(name)
        if name in let_in:
            continue
        if left[tenant] <= 0:
            out.append(i)
        elif i not in wrong:
            left[tenant] -= 1
            let_in.add(name)
    return out


def _full(name: str) -> str:
    return (
        f"{name[:80]!r} would be one more than the {NEWCOMERS_MAX} subjects of tenant "
        f"{tenant_of(name)[:80]!r} in this "
        "partition that nobody vouched for: a spec makes a subject known"
    )


def strangers(facts: Facts, tables: SubjectTables) -> list[str]:
    """The subjects of these records that have no row."""
    names: list[str] = facts.batch.column("subject").unique().to_pylist()
    return [name for name in names if tables.subjects.get(row_key(name)) is None]


def meet(strange: list[str], facts: Facts, refused: Iterable[int], tables: SubjectTables) -> None:
    """Notes since when the strangers among the subjects are there: the append time of the first
    record of theirs that was folded. refused: positions of those that were not.
    """
    if not strange:
        return
    subjects = facts.batch.column("subject").dictionary_encode()
    folded = np.setdiff1d(np.arange(len(facts)), np.fromiter(refused, np.int64))
    codes, firsts = np.unique(subjects.indices.to_numpy()[folded], return_index=True)
    names = subjects.dictionary.to_pylist()
    since = {
        names[code]: int(facts.now[folded[at]])
        for code, at in zip(codes.tolist(), firsts.tolist(), strict=True)
    }
    for name in strange:
        if name in since:
            row = tables.subjects.get(row_key(name)) or SubjectRow(name, 0, 0)
            tables.subjects.put(replace(row, new_since=since[name]))
            tables.newcomers.put(tenant_of(name), since[name])
