"""Lists: what every one of them takes, and its export as CSV."""

import csv
import io
import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from gateway.views.definitions import VIEWS
from gateway.views.view_reader import PAGE_MAX, PageQuery
from gateway.web.calls import Call, HttpAnswer
from gateway.web.route import Query
from gateway.web.shapes import Json

CSV_TYPE = "text/csv"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def whole(value: object) -> object:
    """A query's number, which comes as a text."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdecimal() else value


DayCount = Annotated[int, BeforeValidator(whole), Field(ge=1, le=400)]
PageSize = Annotated[int, BeforeValidator(whole), Field(ge=1, le=PAGE_MAX)]
Name = Annotated[str, Field(min_length=1, max_length=512)]


class ListQuery(Query):
    """What every list takes. RISING: orders in which the lowest comes first."""

    RISING: ClassVar[frozenset[str]] = frozenset()
    after: Annotated[str, Field(max_length=2_048)] | None = Field(
        None, description="`next` of the page before"
    )
    limit: PageSize = Field(50, description="rows of a page")
    format: Literal["json", "csv"] = Field("json", description="csv: all rows of the filter")

    def equal(self) -> dict[str, Any]:
        """The filter: every other field that was given."""
        shown = self.model_dump(exclude={"after", "limit", "format", "sort"}, exclude_none=True)
        return {name.rstrip("_"): str(value) for name, value in shown.items()}


def wants_csv(call: Call) -> bool:
    """Returns whether all rows are asked for as CSV."""
    if not call.route.csv or not isinstance(call.query, ListQuery):
        return False
    accepted = call.request.headers.get("Accept", "")
    return call.query.format == "csv" or accepted.split(";")[0].strip() == CSV_TYPE


async def exported(call: Call) -> AsyncIterator[bytes]:
    """Every row of a list as CSV, page by page: the same fields as the list's, with a head."""
    heads: list[str] | None = None
    query = call.query
    assert isinstance(query, ListQuery), f"{call.route.path} is no list"
    query = query.model_copy(update={"limit": PAGE_MAX, "format": "json"})
    while True:
        answer: HttpAnswer = await call.route.handler(replace(call, query=query))
        rows = answer.body["items"]
        if heads is None:
            heads = _heads(call, rows)
            yield _line(heads)
        yield b"".join(_line(row.get(head) for head in heads) for row in rows)
        if answer.body["next"] is None:
            return
        query = query.model_copy(update={"after": answer.body["next"]})


def _heads(call: Call, rows: list[Json]) -> list[str]:
    item = call.route.answer["properties"]["items"]["items"]
    return list(item.get("properties", {})) or list(rows[0] if rows else ())


def _line(values: Iterable[Any]) -> bytes:
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerow(map(cell, values))
    return written.getvalue().encode()


def cell(value: Any) -> str:
    """A value as a cell, which no spreadsheet takes for a formula.

    >>> cell("=cmd"), cell(-1.5), cell(None), cell(["a"])
    ("'=cmd", '-1.5', '', '["a"]')
    """
    if value is None:
        return ""
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(_FORMULA) else text


def page_of(call: Call, view: str) -> PageQuery:
    """The page of a view that a call asks for, in the order of its `sort` or the usual one. It
    begins with the highest, unless the query says otherwise.
    """
    query = call.asked(ListQuery)
    order: str = getattr(query, "sort", None) or VIEWS[view].orders[0]
    after = call.after(query.after)
    return PageQuery(order, order not in query.RISING, query.equal(), after, query.limit)
