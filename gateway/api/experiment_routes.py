"""Experiments: what is judged, and how each arm stands."""

from typing import Literal

from gateway.api.route_kinds import Family, rows_of
from gateway.api.ui_addresses import page_of_row
from gateway.views.view_reader import Snapshot
from gateway.web.calls import Call, HttpAnswer
from gateway.web.calls import single as one_answer
from gateway.web.lists import ListQuery, Name
from gateway.web.route import TEXT, extended, items
from gateway.web.shapes import Json, described
from state.storage.table import row_key

ARMS_MAX = 500  # of one experiment: arms, metrics, segments and steps of a ramp

WITH_ARMS = extended("ExperimentRow", arms=items(described("ArmRow")), ui_url=TEXT)


class ExperimentQuery(ListQuery):
    """Which experiments."""

    subject: Name | None = None
    status: Literal["RUNNING", "STOPPED", "ENDED"] | None = None


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
)
