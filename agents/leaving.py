"""Lets rows go whose time is over, at a tick and so many at most, so that tables hold what is and not all that ever was."""

from typing import Any

from agents import commands
from agents.again import unserved
from agents.alerts import metrics
from agents.effects import Output
from agents.forget import forget, left
from agents.judge.again import unserved_of
from agents.judge.leaving import leave
from agents.judge.vigil import lasting
from agents.place import Place
from agents.trust import fold as trust
from schemas.records import ExperimentRow
from state.keyed import Keyed
from state.table import row_key
from state.tables import Tables

LEAVE_MOST = 1_000  # of one table at one tick; a tick is a second, and each is a record of a changelog


def tick(place: Place, tables: Tables) -> list[Output]:
    """What follows where rows leave: of an agent that is forgotten, that it is heard as any other; of an experiment, that
    what was told to be wrong with it is over."""
    lessons = tables.lessons
    unseen = tables.metrics.expire(place.now, LEAVE_MOST)
    for row in unseen:
        if row.segment is None:
            tables.looked_at.pop(row_key(row.subject, row.metric), None)
    gone = [row.subject for row in unseen]
    gone += [row.subject for row in tables.commands.expire(place.now, LEAVE_MOST)]
    by_clock: tuple[Keyed[Any], ...] = (
        tables.budgets,
        lessons.alerts,
        lessons.sightings,
        lessons.lessons,
        lessons.learning,
    )
    for table in by_clock:
        table.expire(place.now, LEAVE_MOST)
    experiments = leave(place.now, tables)
    over = [out for row in experiments for out in _over(row, place, tables)]
    left([*gone, *(row.subject for row in experiments)], tables)
    forget(LEAVE_MOST, tables)
    by_event_time: tuple[Keyed[Any], ...] = (lessons.patterns, lessons.signals)
    for table in by_event_time:
        table.expire(lessons.event_time, LEAVE_MOST)
    return over + [
        out for row in lessons.trust.expire(place.now, LEAVE_MOST) for out in trust.forget(row, place, lessons)
    ]


def _over(row: ExperimentRow, place: Place, tables: Tables) -> list[Output]:
    """What follows for the alerts of an experiment's subject, where the experiment has left."""
    values = list[tuple[metrics.AlertMetric, int]]()
    if any(lack.told_at >= 0 for lack in row.lacks):
        values += [(metrics.LACKS[kind], count) for kind, count in lasting(row.subject, tables).items()]
    if unserved_of(row):
        values.append((metrics.UNSERVED, unserved(row.subject, tables)))
    return [
        output
        for metric, value in values
        for output in commands.observe(metric, row.subject, float(value), place, tables)
    ]
