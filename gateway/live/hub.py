"""Tells every open socket what it follows, and no socket delays another.

The feed's thread hands over the rows that changed; all else happens in the event loop. A client
that does not read loses what waits for it and is told to fetch again.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydantic_core import to_json

from gateway.auth.identity import Identity
from gateway.live.client_messages import FOLLOWED, Subscribe
from gateway.views.definitions import VIEWS
from gateway.views.view_writer import RowChange
from gateway.web.calls import Gateway, standing
from gateway.web.shapes import Json, moment_or_none, render
from gateway.web.workflow_status import status_of
from streams.runtime.clock import now_ms

QUEUE_MAX = 256  # messages of one client that it has not read
SUBSCRIPTIONS_MAX = 20  # of one socket
SOCKETS_MAX = 5  # of one person
LAG_SECONDS = 5.0  # between two words on how far the views are
# The field that says what a row is about, by which a subscription may be of one subject alone.
_ABOUT = ("subject", "agent_id", "key", "tenant", "pattern", "signal")
_HELD_MAX = 1_000  # updates that come before the snapshot that they follow


class Update:
    """A row that changed, decoded once for all who follow it."""

    def __init__(self, gateway: Gateway, change: RowChange) -> None:
        self._gateway, self.change = gateway, change

    @cached_property
    def fields(self) -> Mapping[str, Any] | None:
        """The row's fields; None where it was deleted."""
        if self.change.value is None:
            return None
        record = VIEWS[self.change.view].record
        return self._gateway.codec.read(record, self.change.value, own=True)

    @cached_property
    def row(self) -> Json | None:
        """The row as it is shown."""
        if self.fields is None:
            return None
        return render(VIEWS[self.change.view].record, self.fields)

    @property
    def about(self) -> str:
        """The subject or agent that it is of; what a deleted row was of stands in its key."""
        fields = self.fields
        if fields is None:
            return self.change.key.partition("|")[0]
        return str(next(fields[n] for n in _ABOUT if n in fields))

    @property
    def position(self) -> str | None:
        """Where the record stands that changed the row."""
        change = self.change
        if change.offset < 0:
            return None
        return f"{VIEWS[change.view].topic}/{change.partition}/{change.offset}"


@dataclass(slots=True)
class Subscription:
    """What one client follows. held: updates that wait for the snapshot; None: it was sent."""

    asked: Subscribe
    held: list[Update] | None = field(default_factory=list)

    @property
    def views(self) -> tuple[str, ...]:
        """The views whose rows it is told of."""
        return FOLLOWED["commands" if self.asked.view is None else self.asked.view]


class Client:
    """One socket as the hub knows it. Messages leave by `queue`."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.queue: asyncio.Queue[bytes] = asyncio.Queue(QUEUE_MAX)
        self.subscriptions: dict[str, Subscription] = {}

    def say(self, message: Json) -> None:
        """Has a message sent; a client that is too slow loses all that waits and is told so."""
        try:
            self.queue.put_nowait(to_json(message, inf_nan_mode="null"))
        except asyncio.QueueFull:
            while not self.queue.empty():
                self.queue.get_nowait()
            self.queue.put_nowait(to_json({"type": "resync", "reason": "slow"}))


class Hub:
    """All clients of one gateway. A context manager that ends what it has begun."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._loop = asyncio.get_running_loop()
        self._clients: set[Client] = set()
        self._sockets: Counter[str] = Counter()
        self._following: dict[str, set[tuple[Client, str]]] = defaultdict(set)
        self._lag = self._loop.create_task(self._tell_lag())
        gateway.feed.listen(self._changed)

    async def close(self) -> None:
        """Ends what tells clients how far the views are."""
        self._lag.cancel()
        await asyncio.gather(self._lag, return_exceptions=True)

    @property
    def clients(self) -> int:
        return len(self._clients)

    def enter(self, client: Client) -> bool:
        """Takes a client in; returns whether its person has room for one more."""
        if self._sockets[client.identity.name] >= SOCKETS_MAX:
            return False
        self._sockets[client.identity.name] += 1
        self._clients.add(client)
        return True

    def leave(self, client: Client) -> None:
        for name in [*client.subscriptions]:
            self.unfollow(client, name)
        self._clients.discard(client)
        self._sockets[client.identity.name] -= 1
        if self._sockets[client.identity.name] <= 0:
            del self._sockets[client.identity.name]

    async def follow(self, client: Client, asked: Subscribe) -> None:
        """Tells a client the snapshot, and from there on each update."""
        self.unfollow(client, asked.name)
        one = client.subscriptions[asked.name] = Subscription(asked)
        for view in one.views:
            self._following[view].add((client, asked.name))
        client.say(await self._snapshot(client, asked))
        held, one.held = one.held or [], None
        for update in held:
            self._tell(client, one, update)

    def unfollow(self, client: Client, name: str) -> None:
        """Takes a subscription back, if there is one of this name."""
        one = client.subscriptions.pop(name, None)
        for view in one.views if one is not None else ():
            self._following[view].discard((client, name))

    async def _snapshot(self, client: Client, asked: Subscribe) -> Json:
        key, scope = asked.workflow_id, client.identity.tenants

        def question(view: Any) -> tuple[Any, Any]:
            row = view.row("commands", scope, key) if key is not None else None
            return row, standing(view, FOLLOWED[asked.view] if asked.view else ["commands"])

        row, standing_ = await self._gateway.reader.read(question)
        told: Json = {"type": "subscribed", "position": standing_.position}
        if key is None:
            return told | {"id": asked.id, "view": asked.view}
        shown = None
        if row is not None:
            fields = self._gateway.codec.read("CommandRow", row.value, own=True)
            shown = render("CommandRow", fields)
        return told | {"workflowId": key, "snapshot": shown}

    def _changed(self, changes: list[RowChange]) -> None:
        """Called by the feed's thread."""
        if self._clients and changes:
            self._loop.call_soon_threadsafe(self._deliver, changes)

    def _deliver(self, changes: list[RowChange]) -> None:
        for change in changes:
            following = self._following.get(change.view)
            if not following:
                continue
            update = Update(self._gateway, change)
            for client, name in [*following]:
                if client.identity.tenants.sees(change.tenant):
                    self._update(client, client.subscriptions[name], update)

    def _update(self, client: Client, one: Subscription, update: Update) -> None:
        if one.held is None:
            self._tell(client, one, update)
        elif len(one.held) < _HELD_MAX:
            one.held.append(update)

    def _tell(self, client: Client, one: Subscription, update: Update) -> None:
        if one.asked.workflow_id is not None:
            if (told := _of_workflow(one.asked.workflow_id, update)) is not None:
                client.say(told)
        elif one.asked.wants(update.about):
            client.say(
                {
                    "type": "update",
                    "id": one.asked.id,
                    "view": update.change.view,
                    "key": update.change.key,
                    "row": update.row,
                    "position": update.position,
                }
            )

    async def _tell_lag(self) -> None:
        while True:
            await asyncio.sleep(LAG_SECONDS)
            if not self._clients:
                continue
            found = await self._gateway.reader.read(lambda view: standing(view, ["commands"]))
            behind = None if found.as_of is None else max(0, now_ms() - found.as_of)
            told = {"type": "lag", "as_of": moment_or_none(found.as_of), "behind_ms": behind}
            for client in self._clients:
                client.say(told)


def _of_workflow(key: str, update: Update) -> Json | None:
    """The update of a workflow, as the improvement orchestrator's clients know it."""
    told: Json = {"type": "update", "workflowId": key, "position": update.position}
    fields = update.fields
    if update.change.view == "transitions":
        if fields is None or fields["command_id"] != key:
            return None
        return told | {
            "status": status_of(fields["after"]),
            "phase": fields["after"],
            "event": fields["event"],
            "by": fields["by"],
            "detail": fields["detail"],
            "at": moment_or_none(fields["moved_at"]),
            "row": None,
        }
    if update.change.key != key:
        return None
    phase = None if fields is None else fields["phase"]
    nothing = dict.fromkeys(("event", "by", "detail", "at"))
    status = None if phase is None else status_of(phase)
    return told | {"status": status, "phase": phase, **nothing, "row": update.row}
