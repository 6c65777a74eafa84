"""A Kafka that wants to know who you are, SCRAM over TLS, and whose authorizer denies what no ACL
allows.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from typer.testing import CliRunner

from streams.cli.app import application
from streams.kafka.admin.acls import ROLES, Right, create
from streams.kafka.admin.permissions import check_visible
from streams.kafka.admin.topics import create as create_topics
from streams.kafka.admin_types import (
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)
from streams.kafka.embedded.broker import EmbeddedKafka
from streams.kafka.reading import admin
from streams.runtime.clock import wait_until
from streams.runtime.errors import MendstreamError
from streams.runtime.settings import Settings
from tests.support.kafka.running import EAGER, SECONDS, SMALL
from tests.support.security.certificates import Authority

ADMIN = "admin"
NEWCOMERS = [
    f"newcomer-{number}" for number in range(20)
]  # without any right until a test gives some
SUPER = "User:admin;User:broker"  # the broker's own connections come with its certificate
PROPERTIES = EAGER | {
    "listener.security.protocol.map": "CLIENT:SASL_SSL,INTERNAL:SSL,CONTROLLER:SSL",
    "sasl.enabled.mechanisms": "SCRAM-SHA-512",
    "listener.name.client.scram-sha-512.sasl.jaas.config": (
        "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    ),
    "listener.name.internal.ssl.client.auth": "required",
    "listener.name.controller.ssl.client.auth": "required",
    "ssl.principal.mapping.rules": "RULE:^CN=([^,]+).*$/$1/,DEFAULT",
    "ssl.keystore.type": "PEM",
    "ssl.truststore.type": "PEM",
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": SUPER,
}


class Secured:
    """The broker with all topics, and the settings of whoever connects to it. A context manager."""

    def __init__(self, directory: Path) -> None:
        self.authority, self.stranger = Authority(directory), Authority(directory, "stranger")
        certificate, key = self.authority.issue("broker")
        store = directory / "keystore.pem"
        store.write_bytes(key.read_bytes() + certificate.read_bytes())
        stores = {
            "ssl.keystore.location": str(store),
            "ssl.truststore.location": str(self.authority.certificate),
        }
        users = {name: password(name) for name in (ADMIN, *ROLES, *NEWCOMERS)}
        self.kafka = EmbeddedKafka(
            settings=PROPERTIES | stores, scram=users, client=self._client(ADMIN)
        )
        self._newcomers = iter(NEWCOMERS)

    def __enter__(self) -> Self:
        self.kafka.start()
        create_topics(admin(self.as_(ADMIN)), self.as_(ADMIN))
        return self

    def __exit__(self, *_: object) -> None:
        self.kafka.stop()

    def as_(self, user: str, **more: Any) -> Settings:
        """The settings of a user, with the right password unless `more` says otherwise."""
        given: dict[str, Any] = {
            "bootstrap": self.kafka.bootstrap,
            "security_protocol": "SASL_SSL",
            "sasl_username": user,
            "sasl_password": password(user),
            "ssl_ca_location": str(self.authority.certificate),
            **SMALL,
        }
        return Settings(**given | more)

    def certified(self, **more: Any) -> Settings:
        """The settings of a client of the listener that asks for certificates, without one of its
        own.
        """
        properties = (self.kafka.log.parent / "server.properties").read_text()
        (address,) = re.findall(r"INTERNAL://([\d.:]+)", properties)
        trust = {"ssl_ca_location": str(self.authority.certificate)}
        return Settings(**{"bootstrap": address, "security_protocol": "SSL", **trust, **more})

    def grant(self, user: str, granted: Iterable[Right]) -> None:
        """Gives rights to topics, and others, and waits until the broker knows them."""
        rights = list(granted)
        create(admin(self.as_(ADMIN)), self.as_(ADMIN), f"User:{user}", rights)
        self.knows(user, (right.name for right in rights if right.kind == "TOPIC"))

    def revoke(self, user: str, right: Right) -> None:
        """Takes one right away again."""
        client = admin(self.as_(ADMIN))
        wanted = AclBindingFilter(
            ResourceType[right.kind],
            right.name,
            ResourcePatternType[right.pattern],
            f"User:{user}",
            "*",
            AclOperation[right.operation],
            AclPermissionType.ALLOW,
        )
        (asked,) = client.delete_acls([wanted]).values()
        assert len(asked.result()) == 1

    def knows(self, user: str, topics: Iterable[str]) -> None:
        """Waits until the broker lets a user see these topics: ACLs are in force a moment after
        they are made.
        """
        client, names = admin(self.as_(user)), list(dict.fromkeys(topics))

        def known() -> bool:
            try:
                check_visible(client, self.as_(user), names)
            except MendstreamError:
                return False
            return True

        assert wait_until(known, SECONDS), f"{user} was granted rights that it does not have"

    def newcomer(self, granted: Iterable[Right]) -> str:
        """A user that nobody has used yet, with these rights."""
        name = next(self._newcomers)
        self.grant(name, granted)
        return name

    def _client(self, user: str) -> dict[str, Any]:
        config = Settings(
            security_protocol="SASL_SSL",
            sasl_username=user,
            sasl_password=password(user),
            ssl_ca_location=str(self.authority.certificate),
        ).client()
        del config["bootstrap.servers"]
        return config


def here(*arguments: str, env: Mapping[str, str]) -> tuple[int, str, str]:
    """Exit code, output and errors of the command line, run in this process, which is soon done."""
    done = CliRunner().invoke(application(), arguments, env=env)
    return done.exit_code, done.stdout, done.stderr


def password(user: str) -> str:
    return f"{user}-knows-it"
