"""The caller, the front page, search, and how well Mendstream itself is."""

from typing import Annotated

from pydantic import Field

from gateway.api.finding_routes import ALERT, told_of
from gateway.api.route_kinds import Family
from gateway.api.ui_addresses import page_of_row
from gateway.auth.identity import Scope, Way
from gateway.views.definitions import VIEWS
from gateway.views.tenants import WHOLE
from gateway.views.view_reader import SEARCH_CHARACTERS_MIN, PageQuery, Snapshot, StoredRow
from gateway.web.calls import STALE_MS, Call, HttpAnswer, standing
from gateway.web.dispatch import COOKIE
from gateway.web.lists import ListQuery, PageSize
from gateway.web.problems import Problem
from gateway.web.route import (
    MOMENT,
    TEXT,
    TEXT_OR_NULL,
    TRUTH,
    WHOLE_NUMBER,
    Query,
    Route,
    TenantRule,
    items,
    listing,
    obj,
)
from gateway.web.shapes import Json, described, moment_or_none
from schemas.records import AlertState, Phase
from schemas.validation.text import EVERYTHING
from state.storage.table import row_key
from streams.runtime.clock import now_ms

_SHOWN = 20  # rows of each list on the front page
_FOUND = 50
_COUNTS: Json = {"type": "object", "additionalProperties": WHOLE_NUMBER}
_NUMBER_OR_NULL: Json = {"type": ["integer", "null"]}


class SearchQuery(Query):
    """What is looked for."""

    q: Annotated[str, Field(min_length=SEARCH_CHARACTERS_MIN, max_length=200)]
    limit: PageSize = _FOUND


async def whoami(call: Call) -> HttpAnswer:
    who = call.identity
    ends = None if who.expires_at is None else moment_or_none(who.expires_at * 1_000)
    return HttpAnswer(
        {
            "name": who.name,
            "tenants": [EVERYTHING] if who.tenants.everything else list(who.tenants.names),
            "scopes": sorted(map(str, who.scopes)),
            "service": who.service,
            "expires_at": ends,
            "authenticated": who.way != Way.NONE,
        }
    )


async def now(call: Call) -> HttpAnswer:
    """What burns, what waits for a person, what is late, what is frozen."""

    def question(view: Snapshot) -> Json:
        return {
            "alerts": _alerts(call, view),
            "alert_counts": view.counts("alerts", call.scope),
            "pending": _commands(call, view, Phase.PENDING_APPROVAL),
            "retrying": _commands(call, view, Phase.RETRYING),
            "command_counts": view.counts("commands", call.scope),
            "experiment_counts": view.counts("experiments", call.scope),
            "freezes": _freezes(call, view),
            **standing(view, ["commands", "alerts", "alert-log", "subjects"]).fields(),
        }

    return HttpAnswer(await call.read(question))


def _alerts(call: Call, view: Snapshot) -> list[Json]:
    query = PageQuery("raised_at", equal={"state": str(AlertState.RAISED)}, limit=_SHOWN)
    shown = [call.shown(row) for row in view.page("alerts", call.scope, query)]
    return [row | told_of(call, view, row) for row in shown]


def _commands(call: Call, view: Snapshot, phase: Phase) -> list[Json]:
    query = PageQuery("issued_at", False, {"phase": str(phase)}, limit=_SHOWN)
    return [call.shown(row) for row in view.page("commands", call.scope, query)]


def _freezes(call: Call, view: Snapshot) -> list[Json]:
    query = PageQuery("subject", False, {"frozen": 1}, limit=_SHOWN)
    rows = view.page("subjects", call.scope, query)
    everything = view.row("subjects", WHOLE, row_key(EVERYTHING))
    if everything is not None and not call.scope.everything:
        rows = [everything, *rows]
    return [call.shown(row) for row in rows if call.fields(row)["frozen_by"]]


async def search(call: Call) -> HttpAnswer:
    query = call.asked(SearchQuery)

    def question(view: Snapshot) -> Json:
        rows = view.search(call.scope, query.q, query.limit)
        views = [name for name, view in VIEWS.items() if view.text is not None]
        return {
            "items": [_hit(call, row) for row in rows],
            "next": None,
            **standing(view, views).fields(),
        }

    return HttpAnswer(await call.read(question))


def _hit(call: Call, row: StoredRow) -> Json:
    fields = call.fields(row)
    names = ("reason", "name", "risk", "experiment_id", "agent_id", "subject")
    title = next((fields[name] for name in names if fields.get(name)), row.key)
    return {
        "kind": row.view,
        "key": row.key,
        "title": title,
        "subject": fields.get("subject"),
        "ui_url": page_of_row(row.view, fields),
    }


async def system(call: Call) -> HttpAnswer:
    """How far processors and views are; how much came of all tenants is told who may see them."""
    everything = call.scope.everything

    def question(view: Snapshot) -> Json:
        clock = now_ms()
        partitions = [
            {
                "partition": entry.partition,
                "as_of": moment_or_none(entry.now),
                "age_ms": max(0, clock - entry.now),
                "agents": entry.agents,
                "stale": clock - entry.now > STALE_MS,
                "transactions": entry.number if everything else None,
                "applied": entry.applied if everything else None,
                "duplicates": entry.duplicates if everything else None,
                "dead_letters": entry.dead_letters if everything else None,
                "rows": entry.rows if everything and entry.rows >= 0 else None,
            }
            for entry in view.journal().values()
        ]
        return {
            "partitions": partitions,
            "partitions_configured": call.gateway.settings.partitions,
            **standing(view, ["commands"]).fields(),
        }

    return HttpAnswer(await call.read(question))


async def dead_letters(call: Call) -> HttpAnswer:
    """What was refused: reason and place; the sentence, which quotes the record, to an admin."""
    query = call.asked(ListQuery)
    after = call.after(query.after)
    whole = call.identity.may(Scope.ADMIN) and call.scope.everything

    def question(view: Snapshot) -> HttpAnswer:
        rows = view.letters(call.scope, after, query.limit)
        shown = [
            {
                "topic": row.topic,
                "partition": row.partition,
                "offset": row.offset,
                "reason": row.reason,
                "sentence": row.sentence if whole else None,
                "refused_at": moment_or_none(row.at),
            }
            for row in rows
        ]
        following = (rows[-1].at, rows[-1].place) if len(rows) == query.limit else None
        return call.page(shown, following, standing(view, ["commands"]))

    return await call.read(question)


async def login(call: Call) -> HttpAnswer:
    """Keeps the token in a cookie that no script reads, for as long as it holds."""
    who = call.identity
    if who.way == Way.NONE:
        return HttpAnswer(None, 204)
    if who.way != Way.BEARER:
        raise Problem(
            422, "NO_TOKEN", "The token came in a cookie.", "Send it as `Authorization: Bearer`."
        )
    token = call.request.headers["Authorization"].partition(" ")[2].strip()
    left = max(0, (who.expires_at or 0) - now_ms() // 1_000)
    return HttpAnswer(None, 204, headers={"Set-Cookie": _cookie(token, left)})


async def logout(_call: Call) -> HttpAnswer:
    return HttpAnswer(None, 204, headers={"Set-Cookie": _cookie("", 0)})


def _cookie(value: str, seconds: int) -> str:
    return f"{COOKIE}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Strict"


async def health(call: Call) -> HttpAnswer:
    """Whether this replica answers out of whole and fresh views; strangers learn no more."""
    feed = call.gateway.feed
    if not feed.built.is_set() or feed.failure is not None:
        return HttpAnswer({"status": "down"}, 503)
    found = await call.read(lambda view: standing(view, ["commands"]))
    return HttpAnswer({"status": "degraded" if found.stale else "ok"})


_SYSTEM, _NOTHING = Family("system"), {"type": "null"}
_SESSION: Json = {
    "scope": Scope.READ,
    "answer": _NOTHING,
    "statuses": (204,),
    "waits": False,
}
_STANDING: Json = {"as_of": MOMENT, "position": TEXT, "stale": TRUTH}
_PARTITION = obj(
    partition=WHOLE_NUMBER,
    as_of=MOMENT,
    age_ms=WHOLE_NUMBER,
    agents=TEXT,
    stale=TRUTH,
    transactions=_NUMBER_OR_NULL,
    applied=_NUMBER_OR_NULL,
    duplicates=_NUMBER_OR_NULL,
    dead_letters=_NUMBER_OR_NULL,
    rows=_NUMBER_OR_NULL,
)
ROUTES = (
    Route(
        "GET",
        "/health",
        "ok, degraded (no processor was heard of for 15 s) or down",
        health,
        None,
        TenantRule.NOBODY,
        obj(status={"type": "string", "enum": ["ok", "degraded", "down"]}),
        _SYSTEM.tag,
        statuses=(200, 503),
    ),
    _SYSTEM.read(
        "/api/v1/whoami",
        "Who the caller is, and what the token allows",
        whoami,
        obj(
            name=TEXT,
            tenants=items(TEXT),
            scopes=items(TEXT),
            service=TRUTH,
            expires_at=MOMENT,
            authenticated=TRUTH,
        ),
        TenantRule.CALLER,
    ),
    _SYSTEM.word(
        "/api/v1/session",
        "Log a browser in: the bearer token goes into a cookie",
        login,
        None,
        TenantRule.CALLER,
        **_SESSION,
    ),
    _SYSTEM.word(
        "/api/v1/session",
        "Log a browser out",
        logout,
        None,
        TenantRule.CALLER,
        method="DELETE",
        **_SESSION,
    ),
    _SYSTEM.read(
        "/api/v1/now",
        "The front page: what burns, what waits for a person, what is frozen",
        now,
        obj(
            alerts=items(ALERT),
            alert_counts=_COUNTS,
            pending=items(described("CommandRow")),
            retrying=items(described("CommandRow")),
            command_counts=_COUNTS,
            experiment_counts=_COUNTS,
            freezes=items(described("SubjectRow")),
            **_STANDING,
        ),
        TenantRule.ROWS,
    ),
    _SYSTEM.read(
        "/api/v1/search",
        "What holds a text: commands, experiments, decisions, failures, agents, lessons, subjects",
        search,
        listing(obj(kind=TEXT, key=TEXT, title=TEXT, subject=TEXT_OR_NULL, ui_url=TEXT_OR_NULL)),
        TenantRule.ROWS,
        SearchQuery,
    ),
    _SYSTEM.read(
        "/api/v1/system",
        "How far processors and views are",
        system,
        obj(partitions=items(_PARTITION), partitions_configured=WHOLE_NUMBER, **_STANDING),
        TenantRule.NOBODY,
    ),
    _SYSTEM.list(
        "/api/v1/dead-letters",
        "What was refused, the last first: reason and place",
        dead_letters,
        obj(
            topic=TEXT,
            partition=WHOLE_NUMBER,
            offset=WHOLE_NUMBER,
            reason=TEXT,
            sentence=TEXT_OR_NULL,
            refused_at=MOMENT,
        ),
    ),
)
