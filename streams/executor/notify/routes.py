"""Which alert goes where, as routes.yaml says."""

from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from agents.alerts.routed_names import fault, weighs
from schemas.records import Alert, Severity
from streams.executor.config_files import Url, Written, secret, secret_url
from streams.executor.forgery_alerts import RULE, SEVERITY
from streams.executor.http_client import Caller
from streams.executor.notify.alertmanager import Alertmanager
from streams.executor.notify.channel import Channel
from streams.executor.notify.mail import Mail, Mailbox
from streams.executor.notify.slack import Slack
from streams.executor.notify.webhook import Webhook
from streams.runtime.redaction import keep, keep_url


class ToWebhook(Written):
    kind: Literal["webhook"]
    url: Url
    secret_file: Path

    def made(self, caller: Caller, pages: str) -> Channel:
        keep_url(
            self.url, self.url, whole=True
        )  # of many receivers whoever knows the address may write to them
        return Webhook(caller, self.url, secret(self.secret_file), pages)


class ToSlack(Written):
    kind: Literal["slack"]
    url_file: Path  # whoever knows the address may write to the channel, so it is a secret

    def made(self, caller: Caller, pages: str) -> Channel:
        return Slack(caller, secret_url(self.url_file), pages)


class ToAlertmanager(Written):
    kind: Literal["alertmanager"]
    url: Url

    def made(self, caller: Caller, pages: str) -> Channel:
        return Alertmanager(caller, self.url, pages)


class ToMail(Written):
    kind: Literal["email"]
    host: str
    port: int = Field(587, ge=1, le=65_535)
    tls: Literal["none", "starttls", "tls"] = "starttls"
    sender: str = Field(alias="from", pattern=".+@.+")
    receivers: tuple[str, ...] = Field(alias="to", min_length=1)
    username: str = ""
    password_file: Path | None = None

    @model_validator(mode="after")
    def _no_password_in_the_clear(self) -> Self:
        if self.username and self.tls == "none":
            raise ValueError("a password is not sent without TLS")
        if bool(self.username) != bool(self.password_file):
            raise ValueError("username and password_file go together")
        return self

    def made(self, _caller: Caller, pages: str) -> Channel:
        password = secret(self.password_file) if self.password_file else ""
        keep(
            f"{self.password_file} of {self.username}", f"\0{self.username}\0{password}"
        )  # as SMTP sends it
        box = Mailbox(
            self.host, self.port, self.tls, self.sender, self.receivers, self.username, password
        )
        return Mail(box, pages)


class Leads(Written):
    """rule: a pattern of rules' names, * for any text. severity: this or a worse one."""

    rule: str = "*"
    severity: Severity = Severity.UNKNOWN
    channels: tuple[str, ...] = Field(min_length=1)

    @field_validator("severity", mode="before")
    @classmethod
    def _in_any_case(cls, written: object) -> object:
        return written.upper() if isinstance(written, str) else written

    def takes(self, alert: Alert) -> bool:
        return weighs(alert.severity, self.severity) and fnmatchcase(alert.rule, self.rule)


class RoutesFile(Written):
    """routes.yaml: an alert goes to the channels of every route that takes it, to each once.

    policy_rules: names of alert rules that policies add to the built-in ones; the executor reads no
    policies.
    """

    channels: dict[
        str, Annotated[ToWebhook | ToSlack | ToAlertmanager | ToMail, Field(discriminator="kind")]
    ]
    routes: tuple[Leads, ...] = Field(min_length=1)
    policy_rules: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _lead_somewhere(self) -> Self:
        for route in self.routes:
            for name in route.channels:
                if name not in self.channels:
                    raise ValueError(
                        f"a route leads to {name!r}; there are "
                        f"{', '.join(self.channels) or 'no channels'}"
                    )
        return self

    @model_validator(mode="after")
    def _take_something(self) -> Self:
        for route in self.routes:
            if why := fault(route.rule, route.severity, self.policy_rules, ((RULE, SEVERITY),)):
                raise ValueError(f"a route would take no alert at all: {why}")
        return self

    def made(self, caller: Caller, pages: str = "") -> dict[str, Channel]:
        """The channels by their names. pages: origin of the gateway that alerts link to, if any."""
        return {name: each.made(caller, pages) for name, each in self.channels.items()}

    def route(self) -> Callable[[Alert], tuple[str, ...]]:
        def channels(alert: Alert) -> tuple[str, ...]:
            return tuple(
                dict.fromkeys(
                    name for each in self.routes if each.takes(alert) for name in each.channels
                )
            )

        return channels
