"""The table of routes: what each takes, gives, allows and whose data it shows.

Everything about a route stands in its row: the application, OpenAPI and the tests of isolation are
made from the table.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from gateway.auth.identity import Scope
from gateway.web.shapes import Json, described

if TYPE_CHECKING:
    from gateway.web.calls import Call, HttpAnswer

Method = Literal["GET", "POST", "PATCH", "DELETE"]


class TenantRule(StrEnum):
    """Whose data a route shows or changes, and how that is kept to."""

    NOBODY = "nobody"  # there is nothing of a tenant in it
    CALLER = "caller"  # only what the caller's own token says
    ROWS = "rows"  # rows of the caller's tenants alone
    ITEM = "item"  # one thing that the path names; another tenant's is as if it were not there
    BODY = "body"  # the subject in the body must be of the caller's tenants
    WHOLE = "whole"  # of the whole installation: only for who may see all tenants


class Query(BaseModel):
    """The query parameters of a route; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Body(BaseModel):
    """A JSON body; unknown fields are refused, so that nobody believes to have said what was not
    heard. No number is taken for a text or the other way round.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class CamelBody(Body):
    """A body of the routes that other services had; both spellings of a field are taken."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


@dataclass(frozen=True, slots=True)
class Route:
    """One route.

    scope: that the token must name; None where nobody is asked who he is. answer: what OpenAPI says
    of the body of a good answer, as a JSON schema. statuses: of good answers. waits: it takes
    `Prefer: wait`. csv: it exports too.
    """

    method: Method
    path: str
    summary: str
    handler: "Callable[[Call], Awaitable[HttpAnswer]]"
    scope: Scope | None
    tenants: TenantRule
    answer: Json
    tag: str
    query: type[Query] = Query
    body: type[Body] | None = None
    statuses: Sequence[int] = (200,)
    waits: bool = False
    csv: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)  # that it takes, with their meaning

    @property
    def writes(self) -> bool:
        """Whether it changes something."""
        return self.method != "GET"

    @property
    def name(self) -> str:
        """The operation's id."""
        words = self.path.replace("{", "").replace("}", "").strip("/").replace("/", "_")
        return f"{self.method.lower()}_{words.replace('-', '_')}"


def listing(item: Json) -> Json:
    """The schema of a page of a list."""
    return {
        "type": "object",
        "required": ["items", "next", "as_of", "position", "stale"],
        "properties": {
            "items": {"type": "array", "items": item},
            "next": {
                "type": ["string", "null"],
                "description": "Give it as `after` to get what follows; null: this is the end.",
            },
            **_STANDING,
        },
        "additionalProperties": False,
    }


def single(item: Json) -> Json:
    """The schema of one thing, with how far the views are."""
    return {
        "type": "object",
        "required": ["item", "as_of", "position", "stale"],
        "properties": {"item": item, **_STANDING},
        "additionalProperties": False,
    }


def named(component: str) -> Json:
    """A reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{component}"}


def renamed(base: Json, names: Mapping[str, str]) -> Json:
    """The schema of an object with other names for some of its fields."""
    properties = {names.get(name, name): told for name, told in base["properties"].items()}
    return {**base, "properties": properties, "required": list(properties)}


def extended(record: str | Json, **more: Json) -> Json:
    """A record, or the schema of an object, with further fields, all of them required."""
    base = described(record) if isinstance(record, str) else record
    properties = {**base["properties"], **more}
    return {**base, "properties": properties, "required": list(properties)}


def obj(**properties: Json) -> Json:
    """The schema of an object with these fields, all of them required."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


TEXT: Json = {"type": "string"}
TEXT_OR_NULL: Json = {"type": ["string", "null"]}
WHOLE_NUMBER: Json = {"type": "integer"}
NUMBER_OR_NULL: Json = {"type": ["number", "null"]}
TRUTH: Json = {"type": "boolean"}
MOMENT: Json = {"type": ["string", "null"], "format": "date-time"}
ANYTHING: Json = {}


def items(item: Json) -> Json:
    """The schema of a list of these."""
    return {"type": "array", "items": item}


_STANDING: dict[str, Any] = {
    "as_of": {
        "type": ["string", "null"],
        "format": "date-time",
        "description": "The clock of the partition that is furthest behind.",
    },
    "position": {
        "type": "string",
        "description": "What the answer rests on; `Mendstream-At-Least` takes it.",
    },
    "stale": {
        "type": "boolean",
        "description": "Nothing was heard of the processors for 15 s.",
    },
}
