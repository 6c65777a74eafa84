"""schemathesis asks each operation of the OpenAPI document whatever its types allow, and more: no
answer is a fault of the gateway's own, and each fits what the document says of it.
"""

from functools import cache
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from gateway.api.route_table import ROUTES
from gateway.web.limits import LINE_BYTES_MAX
from gateway.web.openapi import document
from tests.support.gateway.asking import someone
from tests.support.gateway.served import Served

pytestmark = pytest.mark.kafka
EXAMPLES = 8  # of one operation and one way: all of them together take about a minute
LINE_MAX = LINE_BYTES_MAX - 64  # with method and version
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
NAMES = [f"{route.method} {route.path}" for route in ROUTES]
# Other draws than those that a seed gives are `MENDSTREAM_SEED`'s matter, as in every test.
DRAWN = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[*HealthCheck],
)


@cache
def operations() -> dict[str, Any]:
    schema = schemathesis.openapi.from_dict(document(ROUTES))
    made = dict[str, Any]()
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        one = result.ok()
        made[f"{one.method.upper()} {one.path}"] = one
    return made


def test_every_route_is_an_operation() -> None:
    assert set(NAMES) == set(operations())


def asked_in_each_way() -> list[Any]:
    """Each operation as its types allow it, and otherwise; of one that takes nothing there is no
    other way.
    """
    ways = [(name, mode) for name in NAMES for mode in GenerationMode]
    return [
        pytest.param(name, mode, id=f"{name} {mode.value}")
        for name, mode in ways
        if (name, mode) != ("GET /health", GenerationMode.NEGATIVE)
    ]


def is_too_long(case: Any, base_url: str) -> bool:
    """Whether the HTTP parser refuses the request's first line, before there is any route."""
    made = requests.Request(**case.as_transport_kwargs(base_url=base_url)).prepare()
    return len(made.path_url) > LINE_MAX


@pytest.mark.parametrize(("name", "mode"), asked_in_each_way())
def test_an_answer_is_what_the_document_says(
    served: Served, name: str, mode: GenerationMode
) -> None:
    address = f"http://127.0.0.1:{served.port}"
    strategy = operations()[name].as_strategy(generation_mode=mode)

    @DRAWN
    @given(case=strategy)
    def asked(case: Any) -> None:
        headers = {"Authorization": f"Bearer {someone(('*',))}"}
        if not is_too_long(case, address):
            case.call_and_validate(base_url=address, headers=headers, checks=CHECKS)

    asked()
