"""Lets rows go whose time is over, at a tick and so many at most, so that tables hold what is and not all that ever was."""

from typing import Any

from agents.effects import Output
from agents.judge.leaving import leave
from agents.place import Place
from agents.trust.fold import forget
from state.keyed import Keyed
from state.tables import Tables

LEAVE_MOST = 1_000  # of one table at one tick; a tick is a second, and each is a record of a changelog


def tick(place: Place, tables: Tables) -> list[Output]:
    """What follows where rows leave: of an agent that is forgotten, that it is heard as any other."""
    lessons = tables.lessons
    by_clock: tuple[Keyed[Any], ...] = (
        tables.metrics,
        tables.commands,
        tables.budgets,
        lessons.alerts,
        lessons.sightings,
        lessons.lessons,
        lessons.learning,
    )
    for table in by_clock:
        table.expire(place.now, LEAVE_MOST)
    leave(place.now, tables)
    by_event_time: tuple[Keyed[Any], ...] = (lessons.patterns, lessons.signals)
    for table in by_event_time:
        table.expire(lessons.event_time, LEAVE_MOST)
    return [out for row in lessons.trust.expire(place.now, LEAVE_MOST) for out in forget(row, place, lessons)]
