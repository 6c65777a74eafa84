"""The document says what the routes say, and OpenAPI's own schema agrees."""

from pathlib import Path

import yaml
from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway.api.route_table import ROUTES
from gateway.web.openapi import document, text

ROOT = Path(__file__).parents[3]


def test_the_document_is_up_to_date() -> None:
    written = (ROOT / "docs/openapi.yaml").read_text(encoding="utf-8")
    assert written == text(ROUTES), "run `mendstream openapi > docs/openapi.yaml`"


def test_the_document_is_valid() -> None:
    OpenAPIV31SpecValidator(document(ROUTES)).validate()


def test_the_document_has_every_route_once() -> None:
    made = yaml.safe_load(text(ROUTES))
    told = {(m.upper(), path) for path, each in made["paths"].items() for m in each}
    assert told == {(route.method, route.path) for route in ROUTES}
    assert len({route.name for route in ROUTES}) == len(ROUTES)
