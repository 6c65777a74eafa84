"""Schema ids from a Schema Registry: a small real HTTP server speaks as much of its API as is used."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from schemas.catalog import RESULTS, TOPICS, schema_text
from schemas.wire import unframe
from streams.codecs import codec_for, register
from streams.config import Settings
from streams.errors import MendstreamError
from tests.builders import result

pytestmark = pytest.mark.kafka
SUBJECT = f"{RESULTS}-value"


class Registry(ThreadingHTTPServer):
    """Subjects with their schemas by version, ids that count up from 1, and the compatibility that was set."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.ids: dict[str, int] = {}
        self.versions: dict[str, list[str]] = {}
        self.compatibility: dict[str, str] = {}
        self.incompatible: set[str] = set()
        self.closed = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def add(self, subject: str, schema: str) -> int:
        if schema not in self.versions.setdefault(subject, []):
            self.versions[subject].append(schema)
        return self.ids.setdefault(schema, len(self.ids) + 1)


class _Handler(BaseHTTPRequestHandler):
    server: Registry

    def do_GET(self) -> None:
        self._handle("GET")

    def do_POST(self) -> None:
        self._handle("POST")

    def do_PUT(self) -> None:
        self._handle("PUT")

    def log_message(self, *_: object) -> None:
        pass

    def _handle(self, method: str) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body: dict[str, Any] = json.loads(self.rfile.read(length) or b"{}")
        status, answer = self._answer(method, self.path.split("?")[0].strip("/").split("/"), body)
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _answer(self, method: str, path: list[str], body: dict[str, Any]) -> tuple[int, Any]:
        if self.server.closed:
            return 401, {"error_code": 401, "message": "Unauthorized"}
        match method, path:
            case "PUT", ["config", subject]:
                self.server.compatibility[subject] = body["compatibility"]
                return 200, body
            case "POST", ["subjects", subject, "versions"]:
                if subject in self.server.incompatible:
                    return 409, {"error_code": 409, "message": "Schema being registered is incompatible"}
                return 200, {"id": self.server.add(subject, body["schema"])}
            case "POST", ["subjects", subject] if body["schema"] in self.server.versions.get(subject, []):
                return 200, self._version(subject, self.server.versions[subject].index(body["schema"]))
            case "GET", ["subjects", subject, "versions"]:
                return 200, [n + 1 for n in range(len(self.server.versions[subject]))]
            case "GET", ["subjects", subject, "versions", number]:
                return 200, self._version(subject, int(number) - 1)
        return 404, {"error_code": 40403, "message": "Schema not found"}

    def _version(self, subject: str, at: int) -> dict[str, Any]:
        schema = self.server.versions[subject][at]
        return {"subject": subject, "version": at + 1, "id": self.server.ids[schema], "schema": schema}


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_registering_gives_each_subject_its_schema_and_compatibility(registry: Registry) -> None:
    register(Settings(registry_url=registry.url))
    named = {f"{topic.name}-value": topic for topic in TOPICS.values() if topic.record is not None}
    assert registry.compatibility == {subject: topic.compatibility for subject, topic in named.items()}
    assert {subject: len(versions) for subject, versions in registry.versions.items()} == dict.fromkeys(named, 1)


def test_values_bear_the_registrys_ids(registry: Registry) -> None:
    settings = Settings(registry_url=registry.url)
    register(settings)
    codec = codec_for(settings)
    value = codec.encode(result(1))
    assert unframe(value)[0] == registry.ids[registry.versions[SUBJECT][0]]
    assert codec.decode("ExperimentResult", value) == result(1)


def test_older_versions_of_a_subject_are_read(registry: Registry) -> None:
    older = json.loads(schema_text("ExperimentResult"))
    older["fields"] = [field for field in older["fields"] if field["name"] != "assigned_at"]
    schema_id = registry.add(SUBJECT, json.dumps(older))
    settings = Settings(registry_url=registry.url)
    register(settings)
    codec = codec_for(settings)
    present = codec.encode(result(1))
    body = unframe(present)[1][:-1]  # without assigned_at, which is one byte: absent
    assert codec.decode("ExperimentResult", b"\0" + schema_id.to_bytes(4, "big") + body) == result(1)


def test_a_registry_without_the_schemas_says_what_to_run(registry: Registry) -> None:
    with pytest.raises(MendstreamError, match=r"does not know .* Run `mendstream topics create`"):
        codec_for(Settings(registry_url=registry.url))


def test_an_incompatible_schema_is_one_sentence(registry: Registry) -> None:
    registry.incompatible.add(SUBJECT)
    with pytest.raises(MendstreamError, match=r"refuses the schema of ExperimentResult: it is not BACKWARD_TRANSITIVE"):
        register(Settings(registry_url=registry.url))


def test_a_registry_that_is_away_is_one_sentence(registry: Registry) -> None:
    url = "http://127.0.0.1:9"  # discard: nobody listens there
    for ask in (register, codec_for):
        with pytest.raises(MendstreamError, match=f"No Schema Registry answers at {url}"):
            ask(Settings(registry_url=url))
    with pytest.raises(MendstreamError, match="is not one"):
        codec_for(Settings(registry_url="registry:8081"))


def test_a_registry_that_denies_asks_for_a_password(registry: Registry) -> None:
    registry.closed = True
    with pytest.raises(MendstreamError, match="MENDSTREAM_REGISTRY_AUTH"):
        register(Settings(registry_url=registry.url))
