"""How many improvements and trainings came to something, and how long that took."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from gateway.api.route_kinds import Family
from gateway.views.definitions import LOG_DAYS
from gateway.views.view_reader import PAGE_MAX, PageQuery, Snapshot
from gateway.web.calls import Call, HttpAnswer, standing
from gateway.web.lists import whole
from gateway.web.route import (
    MOMENT,
    NUMBER_OR_NULL,
    TEXT,
    TRUTH,
    WHOLE_NUMBER,
    Query,
    TenantRule,
    items,
    obj,
)
from gateway.web.shapes import moment_or_none
from gateway.web.workflow_status import RUNNING, status_of
from schemas.records import Order, Phase
from streams.runtime.clock import now_ms

DAY_MS, HOUR_MS = 86_400_000, 3_600_000
COUNTED_MAX = PAGE_MAX  # of each order, the last of the window
_STEPS_MAX = 100  # of one command
# What is waited for before a command goes out: a person, or the budget.
_WAITING = (Phase.PENDING_APPROVAL, Phase.PROPOSED)
_KINDS = {RUNNING: "pending", "COMPLETED": "improved", "FAILED": "failed", "TIMED_OUT": "failed"}


class RateQuery(Query):
    """Over which time."""

    window: Annotated[int, BeforeValidator(whole), Field(ge=1, le=LOG_DAYS)] = Field(
        LOG_DAYS, description="days"
    )


async def rate(call: Call) -> HttpAnswer:
    """Counts the commands of the window by what came of them; those that people took back count
    for nothing.
    """
    window = call.asked(RateQuery).window

    def question(view: Snapshot) -> HttpAnswer:
        found = standing(view, ["commands", "transitions"])
        now = found.as_of if found.as_of is not None else now_ms()
        rows = _commands(call, view, now - window * DAY_MS)
        by_model: dict[str, Counter[str]] = defaultdict(Counter)
        whole_hours, own_hours = list[float](), list[float]()
        for fields in rows:
            kind = _KINDS.get(status_of(fields["phase"]), "taken back")
            by_model[fields["subject"]][kind] += 1
            if kind == "improved" and (took := _took(call, view, fields["command_id"])):
                whole_hours.append(took[0])
                own_hours.append(took[1])
        total = sum(by_model.values(), Counter[str]())
        ended = total["improved"] + total["failed"]
        body = {
            "window": window,
            "rate": total["improved"] / ended if ended else None,
            "improved": total["improved"],
            "failed": total["failed"],
            "pending": total["pending"],
            "takenBack": total["taken back"],
            "medianHoursToImprovement": median(whole_hours) if whole_hours else None,
            "medianHoursWithoutWaiting": median(own_hours) if own_hours else None,
            "models": [_model(name, by_model[name]) for name in sorted(by_model)],
            "asOf": moment_or_none(found.as_of),
            "stale": found.stale,
        }
        return HttpAnswer(body, standing=found)

    return await call.read(question)


def _commands(call: Call, view: Snapshot, since: int) -> Sequence[Mapping[str, Any]]:
    rows = list[Mapping[str, Any]]()
    for order in (Order.IMPROVE, Order.RETRAIN):
        page = PageQuery("issued_at", equal={"order": str(order)}, limit=COUNTED_MAX)
        found = map(call.fields, view.page("commands", call.scope, page))
        rows += [fields for fields in found if fields["issued_at"] >= since]
    return rows


def _took(call: Call, view: Snapshot, command: str) -> tuple[float, float] | None:
    """Hours from a command's first step to its completion: all of them, and those without what it
    waited before it went out. None where its steps are not known from the first on.
    """
    page = PageQuery("moved_at", False, {"command_id": command}, limit=_STEPS_MAX)
    steps = [call.fields(row) for row in view.page("transitions", call.scope, page)]
    done = next((one["moved_at"] for one in steps if one["after"] == Phase.COMPLETED), None)
    out = next((one["moved_at"] for one in steps if one["after"] not in _WAITING), None)
    if done is None or out is None or steps[0]["before"] != Phase.UNKNOWN:
        return None
    return (done - steps[0]["moved_at"]) / HOUR_MS, (done - out) / HOUR_MS


def _model(name: str, counts: Mapping[str, int]) -> dict[str, Any]:
    return {"modelType": name, **{kind: counts[kind] for kind in ("improved", "failed", "pending")}}


_COUNTS = {"improved": WHOLE_NUMBER, "failed": WHOLE_NUMBER, "pending": WHOLE_NUMBER}
ROUTES = (
    Family("improvement orchestrator").read(
        "/api/metrics/improvement-rate",
        "How many improvements and trainings were carried out, and how long that took",
        rate,
        obj(
            window=WHOLE_NUMBER,
            rate=NUMBER_OR_NULL
            | {"description": "Of those that ended by themselves, how many were carried out."},
            **_COUNTS,
            takenBack=WHOLE_NUMBER,
            medianHoursToImprovement=NUMBER_OR_NULL
            | {"description": "From the order to its completion."},
            medianHoursWithoutWaiting=NUMBER_OR_NULL
            | {"description": "The same from when it went out: no person is waited for in it."},
            models=items(obj(modelType=TEXT, **_COUNTS)),
            asOf=MOMENT,
            stale=TRUTH,
        ),
        TenantRule.ROWS,
        RateQuery,
    ),
)
