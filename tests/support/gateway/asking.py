"""Asks each route of the table about a tenant: its path, its body, who asks."""

import re
from collections.abc import Callable
from itertools import count
from typing import Any
from urllib.parse import quote

from gateway.web.route import Route
from tests.support.gateway.served import token
from tests.support.gateway.world import Tenant

# What the parameters of paths are for a tenant. A route with another one fails until it is named.
PARAMETERS: dict[tuple[str, str], Callable[[Tenant], str]] = {
    ("commands", "id"): lambda who: who.id("pending"),
    ("workflows", "id"): lambda who: who.id("pending"),
    ("decisions", "id"): lambda who: who.id("decision"),
    ("failures", "id"): lambda who: who.id("failure"),
    ("experiments", "subject"): lambda who: who.subject,
    ("experiments", "id"): lambda who: who.experiment,
    ("trust", "agent"): lambda who: who.agent,
    ("agents", "agent"): lambda who: who.agent,
    ("failure-patterns", "pattern"): lambda who: who.id("pattern"),
    ("subjects", "subject"): lambda who: who.subject,
    ("freezes", "subject"): lambda who: who.subject,
    ("jobs", "id"): lambda who: who.id("done"),
    ("writes", "topic"): lambda _who: "requests.v1",
    ("writes", "partition"): lambda who: str(place_of(who)[0]),
    ("writes", "offset"): lambda who: str(place_of(who)[1]),
}
_NUMBERS = count()
PLACES: dict[str, tuple[int, int]] = {}


def someone(tenants: tuple[str, ...]) -> str:
    """A token of a person who has not asked yet: nobody may ask as often as this."""
    return token(f"person {next(_NUMBERS)}", tenants)


def place_of(who: Tenant) -> tuple[int, int]:
    return PLACES[who.name]


def path_for(route: Route, who: Tenant) -> str:
    """A route's path with the names of a tenant."""
    parts = route.path.split("/")
    made = []
    for before, part in zip(["", *parts], parts, strict=False):
        found = re.fullmatch(r"{(\w+)}", part)
        if found is None:
            made.append(part)
            continue
        family = next(name for name in reversed(parts[: len(made)]) if not name.startswith("{"))
        made.append(quote(PARAMETERS[family, found[1]](who), safe=""))
        assert before is not None
    return "/".join(made)


def body_for(route: Route, who: Tenant) -> dict[str, Any] | None:
    """A body that fits a route's type, of a tenant's subject."""
    if route.body is None:
        return None
    known: dict[str, dict[str, Any]] = {
        "OrderBody": {"kind": "IMPROVE", "subject": who.subject},
        "WorkflowReviewBody": {},
        "ReviewBody": {"verdict": "APPROVE"} if "/v1/" in route.path else {},
        "JobBody": {"subject": who.subject},
        "TrustBody": {"agents": [who.agent], "confirm": 1},
        "BatchBody": {"items": [batch_item(route, who)]},
        "CycleBody": {"tenant": who.name},
        "CancelBody": {},
        "ReasonBody": {},
        "FreezeBody": {"subject": who.subject},
        "SpecBody": {
            "subject": who.subject,
            "experiment_id": who.experiment,
            "control": "a",
            "treatments": ["b"],
        },
        "PolicyBody": {"policy_id": who.id("policy"), "subjects": [f"{who.name}/*"]},
        "ImproveBody": {"modelType": who.subject},
        "RetrainBody": {"modelType": who.subject},
        "DeployBody": {"modelType": who.subject, "modelId": "v2"},
    }
    return known[route.body.__name__]


def batch_item(route: Route, who: Tenant) -> dict[str, Any]:
    """A recommendation of a tenant's agent, or what became of one."""
    about: dict[str, Any] = {"agent_id": who.agent, "run_id": who.id("run")}
    if route.path.endswith("outcomes"):
        return about | {"judgement": "APPROVED", "quality": 0.5}
    return about | {"kind": "strategy", "content": "roll back", "confidence": 0.5}
