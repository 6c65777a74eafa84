"""A Schema Registry as a small real HTTP server: as much of the API as is used."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Registry(ThreadingHTTPServer):
    """Subjects with their schemas by version, ids that count up from 1, and the compatibility that
    was set.
    """

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
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
                    return 409, {
                        "error_code": 409,
                        "message": "Schema being registered is incompatible",
                    }
                return 200, {"id": self.server.add(subject, body["schema"])}
            case "POST", ["subjects", subject] if body["schema"] in self.server.versions.get(
                subject, []
            ):
                return 200, self._version(
                    subject, self.server.versions[subject].index(body["schema"])
                )
            case "GET", ["schemas", "ids", number] if int(number) in self.server.ids.values():
                by_id = {schema_id: text for text, schema_id in self.server.ids.items()}
                return 200, {"schema": by_id[int(number)]}
            case "GET", ["subjects", subject, "versions"]:
                return 200, [n + 1 for n in range(len(self.server.versions[subject]))]
            case "GET", ["subjects", subject, "versions", number]:
                latest = len(self.server.versions[subject])
                return 200, self._version(
                    subject, (latest if number == "latest" else int(number)) - 1
                )
        return 404, {"error_code": 40403, "message": "Schema not found"}

    def _version(self, subject: str, at: int) -> dict[str, Any]:
        schema = self.server.versions[subject][at]
        return {
            "subject": subject,
            "version": at + 1,
            "id": self.server.ids[schema],
            "schema": schema,
        }


@contextmanager
def serving(server: Registry) -> Iterator[Registry]:
    """Until it is left; then nobody listens there."""
    with server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
