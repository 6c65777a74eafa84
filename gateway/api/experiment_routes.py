"""Experiments: what is judged, and how each arm stands."""

from typing import Literal

from pydantic import model_validator

from gateway.api.route_kinds import Family, rows_of
from gateway.api.ui_addresses import page_of_row
from gateway.views.view_reader import Snapshot, StoredRow
from gateway.web.calls import Call, HttpAnswer, ViewStanding
from gateway.web.calls import single as one_answer
from gateway.web.calls import standing as standing_of
from gateway.web.lists import ListQuery, Name
from gateway.web.route import TEXT, TenantRule, extended, items
from gateway.web.shapes import Json, described
from state.storage.table import row_key

ARMS_MAX = 500  # of one experiment: arms, metrics, segments and steps of a ramp

WITH_ARMS = extended("ExperimentRow", arms=items(described("ArmRow")), ui_url=TEXT)


class ExperimentQuery(ListQuery):
    """Which experiments."""

    subject: Name | None = None
    status: Literal["RUNNING", "STOPPED", "ENDED"] | None = None


class PointQuery(ListQuery):
    """Which points: of all arms, of those of a metric, of one."""

    metric: Name | None = None
    variant: Name | None = None

    @model_validator(mode="after")
    def _of_a_metric(self) -> "PointQuery":
        if self.variant is not None and self.metric is None:
            raise ValueError("a variant is asked for with its metric")
        return self

    def arm(self) -> list[str]:
        """The parts of an arm's key that are given."""
        return [name for name in (self.metric, self.variant) if name is not None]


async def listed(call: Call) -> HttpAnswer:
    """A page, with the whole arms of each: what a table shows of them."""
    answer = await rows_of("experiments")(call)
    rows: list[Json] = answer.body["items"]

    def arms(view: Snapshot) -> list[list[Json]]:
        return [_arms(call, view, row["subject"], row["experiment_id"], True) for row in rows]

    for row, found in zip(rows, await call.read(arms), strict=True):
        row |= {"arms": found, "ui_url": page_of_row("experiments", row)}
    return answer


async def one(call: Call) -> HttpAnswer:
    """An experiment with its arms, those of segments and of the steps of a ramp too."""
    subject, name = call.path("subject"), call.path("id")
    row, standing = await call.one("experiments", row_key(subject, name), "experiment")
    shown = call.shown(row)
    arms = await call.read(lambda view: _arms(call, view, subject, name, False))
    return one_answer(shown | {"arms": arms, "ui_url": page_of_row("experiments", shown)}, standing)


async def points(call: Call) -> HttpAnswer:
    """A page of the points of an experiment's arms, those of an arm in the order of the log."""
    query = call.asked(PointQuery)
    subject, name = call.path("subject"), call.path("id")
    await call.one("experiments", row_key(subject, name), "experiment")
    prefix = f"{row_key(subject, name, *query.arm())}|"
    after = call.after(query.after)

    def question(view: Snapshot) -> tuple[list[StoredRow], ViewStanding]:
        behind = str(after[1]) if after is not None else ""
        rows = view.beginning("points", call.scope, prefix, query.limit, behind)
        return rows, standing_of(view, ["points"])

    rows, standing = await call.read(question)
    following = ("", rows[-1].key) if len(rows) == query.limit else None
    return call.page([call.shown(row) for row in rows], following, standing)


def _arms(call: Call, view: Snapshot, subject: str, name: str, whole: bool) -> list[Json]:
    prefix = f"{row_key(subject, name)}|"
    rows = view.beginning("arms", call.scope, prefix, ARMS_MAX)
    # The key ends in the segment and the step; of a whole arm both are empty.
    return [call.shown(row) for row in rows if not whole or row.key.endswith("||")]


_EXPERIMENTS = Family("experiments")
ROUTES = (
    _EXPERIMENTS.list(
        "/api/v1/experiments",
        "Experiments with their whole arms, the last begun first",
        listed,
        WITH_ARMS,
        ExperimentQuery,
    ),
    _EXPERIMENTS.one(
        "/api/v1/experiments/{subject}/{id}", "An experiment with all its arms", one, WITH_ARMS
    ),
    _EXPERIMENTS.list(
        "/api/v1/experiments/{subject}/{id}/points",
        "How each arm stood as its units came, of the last 30 days",
        points,
        "ArmPoint",
        PointQuery,
        TenantRule.ITEM,
    ),
)
