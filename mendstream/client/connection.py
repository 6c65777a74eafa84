"""Where Kafka and the Schema Registry are, and how this package speaks to them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

BOOTSTRAP = "127.0.0.1:9092"
RECONNECT_MS = 1_000  # at most between two attempts, so that a broker that is back is soon used
# What of the environment goes to librdkafka as it is; the names are those of the processor.
_SECURITY = {
    "MENDSTREAM_SECURITY_PROTOCOL": "security.protocol",
    "MENDSTREAM_SASL_MECHANISM": "sasl.mechanism",
    "MENDSTREAM_SASL_USERNAME": "sasl.username",
    "MENDSTREAM_SASL_PASSWORD": "sasl.password",
    "MENDSTREAM_SSL_CA_LOCATION": "ssl.ca.location",
    "MENDSTREAM_SSL_CERTIFICATE_LOCATION": "ssl.certificate.location",
    "MENDSTREAM_SSL_KEY_LOCATION": "ssl.key.location",
    "MENDSTREAM_SSL_KEY_PASSWORD": "ssl.key.password",
}
_SASL_MECHANISM = "SCRAM-SHA-512"


@dataclass(frozen=True, slots=True)
class Connection:
    """bootstrap: host:port of Kafka, several with commas between. topic_prefix: what the
    installation has in front of its topics. registry_url, registry_auth: of the Schema Registry,
    user:password; empty: schema ids are local. kafka: more of librdkafka's configuration.
    """

    bootstrap: str
    topic_prefix: str = ""
    registry_url: str = ""
    registry_auth: str = field(default="", repr=False)
    kafka: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def topic(self, name: str) -> str:
        """The name at Kafka of a topic of the catalogue."""
        return f"{self.topic_prefix}{name}"

    def client(self, defaults: Mapping[str, Any], fixed: Mapping[str, Any]) -> dict[str, Any]:
        """librdkafka's configuration of a client; the program may change all that is not fixed."""
        base = {"log_level": 2, "reconnect.backoff.max.ms": RECONNECT_MS, **defaults}
        return {**base, **self.kafka, "bootstrap.servers": self.bootstrap, **fixed}


def connection_of(
    bootstrap: str | None,
    topic_prefix: str | None,
    registry_url: str | None,
    registry_auth: str | None,
    kafka: Mapping[str, Any] | None,
) -> Connection:
    """The connection of what a program gave; what is None comes from the environment, by the
    processor's names (MENDSTREAM_BOOTSTRAP, MENDSTREAM_TOPIC_PREFIX, MENDSTREAM_REGISTRY_URL,
    MENDSTREAM_REGISTRY_AUTH, and those of security).
    """
    return Connection(
        _given(bootstrap, "MENDSTREAM_BOOTSTRAP") or BOOTSTRAP,
        _given(topic_prefix, "MENDSTREAM_TOPIC_PREFIX"),
        _given(registry_url, "MENDSTREAM_REGISTRY_URL").rstrip("/"),
        _given(registry_auth, "MENDSTREAM_REGISTRY_AUTH"),
        {**_security(), **(kafka or {})},
    )


def _given(value: str | None, name: str) -> str:
    return os.environ.get(name, "") if value is None else value


def _security() -> dict[str, str]:
    found = {
        setting: os.environ[name] for name, setting in _SECURITY.items() if os.environ.get(name)
    }
    if found.get("security.protocol", "").startswith("SASL"):
        found.setdefault("sasl.mechanism", _SASL_MECHANISM)
    return found
