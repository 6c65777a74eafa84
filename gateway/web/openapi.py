"""The OpenAPI 3.1 document, made from the table of routes."""

import copy
import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from apispec import APISpec

from gateway.web.problems import PROBLEM_TYPE
from gateway.web.route import Route, obj
from gateway.web.shapes import Json, described
from schemas.catalog import RECORDS

_DESCRIPTION = """\
Reads come out of views that follow the topics; each says how far it is (`as_of`, `position`,
`stale`). Everything else becomes one record on a topic and is answered with its place; with
`Prefer: wait=5` with what the processors made of it. Names without a slash are the tenant
`default`'s; a slash in a path is written %2F.

**Glossary.** *Command*: an order to a deployer or trainer, with its life. *Workflow*: what the
improvement orchestrator called a command's life. *Decision*: a verdict that changed, with what came
of it. *Position*: how far in the topics an answer, or a record, stands.
"""
_PROBLEM = obj(
    type={"type": "string"},
    title={"type": "string"},
    status={"type": "integer"},
    detail={"type": "string"},
    reason={"type": "string", "description": "A code for programs."},
    remedy={"type": "string", "description": "What to do about it."},
    trace_id={"type": "string"},
) | {"additionalProperties": True}
_PROBLEM_ANSWER = {
    "description": "A problem, with its reason and the remedy.",
    "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
_HEADERS = {
    "Mendstream-At-Least": "The position, or the place of a record, that the answer must rest on; "
    "waited for 2 s, then 503.",
    "Prefer": "`wait=N`: wait up to N seconds (at most 13) for what becomes of it.",
    "Idempotency-Key": "The same key again writes nothing and is answered as the first time.",
    "If-None-Match": "An ETag; 304 where nothing changed.",
}


def document(routes: Sequence[Route]) -> Json:
    """The document as JSON knows it."""
    spec = APISpec(
        title="Mendstream",
        version="1",
        openapi_version="3.1.0",
        info={
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        servers=[{"url": "/"}],
        security=[{"bearer": []}, {"cookie": []}],
        tags=[{"name": tag} for tag in sorted({route.tag for route in routes})],
    )
    spec.components.security_scheme(
        "bearer", {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    )
    spec.components.security_scheme(
        "cookie", {"type": "apiKey", "in": "cookie", "name": "__Host-mendstream"}
    )
    spec.components.schema("Problem", _PROBLEM)
    spec.components.response("Problem", _PROBLEM_ANSWER)
    used = _used_records(routes)
    for record in used:
        spec.components.schema(record, described(record))
    for route in routes:
        operation = _operation(route, used, spec)
        spec.path(path=route.path, operations={route.method.lower(): operation})
    return spec.to_dict()


def text(routes: Sequence[Route]) -> str:
    """The document as YAML, as docs/openapi.yaml has it."""
    return yaml.safe_dump(document(routes), sort_keys=False, allow_unicode=True, width=100)


def _operation(route: Route, used: Sequence[str], spec: APISpec) -> Json:
    told: Json = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [route.tag],
        "description": _rule(route),
        "parameters": _parameters(route),
        "responses": _responses(route, used),
    }
    if route.scope is None:
        told["security"] = []
    if route.body is not None:
        told["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _model(route.body, spec)}},
        }
    return told


def _rule(route: Route) -> str:
    scope = "Nobody is asked who he is." if route.scope is None else f"Scope: `{route.scope}`."
    return f"{scope} Tenants: `{route.tenants}`."


def _parameters(route: Route) -> list[Json]:
    found: list[Json] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)", route.path)
    ]
    schema = route.query.model_json_schema(by_alias=True)
    required = schema.get("required", [])
    for name, each in schema.get("properties", {}).items():
        told = {key: value for key, value in each.items() if key not in ("title", "description")}
        made = {"name": name, "in": "query", "required": name in required, "schema": told}
        found.append(made | ({"description": each["description"]} if "description" in each else {}))
    names = {**_header_names(route), **route.headers}
    return found + [
        {"name": name, "in": "header", "schema": {"type": "string"}, "description": meaning}
        for name, meaning in names.items()
    ]


def _header_names(route: Route) -> dict[str, str]:
    if route.scope is None:
        return {}
    if not route.writes:
        chosen = ["Mendstream-At-Least", "If-None-Match"]
    else:
        chosen = ["Prefer", "Idempotency-Key"] if route.waits else []
    return {name: _HEADERS[name] for name in chosen}


def _responses(route: Route, used: Sequence[str]) -> Json:
    content: Json = {"application/json": {"schema": _referring(route.answer, used)}}
    if route.csv:
        content["text/csv"] = {"schema": {"type": "string"}}
    good: Json = {"description": "As asked."}
    if route.answer != {"type": "null"}:
        good["content"] = content
    problem = {"$ref": "#/components/responses/Problem"}
    return {**{str(status): good for status in route.statuses}, "default": problem}


def _used_records(routes: Sequence[Route]) -> list[str]:
    texts = [route.answer for route in routes]
    return [record for record in RECORDS if any(_holds(each, described(record)) for each in texts)]


def _holds(schema: Any, part: Json) -> bool:
    if schema is part or schema == part:
        return True
    match schema:
        case Mapping():
            return any(_holds(each, part) for each in schema.values())
        case list():
            return any(_holds(each, part) for each in schema)
    return False


def _referring(schema: Any, used: Sequence[str]) -> Any:
    """A schema in which records that stand in it whole are references."""
    match schema:
        case Mapping():
            for record in used:
                if schema == described(record):
                    return {"$ref": f"#/components/schemas/{record}"}
            return {name: _referring(each, used) for name, each in schema.items()}
        case list():
            return [_referring(each, used) for each in schema]
    return schema


def _model(model: type[Any], spec: APISpec) -> Json:
    """A reference to a body's type, whose parts are put among the components."""
    schema = copy.deepcopy(
        model.model_json_schema(by_alias=True, ref_template="#/components/schemas/{model}")
    )
    for name, part in schema.pop("$defs", {}).items():
        if name not in spec.components.schemas:
            spec.components.schema(name, part)
    if model.__name__ not in spec.components.schemas:
        spec.components.schema(model.__name__, schema)
    return {"$ref": f"#/components/schemas/{model.__name__}"}
