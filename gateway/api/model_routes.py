"""Models: what serves, what is watched of them, and what is unusual."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from agents.commands.versions_served import Move, versions_served
from gateway.api.command_routes import decoded
from gateway.api.route_kinds import Family, rows_of
from gateway.views.view_reader import Firsts, Snapshot, StoredRow
from gateway.web.calls import Call, HttpAnswer, ViewStanding, single, standing
from gateway.web.lists import ListQuery, Name
from gateway.web.route import (
    MOMENT,
    NUMBER_OR_NULL,
    TEXT,
    TEXT_OR_NULL,
    TRUTH,
    TenantRule,
    items,
    obj,
)
from gateway.web.shapes import Json, described, moment_or_none
from schemas.ids import JOINER, environment_of
from schemas.records import Order
from state.storage.table import row_key

MOVES = 10  # the last of a target: what served before they began is not told
# Numbers that a processor goes on with after a restart, and that tell a reader nothing.
_OF_METRIC = ("values", "usual", "open_point")
_OF_VERSION = ("carry", "ratios")


def _cut(schema: Json, names: Sequence[str]) -> Json:
    """The schema of a record without some of its fields."""
    left = {name: told for name, told in schema["properties"].items() if name not in names}
    return {**schema, "properties": left, "required": list(left)}


def _metric_schema() -> Json:
    cut = _cut(described("MetricRow"), _OF_METRIC)
    version = _cut(cut["properties"]["versions"]["items"], _OF_VERSION)
    version = _with(version, share=_SHARE, window_share=_SHARE)
    return _with(cut, versions=items(version), reference_share=_SHARE)


def _with(schema: Json, **more: Json) -> Json:
    properties = {**schema["properties"], **more}
    return {**schema, "properties": properties, "required": list(properties)}


_SHARE = NUMBER_OR_NULL | {"description": "Bad units of all that were judged; null: none were."}
METRIC = _metric_schema()
TARGET = obj(
    subject=TEXT,
    target=TEXT,
    environment=TEXT,
    version=TEXT_OR_NULL
    | {"description": "What serves, by the commands that are known; null: they do not tell."},
    ordered_at=MOMENT | {"description": "When what brought it in was ordered."},
    command_id=TEXT_OR_NULL,
    gone=items(TEXT) | {"description": "Versions that were rolled back, and are not back."},
    moves=items(
        obj(
            command_id=TEXT,
            order=TEXT,
            to_version=TEXT_OR_NULL,
            names=items(TEXT),
            dry_run=TRUTH,
            ordered_at=MOMENT,
        )
    )
    | {"description": f"The last {MOVES} completed deployments and rollbacks, the last first."},
)


class SubjectQuery(ListQuery):
    """Model lines by name."""

    RISING = frozenset({"subject"})


class TargetQuery(ListQuery):
    """Of which model line; of all, by name."""

    subject: Name | None = None


async def subject(call: Call) -> HttpAnswer:
    row, standing_ = await call.one("subjects", row_key(call.path("subject")), "subject")
    return single(call.shown(row), standing_)


async def metrics(call: Call) -> HttpAnswer:
    return await _of_subject(call, "metrics", lambda row: _metric(call.shown(row)))


def _metric(row: Json) -> Json:
    shown = {name: told for name, told in row.items() if name not in _OF_METRIC}
    reference = _share(row["reference_bad"], row["reference_count"])
    versions = [
        {name: told for name, told in version.items() if name not in _OF_VERSION}
        | {
            "share": _share(version["bad"], version["judged"]),
            "window_share": _share(version["window_bad"], version["window_count"]),
        }
        for version in row["versions"]
    ]
    return shown | {"versions": versions, "reference_share": reference}


def _share(bad: int, judged: int) -> float | None:
    return bad / judged if judged else None


async def anomalies(call: Call) -> HttpAnswer:
    return await _of_subject(call, "anomalies", call.shown)


async def _of_subject(call: Call, view: str, show: Callable[[StoredRow], Json]) -> HttpAnswer:
    """Rows of a view whose keys begin with the subject of the path, by their keys."""
    name, query = row_key(call.path("subject")), call.asked(ListQuery)
    await call.one("subjects", name, "subject")
    after = call.after(query.after)
    last = "" if after is None else after[1]

    def question(snapshot: Snapshot) -> tuple[list[StoredRow], ViewStanding]:
        rows = snapshot.beginning(view, call.scope, f"{name}|", query.limit, last)
        return rows, standing(snapshot, [view])

    rows, standing_ = await call.read(question)
    following = (rows[-1].key, rows[-1].key) if len(rows) == query.limit else None
    return call.page([show(row) for row in rows], following, standing_)


async def targets(call: Call) -> HttpAnswer:
    """What serves at each target, by the completed commands of it."""
    query = call.asked(TargetQuery)
    after = call.after(query.after)
    prefix = "" if query.subject is None else f"{query.subject}{JOINER}"
    wanted = Firsts(max(prefix, "" if after is None else after[0]), limit=query.limit, each=MOVES)

    def question(view: Snapshot) -> HttpAnswer:
        found = view.firsts("commands", call.scope, "served", wanted)
        mine = [(target, rows) for target, rows in found if target.startswith(prefix)]
        shown = [_target(call, target, rows) for target, rows in mine]
        full = len(mine) == query.limit
        following = (mine[-1][0], "") if full else None
        return call.page(shown, following, standing(view, ["commands"]))

    return await call.read(question)


def _target(call: Call, target: str, rows: Sequence[StoredRow]) -> Json:
    """A target by its completed commands, given the last first."""
    known = [(fields, decoded(fields)) for fields in map(call.fields, rows)]
    known.sort(key=lambda one: one[0]["fencing_token"])
    moves = [_move(fields, command) for fields, command in known if command is not None]
    came, gone = versions_served(
        Move(Order(move["order"]), move["to_version"], tuple(move["names"]))
        for move in moves
        if not move["dry_run"]
    )
    version = came[-1] if came else None
    brought = next((move for move in reversed(moves) if _brings(move, version)), None)
    subject_ = known[-1][0]["subject"]
    return {
        "subject": subject_,
        "target": target,
        "environment": environment_of(subject_, target),
        "version": version,
        "ordered_at": None if brought is None else brought["ordered_at"],
        "command_id": None if brought is None else brought["command_id"],
        "gone": sorted(gone),
        "moves": moves[::-1],
    }


def _brings(move: Json, version: str | None) -> bool:
    served = move["to_version"] or next(iter(move["names"]), None)
    return version is not None and served == version and not move["dry_run"]


def _move(fields: Any, command: Json) -> Json:
    return {
        "command_id": fields["command_id"],
        "order": fields["order"],
        "to_version": command["to_version"],
        "names": [name for name in (command["model_version"], command["variant"]) if name],
        "dry_run": command["dry_run"],
        "ordered_at": moment_or_none(fields["issued_at"]),
    }


_MODELS, _ONE = Family("models"), "/api/v1/subjects/{subject}"
_of_one = partial(_MODELS.list, query=ListQuery, tenants=TenantRule.ITEM)
ROUTES = (
    _MODELS.list(
        "/api/v1/subjects", "Model lines, by name", rows_of("subjects"), "SubjectRow", SubjectQuery
    ),
    _MODELS.one(_ONE, "A model line: freeze, locks, budget of deployments", subject, "SubjectRow"),
    _of_one(
        f"{_ONE}/metrics",
        "Live metrics of a model line: reference, versions, evidence that they are worse",
        metrics,
        METRIC,
    ),
    _of_one(
        f"{_ONE}/anomalies",
        "What is usual of the values of each live metric, and what is unusual now",
        anomalies,
        "AnomalyRow",
    ),
    _MODELS.list(
        "/api/v1/targets",
        "What serves at each target, by the deployments and rollbacks that were completed there",
        targets,
        TARGET,
        TargetQuery,
    ),
)
