"""Asks a Schema Registry for ids and schemas, with Python's own HTTP client."""

import base64
import json
import ssl
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

from mendstream.client.connection import Connection
from mendstream.client.exceptions import ClientError

_SECONDS = 10.0  # a registry answers in milliseconds or is away
_KIND = "application/vnd.schemaregistry.v1+json"
_NOT_FOUND, _DENIED = 404, (401, 403)


class SchemaRegistry:
    """One registry. Every method raises ClientError where it is away or refuses."""

    def __init__(self, connection: Connection) -> None:
        self._url, self._auth = connection.registry_url, connection.registry_auth
        if urlsplit(self._url).scheme not in ("http", "https"):
            raise ClientError(
                f"The Schema Registry's address {self._url!r} is not one: give "
                "registry_url=http://host:port, or leave it out for local schema ids."
            )
        authority = connection.kafka.get("ssl.ca.location")
        secure = self._url.startswith("https:")
        self._tls = ssl.create_default_context(cafile=authority) if secure else None

    def id_of(self, topic: str, schema: str) -> int:
        """The id of a schema that is registered for the values of a topic."""
        said = self._ask(f"/subjects/{quote(f'{topic}-value', safe='')}", {"schema": schema})
        if said is None:
            raise ClientError(
                f"The Schema Registry at {self._url} does not know this version of the schema of "
                f"{topic}: run `mendstream topics create`, which registers the schemas, or use the "
                "release of this package that is the processor's."
            )
        return int(said["id"])

    def schema(self, schema_id: int) -> str | None:
        """The text of a schema; None for an id that the registry does not know."""
        said = self._ask(f"/schemas/ids/{schema_id}")
        return None if said is None else str(said["schema"])

    def _ask(self, path: str, body: dict[str, str] | None = None) -> Any:
        """What the registry answers; None where it knows no such thing."""
        headers = {"Accept": _KIND, "Content-Type": _KIND}
        if self._auth:
            headers["Authorization"] = f"Basic {base64.b64encode(self._auth.encode()).decode()}"
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self._url}{path}", data, headers)
        try:
            with urlopen(request, timeout=_SECONDS, context=self._tls) as answer:
                return json.load(answer)
        except HTTPError as error:
            with error:
                if error.code == _NOT_FOUND:
                    return None
                raise ClientError(self._refusal(error)) from error
        except (URLError, OSError, ValueError) as error:
            raise ClientError(
                f"No Schema Registry answers at {self._url} ({error}): start it, or give "
                "registry_url; empty means local schema ids."
            ) from error

    def _refusal(self, error: HTTPError) -> str:
        if error.code in _DENIED:
            return (
                f"The Schema Registry at {self._url} denies this ({error.code}): give "
                "registry_auth=user:password."
            )
        return (
            f"The Schema Registry at {self._url} answers {error.code} {error.reason}: see its log."
        )
