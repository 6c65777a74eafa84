"""Which event moves a command from which phase to which: everything that decides that stands in
this file.

An event that a phase does not list changes nothing there: a status that comes late, a review of
what was cancelled.
"""

from schemas.records import Event, Phase

BEGINNINGS = {
    Event.ISSUE: Phase.ISSUED,
    Event.ASK_BUDGET: Phase.PROPOSED,
    Event.ASK_PERSON: Phase.PENDING_APPROVAL,
}
_ENDS_OF_WORK = {
    Event.COMPLETE: Phase.COMPLETED,
    Event.FAIL: Phase.RETRYING,
    Event.FAIL_FOR_GOOD: Phase.FAILED,
    Event.REFUSE: Phase.REFUSED,
    Event.TIME_OUT: Phase.RETRYING,
    Event.TIME_OUT_FOR_GOOD: Phase.TIMED_OUT,
    Event.CANCEL: Phase.CANCELLED,
    Event.SUPERSEDE: Phase.SUPERSEDED,
    Event.UNDO: Phase.COMPENSATING,
}
_ENDS_OF_WAITING = {
    Event.CANCEL: Phase.CANCELLED,
    Event.SUPERSEDE: Phase.SUPERSEDED,
    Event.GO_STALE: Phase.STALE,
}
LIFE: dict[Phase, dict[Event, Phase]] = {
    Phase.PROPOSED: {Event.ISSUE: Phase.ISSUED, Event.ASK_PERSON: Phase.PENDING_APPROVAL}
    | _ENDS_OF_WAITING,
    Phase.PENDING_APPROVAL: {
        Event.APPROVE: Phase.ISSUED,
        Event.REJECT: Phase.REJECTED,
        Event.LAPSE: Phase.EXPIRED,
    }
    | _ENDS_OF_WAITING,
    Phase.ISSUED: {Event.ACKNOWLEDGE: Phase.ACKNOWLEDGED, Event.BEGIN: Phase.IN_PROGRESS}
    | _ENDS_OF_WORK,
    Phase.ACKNOWLEDGED: {Event.BEGIN: Phase.IN_PROGRESS} | _ENDS_OF_WORK,
    Phase.IN_PROGRESS: {Event.BEGIN: Phase.IN_PROGRESS} | _ENDS_OF_WORK,
    Phase.RETRYING: {
        Event.RETRY: Phase.ISSUED,
        Event.FAIL_FOR_GOOD: Phase.FAILED,
        Event.CANCEL: Phase.CANCELLED,
        Event.SUPERSEDE: Phase.SUPERSEDED,
        Event.UNDO: Phase.COMPENSATING,
    },
    Phase.COMPENSATING: {
        Event.UNDONE: Phase.COMPENSATED,
        Event.UNDO_FAILED: Phase.COMPENSATION_FAILED,
        Event.SUPERSEDE: Phase.SUPERSEDED,  # what a later order puts in its place needs no undoing
    },
    # Ends, out of which only a command that undoes them leads.
    Phase.COMPLETED: {Event.UNDO: Phase.COMPENSATING},
    Phase.FAILED: {Event.UNDO: Phase.COMPENSATING},
    Phase.TIMED_OUT: {Event.UNDO: Phase.COMPENSATING},
    Phase.REFUSED: {},
    Phase.REJECTED: {},
    Phase.EXPIRED: {},
    Phase.CANCELLED: {},
    Phase.SUPERSEDED: {},
    Phase.STALE: {},
    Phase.COMPENSATED: {},
    Phase.COMPENSATION_FAILED: {},
}
FINAL = frozenset(phase for phase, ways in LIFE.items() if not ways.keys() - {Event.UNDO})
WAITING = frozenset({Phase.PROPOSED, Phase.PENDING_APPROVAL})  # nobody was told to act yet
AT_WORK = frozenset(LIFE) - FINAL - WAITING - {Phase.COMPENSATING}


def moved(phase: Phase, event: Event) -> Phase | None:
    """The phase after an event; None where it changes nothing.

    >>> moved(Phase.ISSUED, Event.COMPLETE), moved(Phase.COMPLETED, Event.BEGIN)
    (<Phase.COMPLETED: 'COMPLETED'>, None)
    """
    return LIFE.get(phase, {}).get(event)
