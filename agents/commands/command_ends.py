"""Says how a command ended: whether the verdict that led to it is served, or is open again.

A verdict is answered only by a command that was COMPLETED and did something. What a person said no
to is a person's own word, and is not asked again before the evidence has grown. The newest order of
a target wins for good, so what another took the place of is not sent anew against it: it is asked
again as after a person's no.
"""

from agents.commands.ledger import stored
from agents.commands.lifecycle import FINAL
from agents.core.command_outcome import End, EndedHow
from schemas.records import CommandRow, Order, Phase
from state.partition.command_tables import CommandTables

_BY_A_PERSON = frozenset({Phase.REJECTED, Phase.CANCELLED})
_UNDONE = frozenset({Phase.COMPENSATED, Phase.COMPENSATION_FAILED})
_FAILED = frozenset({Phase.FAILED, Phase.REFUSED, Phase.TIMED_OUT, Phase.SUPERSEDED}) | _UNDONE


def end_of(row: CommandRow, tables: CommandTables) -> End:
    """How a command that is over has ended; row: as it was when it did."""
    dry = row.command is not None and stored(row).dry_run
    return End(_how(row, dry, tables), row.fencing_token > 0 and not dry, _asks(row))


def _how(row: CommandRow, dry: bool, tables: CommandTables) -> EndedHow:
    standing = tables.commands.get(row.command_id)
    assert standing is not None, f"{row.command_id} ended without a row"
    if standing.phase not in FINAL:
        return EndedHow.NOT_YET
    if row.phase == Phase.COMPLETED:
        return EndedHow.UNSERVED if dry else EndedHow.SERVED
    if row.phase == Phase.SUPERSEDED:
        return EndedHow.OVERTAKEN
    denied = row.phase in _BY_A_PERSON or (
        row.phase in _UNDONE and _undone_by_a_person(row, tables)
    )
    return EndedHow.DENIED if denied else EndedHow.UNSERVED


def _asks(row: CommandRow) -> str:
    """Why a person is asked before such a command is sent anew; empty where nobody need be.

    A deployment that came to nothing is not tried over and over: the candidate may be what failed.
    """
    if row.order != Order.DEPLOY or row.phase not in _FAILED:
        return ""
    return f"its last deployment is {row.phase}"


def _undone_by_a_person(row: CommandRow, tables: CommandTables) -> bool:
    undoing = tables.commands.get(row.undone_by)
    return undoing is not None and bool(undoing.requested_by)
