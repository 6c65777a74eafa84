"""What people say of commands, for the laws: orders of their own, reviews right and wrong, freezes,
cancellations.
"""

from collections.abc import Sequence

import numpy as np

from schemas.catalog import REQUESTS, REVIEWS
from schemas.codec.framing import Record
from schemas.ids import event_uuid
from schemas.records import CommandRow, Request, RequestKind, Review, ReviewVerdict
from tests.support.builders import NOON

_ORDERS = (RequestKind.ROLLBACK, RequestKind.DEPLOY, RequestKind.RETRAIN, RequestKind.IMPROVE)
_HOLDS = (RequestKind.FREEZE, RequestKind.UNFREEZE, RequestKind.UNFREEZE)
_WHO = ("ann", "bob")


def said(
    seed: int, n: int, number: int, rows: Sequence[CommandRow], subjects: Sequence[str]
) -> list[tuple[str, Record]]:
    """n records with their topics."""
    rng = np.random.default_rng([seed, number])
    return [_one(rng, event_uuid("people", seed, number, at), rows, subjects) for at in range(n)]


def _one(
    rng: np.random.Generator, event_id: str, rows: Sequence[CommandRow], subjects: Sequence[str]
) -> tuple[str, Record]:
    who, row = str(rng.choice(_WHO)), rows[int(rng.integers(len(rows)))] if rows else None
    subject = subjects[int(rng.integers(len(subjects)))]
    what = int(rng.integers(0, 10))
    if what < 4 and row is not None:
        verdict = list(ReviewVerdict)[int(rng.integers(0, 3))]
        digest = row.digest if rng.random() < 0.9 else "0" * 64
        review = Review(
            event_id=event_id,
            subject=row.subject,
            command_id=row.command_id,
            verdict=verdict,
            digest=digest or "none",
            reviewer=who,
            reviewed_at=NOON,
        )
        return REVIEWS, review
    if what < 6:
        kind, command = RequestKind.CANCEL, row.command_id if row is not None else None
        subject = row.subject if row is not None else subject
    elif what < 8:
        kind, command = _HOLDS[int(rng.integers(len(_HOLDS)))], None
        subject = "*" if rng.random() < 0.3 else subject
    else:
        kind, command = _ORDERS[int(rng.integers(len(_ORDERS)))], None
    asked = Request(
        event_id=event_id,
        subject=subject,
        kind=kind,
        command_id=command,
        requested_by=who,
        requested_at=NOON,
        variant=str(rng.choice(("b", "c"))),
        to_version="v1",
    )
    return REQUESTS, asked


def deploys(seed: int, number: int, subject: str, experiment_id: str) -> Request:
    return Request(
        event_id=event_uuid("deploys", seed, number),
        subject=subject,
        kind=RequestKind.DEPLOY,
        requested_by=_WHO[0],
        requested_at=NOON,
        experiment_id=experiment_id,
        variant="b",
        to_version="v2",
    )
