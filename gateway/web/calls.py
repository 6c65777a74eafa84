"""One call of a route: who asks, what was asked, and the answer in the making."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aiohttp import web

from gateway.auth.identity import Identity
from gateway.orders.fates import FateWatcher
from gateway.orders.order_writer import OrderWriter
from gateway.views import positions
from gateway.views.definitions import VIEWS
from gateway.views.tenants import TenantScope
from gateway.views.view_feed import ViewFeed
from gateway.views.view_reader import PageQuery, Snapshot, StoredRow, ViewReader
from gateway.web.cursors import Cursors
from gateway.web.problems import Problem, not_found
from gateway.web.route import Body, Query, Route
from gateway.web.shapes import Json, moment_or_none, rendered
from schemas.catalog import JOURNAL
from schemas.codec.framing import Codec
from streams.runtime.clock import now_ms
from streams.runtime.settings import Settings

T = TypeVar("T")
B = TypeVar("B", bound=Body)
Q = TypeVar("Q", bound=Query)
STALE_MS = 15_000  # an owner's tick makes a journal entry each second


@dataclass(frozen=True, slots=True)
class Gateway:
    """What handlers work with."""

    settings: Settings
    codec: Codec
    feed: ViewFeed
    reader: ViewReader
    writer: OrderWriter
    fates: FateWatcher
    cursors: Cursors


@dataclass(frozen=True, slots=True)
class ViewStanding:
    """How far the views are that an answer rests on."""

    as_of: (
        int | None
    )  # the clock of the partition that is furthest behind, ms; None: nothing is known
    position: str

    @property
    def stale(self) -> bool:
        return self.as_of is None or now_ms() - self.as_of > STALE_MS

    def fields(self) -> Json:
        """As an answer has it."""
        shown = moment_or_none(self.as_of)
        return {"as_of": shown, "position": self.position, "stale": self.stale}


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What a handler answers. standing: of an answer out of the views."""

    body: Any
    status: int = 200
    standing: ViewStanding | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """A call whose caller is known and whose query and body fit their types."""

    gateway: Gateway
    request: web.Request
    route: Route
    identity: Identity
    query: Query
    body: Body | None
    trace_id: str

    @property
    def scope(self) -> TenantScope:
        return self.identity.tenants

    def path(self, name: str) -> str:
        """A parameter of the path."""
        return self.request.match_info[name]

    def said(self, kind: type[B]) -> B:
        """The body."""
        assert isinstance(self.body, kind), f"the body of {self.route.path} is a {kind}"
        return self.body

    def asked(self, kind: type[Q]) -> Q:
        """The query."""
        assert isinstance(self.query, kind), f"the query of {self.route.path} is a {kind}"
        return self.query

    async def read(self, question: Callable[[Snapshot], T]) -> T:
        """The answer of the views to a question."""
        return await self.gateway.reader.read(question)

    def shown(self, row: StoredRow) -> Json:
        """A row as it is shown."""
        return rendered(self.gateway.codec, VIEWS[row.view].record, row.value)

    def fields(self, row: StoredRow) -> Mapping[str, Any]:
        """A row's fields, moments as int ms."""
        return self.gateway.codec.read(VIEWS[row.view].record, row.value, own=True)

    async def one(self, view: str, key: str, what: str) -> tuple[StoredRow, ViewStanding]:
        """A row by its key. Raises Problem where there is none of the caller's tenants."""

        def question(snapshot: Snapshot) -> tuple[StoredRow | None, ViewStanding]:
            return snapshot.row(view, self.scope, key), standing(snapshot, [view])

        row, standing_ = await self.read(question)
        if row is None:
            raise not_found(what)
        return row, standing_

    async def listed(
        self, view: str, query: PageQuery, show: Callable[[StoredRow], Json] | None = None
    ) -> HttpAnswer:
        """A page of a list, with the cursor of the next."""

        def question(snapshot: Snapshot) -> tuple[list[StoredRow], ViewStanding]:
            return snapshot.page(view, self.scope, query), standing(snapshot, [view])

        rows, standing_ = await self.read(question)
        full = len(rows) == query.limit
        after = (rows[-1].order, rows[-1].key) if full else None
        return self.page([(show or self.shown)(row) for row in rows], after, standing_)

    def page(
        self, shown: Sequence[Json], after: tuple[Any, str] | None, standing_: ViewStanding
    ) -> HttpAnswer:
        """A page whose last row has this order and key; None: nothing follows."""
        following = None if after is None else self.gateway.cursors.write(self.list_name(), after)
        return HttpAnswer(
            {"items": list(shown), "next": following, **standing_.fields()}, standing=standing_
        )

    def list_name(self) -> str:
        """What a cursor belongs to: the list with its filter and order, but for the page's size."""
        query = self.query.model_dump(exclude={"after", "limit", "format"}, exclude_none=True)
        return f"{self.route.path} {sorted(query.items())}"

    def after(self, cursor: str | None) -> tuple[Any, str] | None:
        """The order and key that a cursor stands for. Raises Problem for one of another list."""
        return self.gateway.cursors.read(self.list_name(), cursor)


def standing(snapshot: Snapshot, views: Iterable[str]) -> ViewStanding:
    """How far a snapshot is, for an answer out of these views."""
    topics = [VIEWS[name].topic for name in views]
    places = snapshot.positions()
    partitions = {partition for topic, partition in places if topic == JOURNAL}
    journal = snapshot.journal()
    clocks = [journal[p].now for p in partitions if p in journal]
    as_of = min(clocks) if clocks and len(clocks) == len(partitions) else None
    return ViewStanding(as_of, positions.written(topics, places))


def single(
    shown: Json, standing_: ViewStanding, headers: Mapping[str, str] | None = None
) -> HttpAnswer:
    """The answer with one thing."""
    return HttpAnswer(
        {"item": shown, **standing_.fields()}, standing=standing_, headers=headers or {}
    )


def refused(status: int, reason: str, sentence: str, remedy: str) -> Problem:
    """The answer for a record that the processors refused, or would."""
    return Problem(status, reason, f"{sentence[:1].upper()}{sentence[1:]}.", remedy)
