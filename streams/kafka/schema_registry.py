"""The client of a Schema Registry, with its errors as sentences.

Apart from codecs.py, and imported only where a registry is configured: its HTTP client is slow to
import, and a processor that crashed shall be back soon.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Self, TypeVar
from urllib.parse import urlsplit

from confluent_kafka.schema_registry import Schema, SchemaRegistryClient, SchemaRegistryError
from confluent_kafka.schema_registry.common._httpx_compat import httpx

from schemas.catalog import TOPICS, Topic, schema_text
from schemas.codec.framing import Codec
from streams.runtime.errors import MendstreamError
from streams.runtime.settings import Settings

T = TypeVar("T")
_TIMEOUT_SECONDS = 5.0  # a registry answers in milliseconds or is away
_RETRIES = (
    1  # two are enough to get over a dropped connection, and short enough for a person who waits
)
_INCOMPATIBLE = 409
_NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class _Version:
    schema_id: int
    text: str


class Registry:
    """One registry; every method raises MendstreamError where it is away or refuses. Leaving it
    closes its connections.
    """

    def __init__(self, settings: Settings) -> None:
        self._url, self._settings = settings.registry_url, settings
        config: dict[str, object] = {
            "url": self._url,
            "timeout": _TIMEOUT_SECONDS,
            "max.retries": _RETRIES,
        }
        if auth := settings.registry_auth.get_secret_value():
            config["basic.auth.user.info"] = auth
        if urlsplit(self._url).scheme not in ("http", "https"):
            raise MendstreamError(
                f"The Schema Registry's address {self._url!r} is not one.",
                "Set MENDSTREAM_REGISTRY_URL to http://host:port, or leave it empty for local "
                "schema ids.",
            )
        if ca := settings.ssl_ca_location:
            config["ssl.ca.location"] = ca
        self._client = SchemaRegistryClient(config)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ended: object) -> None:
        self._client.__exit__(*ended)  # type: ignore[no-untyped-call]

    def register(self, topic: Topic) -> None:
        """Compatibility first, so that a first incompatible schema is refused as a later one would
        be.
        """
        subject, schema = self._subject(topic), _schema(topic)
        self._ask(lambda: self._client.set_compatibility(subject, topic.compatibility), topic)
        self._ask(lambda: self._client.register_schema(subject, schema), topic)

    def codec(self) -> Codec:
        """The present schemas by their ids, and all older versions of each subject as writers."""
        ids: dict[str, int] = {}
        writers: dict[int, str] = {}
        for topic in TOPICS.values():
            if topic.record is None:
                continue
            subject, schema = self._subject(topic), _schema(topic)
            found = self._ask(lambda s=subject, x=schema: self._client.lookup_schema(s, x), topic)  # type: ignore[misc]
            ids[topic.record] = _number(found.schema_id)
            writers |= {
                version.schema_id: version.text for version in self._versions(subject, topic)
            }
        return Codec(ids, _without(writers, ids.values()))

    def _subject(self, topic: Topic) -> str:
        """As TopicNameStrategy has it: the topic's name at Kafka, and what of a record it is."""
        return f"{self._settings.topic(topic.name)}-value"

    def _versions(self, subject: str, topic: Topic) -> list[_Version]:
        numbers = self._ask(lambda: self._client.get_versions(subject), topic)
        found = [self._ask(partial(self._client.get_version, subject, n), topic) for n in numbers]
        return [_Version(_number(each.schema_id), each.schema.schema_str or "") for each in found]

    def _ask(self, call: Callable[[], T], topic: Topic) -> T:
        try:
            return call()
        except SchemaRegistryError as error:
            raise self._refusal(error, topic) from error
        except (httpx.HTTPError, OSError, ValueError) as error:
            raise MendstreamError(
                f"No Schema Registry answers at {self._url} ({type(error).__name__}).",
                "Start it, or set MENDSTREAM_REGISTRY_URL; empty means local schema ids.",
            ) from error

    def _refusal(self, error: SchemaRegistryError, topic: Topic) -> MendstreamError:
        subject = self._subject(topic)
        if error.http_status_code == _INCOMPATIBLE:
            return MendstreamError(
                f"The Schema Registry refuses the schema of {topic.record}: it is not "
                f"{topic.compatibility} with "
                f"what {subject} has.",
                "Another version of Mendstream, or another program, registered it: "
                "compare the two.",
            )
        if error.http_status_code == _NOT_FOUND:
            return MendstreamError(
                f"The Schema Registry at {self._url} does not know this version of {topic.record} "
                f"under {subject}.",
                "Run `mendstream topics create`, which registers the schemas.",
            )
        if error.http_status_code in (401, 403):
            return MendstreamError(
                f"The Schema Registry at {self._url} denies this ({error.http_status_code}).",
                "Set MENDSTREAM_REGISTRY_AUTH to user:password.",
            )
        return MendstreamError(
            f"The Schema Registry at {self._url} says: {error.error_message} "
            f"({error.http_status_code}).",
            "See its log.",
        )


def _schema(topic: Topic) -> Schema:
    assert topic.record is not None, f"{topic.name} has no schema"
    return Schema(schema_text(topic.record), "AVRO")


def _number(schema_id: int | None) -> int:
    assert schema_id is not None, "a registry gives each schema an id"
    return schema_id


def _without(writers: Mapping[int, str], present: object) -> dict[int, str]:
    kept = set(present)  # type: ignore[call-overload]
    return {schema_id: text for schema_id, text in writers.items() if schema_id not in kept}
