"""Takes a person's word to its topic, once, and tells what became of it."""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gateway.orders.fates import FateKind, RecordFate
from gateway.views.positions import RecordPlace
from gateway.views.view_reader import Snapshot
from gateway.views.view_writer import content_digest
from gateway.web.calls import Call, HttpAnswer, refused
from gateway.web.dispatch import seconds_to_wait
from gateway.web.limits import WAIT_SECONDS_MAX
from gateway.web.problems import Problem
from gateway.web.route import TEXT, TEXT_OR_NULL, obj
from gateway.web.shapes import Json, described
from schemas.catalog import REQUESTS
from schemas.codec.framing import Record
from schemas.ids import command_id, decision_id, event_uuid, tenant_of
from schemas.records import Request, RequestKind
from schemas.refusals import Reason
from schemas.validation.field_checks import Fault
from schemas.validation.requests_and_recommendations import check_request
from streams.runtime.clock import now_ms

KEY = "Idempotency-Key"
_KEY_CHARACTERS_MAX = 256
_SEEN_SECONDS = 2.0  # until a record that was just written is in the views, or it is not waited for
_ORDERS = frozenset(
    {RequestKind.ROLLBACK, RequestKind.DEPLOY, RequestKind.RETRAIN, RequestKind.IMPROVE}
)
WRITES = "/api/v1/writes"
PriorityWord = Literal["LOW", "NORMAL", "HIGH", "CRITICAL"]

_NULL_OR = [{"type": "null"}]
ACCEPTED: Json = obj(
    event_id=TEXT,
    position={
        "type": "string",
        "description": "topic/partition/offset of the record; of several, separated by commas.",
    },
    fate={"type": "string", "enum": [str(kind) for kind in FateKind if kind != FateKind.REFUSED]},
    command_id=TEXT_OR_NULL,
    workflow_id=TEXT_OR_NULL,
    decision={"anyOf": [described("Decision"), *_NULL_OR]},
    command={"anyOf": [described("CommandRow"), *_NULL_OR]},
    status_url=TEXT,
)


@dataclass(frozen=True, slots=True)
class Word:
    """What is to be written. partitions: to which; None for that of the key alone. command: the id
    of the command that it is about.
    """

    topic: str
    key: str
    record: Record
    partitions: Sequence[int] | None = None
    command: str | None = None

    @property
    def event_id(self) -> str:
        found: str = self.record.event_id  # type: ignore[attr-defined]
        return found


def event_id(call: Call, tenant: str, about: str = "") -> str:
    """The id of what a call writes: with an idempotency key, the same for the same person, tenant,
    route and key. Raises Problem for a key that is too long. about: what tells apart several
    records of one call.
    """
    key = call.request.headers.get(KEY)
    if key is None:
        return event_uuid("gateway", secrets.token_hex(16))
    if not 0 < len(key) <= _KEY_CHARACTERS_MAX:
        raise Problem(
            422,
            "BAD_KEY",
            f"{KEY} has {len(key)} characters.",
            f"Write 1 to {_KEY_CHARACTERS_MAX}.",
        )
    who = call.identity
    parts = [part for part in (about,) if part]
    return event_uuid("gateway", who.issuer, who.name, tenant, call.route.name, key, *parts)


def request(
    call: Call, kind: RequestKind, subject: str, why: str = "", about: str = "", **more: Any
) -> Request:
    """What the caller asks the processors for. about: what tells apart several requests of one
    call.
    """
    return Request(
        event_id=event_id(call, tenant_of(subject), about),
        subject=subject,
        kind=kind,
        detail=why,
        requested_by=call.identity.name,
        requested_at=now_ms(),
        **more,
    )


async def asked(
    call: Call, request: Request, partitions: Sequence[int] | None = None
) -> HttpAnswer:
    """Writes a request to the partition of its subject, or to these, and answers with what became
    of it.
    """
    check(check_request(request))
    word = Word(REQUESTS, request.subject, request, partitions, request.command_id)
    return await said(call, word)


def check(faults: Sequence[Fault]) -> None:
    """Raises Problem for what the processor would refuse."""
    if faults:
        reason, sentence = faults[0]
        more = {"faults": [{"reason": str(code), "detail": told} for code, told in faults[:20]]}
        raise Problem(
            422, str(reason), f"{sentence[:1].upper()}{sentence[1:]}.", "Say it otherwise.", more
        )


async def said(call: Call, word: Word) -> HttpAnswer:
    """Writes a word, unless its event id is written already, and answers with what became of it."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds_to_wait(call, WAIT_SECONDS_MAX)
    places = await _written(call, word)
    if not places:
        places = await _write(call, word)
    kinds = set()
    for place in places:
        fate = await call.gateway.fates.fate(place, deadline - loop.time())
        _raise_refused(fate)
        kinds.add(fate.kind)
    kind = FateKind.APPLIED if kinds == {FateKind.APPLIED} else FateKind.WAITING
    return await _answer(call, word, places, kind)


async def _write(call: Call, word: Word) -> list[RecordPlace]:
    """Writes a word. With a key another replica may have written it meanwhile, and what came first
    counts: that is looked for once the own record is in the views.
    """
    writer, wanted = call.gateway.writer, word.partitions or (None,)
    places = [await writer.write(word.topic, word.key, word.record, p) for p in wanted]
    if KEY not in call.request.headers:
        return places
    ends = {(place.topic, place.partition): place.offset + 1 for place in places}
    if await call.gateway.fates.reached(ends, (), _SEEN_SECONDS):
        return await _written(call, word) or places
    return places


async def _written(call: Call, word: Word) -> list[RecordPlace]:
    """Where the word stands already. Raises Problem where the key was another word's."""
    if KEY not in call.request.headers:
        return []
    rows = await call.read(lambda view: view.written(word.topic, word.event_id))
    codec = call.gateway.codec
    name = type(word.record).__name__
    digest = content_digest(codec.read(name, codec.encode(word.record), own=True))
    if any(row.digest != digest for row in rows):
        raise Problem(
            422,
            "KEY_REUSED",
            f"{KEY} came before with another body.",
            "Take a key of its own for each request.",
        )
    return [RecordPlace(row.topic, row.partition, row.offset) for row in rows]


def _raise_refused(fate: RecordFate) -> None:
    if fate.refusal is not None:
        letter = fate.refusal
        status = 422 if letter.reason in set(Reason) else 409
        raise refused(status, letter.reason, letter.sentence, "Look at it again, then say it anew.")


async def _answer(
    call: Call, word: Word, places: Sequence[RecordPlace], kind: FateKind
) -> HttpAnswer:
    position = ",".join(map(str, places))
    decision, command = _ids(word, places[0])
    found = await call.read(lambda view: _found(call, view, decision, command))
    body: Json = {
        "event_id": word.event_id,
        "position": position,
        "fate": str(kind),
        "command_id": command,
        "workflow_id": command,
        **found,
        "status_url": f"{WRITES}/{places[0]}",
    }
    status = 200 if kind == FateKind.APPLIED else 202
    return HttpAnswer(body, status, headers={"Location": body["status_url"]})


def _ids(word: Word, place: RecordPlace) -> tuple[str | None, str | None]:
    """The ids of the decision and command that a record leads to: they follow from its place."""
    one = word.record
    if word.topic != REQUESTS or not isinstance(one, Request) or one.kind not in _ORDERS:
        return None, word.command
    made = decision_id(place.topic, place.partition, place.offset, "people", one.event_id)
    return made, command_id(made, str(one.kind))


def _found(call: Call, view: Snapshot, decision: str | None, command: str | None) -> dict[str, Any]:
    first = view.row("decisions", call.scope, decision) if decision is not None else None
    row = view.row("commands", call.scope, command) if command is not None else None
    return {
        "decision": None if first is None else call.shown(first),
        "command": None if row is None else call.shown(row),
    }
