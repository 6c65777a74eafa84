"""The status of a workflow, as the improvement orchestrator's clients know it, by its command's
phase.
"""

from schemas.records import Phase

RUNNING = "RUNNING"
OVER = {
    Phase.COMPLETED: "COMPLETED",
    Phase.FAILED: "FAILED",
    Phase.REFUSED: "FAILED",
    Phase.COMPENSATION_FAILED: "FAILED",
    Phase.REJECTED: "CANCELED",
    Phase.CANCELLED: "CANCELED",
    Phase.SUPERSEDED: "CANCELED",
    Phase.STALE: "CANCELED",
    Phase.COMPENSATED: "CANCELED",
    Phase.EXPIRED: "TIMED_OUT",
    Phase.TIMED_OUT: "TIMED_OUT",
}
STATUSES = (RUNNING, *dict.fromkeys(OVER.values()))


def status_of(phase: str) -> str:
    """The status of a workflow whose command is in a phase.

    >>> status_of("PENDING_APPROVAL"), status_of("STALE")
    ('RUNNING', 'CANCELED')
    """
    return OVER.get(Phase(phase), RUNNING)
