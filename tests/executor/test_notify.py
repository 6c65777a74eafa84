"""Alerts to real receivers on this machine: each channel gets each alert, whatever the others
do.
"""

import asyncio
import json
import ssl
from collections.abc import Callable
from dataclasses import replace
from email import message_from_string
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from schemas.catalog import ALERTS
from schemas.records import Alert, AlertState, Severity
from streams.executor.config_files import read_written
from streams.executor.forgery_alerts import RULE as FORGERY
from streams.executor.notify.alert_links import alert_link
from streams.executor.notify.alertmanager import Alertmanager
from streams.executor.notify.channel import Channel, ChannelRefused
from streams.executor.notify.mail import Mail, Mailbox
from streams.executor.notify.notifier import Notifier
from streams.executor.notify.routes import RoutesFile
from streams.executor.notify.slack import Slack
from streams.executor.notify.webhook import SIGNATURE, TIMESTAMP, Webhook, signature
from streams.executor.retry import NotNow
from streams.runtime.errors import MendstreamError
from streams.runtime.metrics import REGISTRY
from tests.support.builders import CODEC, NOON, alert
from tests.support.executor.fakes import TurnedClock
from tests.support.executor.servers import Asked, Receiver, Running, served
from tests.support.executor.smtp import MailServer
from tests.support.security.certificates import Authority

RAISED = alert(key="shop <b>", value=0.25, message="error rose & rose")
RESOLVED = replace(RAISED, state=AlertState.RESOLVED, resolved_at=NOON + 60_000)


def received(
    make: Callable[[Running], Channel], *alerts: Alert, first: tuple[web.Response, ...] = ()
) -> list[Asked]:
    """What a receiver gets of alerts sent through one channel."""
    receiver = Receiver(first=[*first])

    async def test(running: Running) -> None:
        channel = make(running)
        for each in alerts:
            await channel.send(each)

    served(receiver.app(), test)
    return receiver.asked


def test_a_webhook_is_signed_over_its_moment_and_its_body() -> None:
    (asked,) = received(
        lambda running: Webhook(running.caller, f"{running.url}/hook", "s3cret"), RAISED
    )
    assert asked.headers[TIMESTAMP] == str(NOON // 1_000)
    assert asked.headers[SIGNATURE] == signature("s3cret", NOON // 1_000, asked.body)
    assert asked.headers["Idempotency-Key"] == "a-1.raised"
    body = json.loads(asked.body)
    assert (body["alert_id"], body["state"], body["severity"]) == ("a-1", "RAISED", "HIGH")


def test_a_signature_is_what_openssl_would_make() -> None:
    # printf '1700000000.{}' | openssl dgst -sha256 -hmac key
    assert (
        signature("key", 1_700_000_000, b"{}")
        == "v1=9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae"
    )


def test_slack_gets_a_line_without_markup_of_strangers() -> None:
    raised, resolved = received(
        lambda running: Slack(running.caller, f"{running.url}/T/B/x"), RAISED, RESOLVED
    )
    assert json.loads(raised.body) == {
        "text": "HIGH model-failing of shop &lt;b&gt;: error rose &amp; rose"
    }
    assert json.loads(resolved.body)["text"].startswith("RESOLVED model-failing of")


def test_alertmanager_is_told_when_an_alert_began_and_ends() -> None:
    raised, resolved = received(
        lambda running: Alertmanager(running.caller, f"{running.url}/"), RAISED, RESOLVED
    )
    assert raised.path == "/api/v2/alerts"
    (first,), (second,) = json.loads(raised.body), json.loads(resolved.body)
    assert (
        first["labels"]
        == second["labels"]
        == {
            "alertname": "model-failing",
            "key": "shop <b>",
            "metric": "error",
            "severity": "high",
        }
    )
    assert (first["startsAt"], first["endsAt"]) == (
        "2023-11-14T22:13:20.000Z",
        "2023-11-15T22:13:20.000Z",
    )
    assert (second["startsAt"], second["endsAt"]) == (
        "2023-11-14T22:13:20.000Z",
        "2023-11-14T22:14:20.000Z",
    )
    assert first["annotations"]["summary"] == "error rose & rose"


PAGES = "https://mend.example/"
LINK = "https://mend.example/ui/alerts?state=ALL&rule=model-failing#a-1"


def test_every_channel_leads_to_the_alerts_page_where_a_gateway_is_known() -> None:
    def sent(make: Callable[[Running], Channel]) -> Any:
        return json.loads(received(make, RAISED)[0].body)

    assert sent(lambda to: Webhook(to.caller, to.url, "s3cret", PAGES))["link"] == LINK
    assert sent(lambda to: Slack(to.caller, to.url, PAGES))["text"].endswith(
        f" <{LINK.replace('&', '&amp;')}|Open>"
    )
    (told,) = sent(lambda to: Alertmanager(to.caller, to.url, PAGES))
    assert told["generatorURL"] == LINK
    server = MailServer()

    async def mail() -> None:
        async with server.serving():
            box = Mailbox("127.0.0.1", server.port, "none", "m@x.org", ["a@x.org"])
            await Mail(box, PAGES).send(RAISED)

    asyncio.run(mail())
    (text,) = server.mails
    assert f"page: {LINK}" in message_from_string(text, policy=default).get_content().splitlines()


def test_an_alert_of_names_that_an_address_cannot_hold_is_linked_to_all_the_same() -> None:
    odd = replace(RAISED, rule="rollback */<b>", alert_id="a/#?1")
    assert alert_link(PAGES, odd).endswith(
        "/ui/alerts?state=ALL&rule=rollback%20%2A%2F%3Cb%3E#a%2F%23%3F1"
    )


def test_what_no_page_shows_has_no_link() -> None:
    assert alert_link("", RAISED) == ""
    assert alert_link(PAGES, replace(RAISED, rule=FORGERY)) == ""


@pytest.mark.parametrize(
    ("status", "kind"), [(503, NotNow), (429, NotNow), (404, ChannelRefused), (302, ChannelRefused)]
)
def test_a_receiver_that_says_no_for_now_is_told_apart_from_one_that_says_never(
    status: int, kind: type[Exception]
) -> None:
    with pytest.raises(kind, match=str(status)):
        received(
            lambda running: Slack(running.caller, running.url),
            RAISED,
            first=(web.Response(status=status),),
        )


def mailed(server: MailServer, **box: Any) -> None:
    async def send() -> None:
        async with server.serving():
            given: dict[str, Any] = {
                "host": "127.0.0.1",
                "port": server.port,
                "tls": "none",
                "sender": "m@x.org",
                "receivers": ["a@x.org"],
            }
            await Mail(Mailbox(**given | box)).send(RAISED)

    asyncio.run(send())


def test_a_mail_says_what_is_the_matter() -> None:
    server = MailServer()
    mailed(server, receivers=["a@x.org", "b@x.org"])
    (text,) = server.mails
    mail = message_from_string(text, policy=default)
    assert mail["Subject"] == "HIGH model-failing of shop <b>: error rose & rose"
    assert (mail["From"], mail["To"], mail["Message-ID"]) == (
        "m@x.org",
        "a@x.org, b@x.org",
        "<a-1.raised@mendstream>",
    )
    assert "metric: error 0.25, threshold 0.1" in mail.get_content()
    assert [line for line in server.said if line.upper().startswith("RCPT")] == [
        "rcpt TO:<a@x.org>",
        "rcpt TO:<b@x.org>",
    ]


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ({"MAIL": ["451 later"]}, NotNow),
        ({"MAIL": ["550 never"]}, ChannelRefused),
        ({"RCPT": ["450 later"]}, NotNow),
        ({"RCPT": ["550 nobody"]}, ChannelRefused),
        ({"DATA": ["452 full"]}, NotNow),
    ],
)
def test_a_mail_server_that_says_no_for_now_is_told_apart_too(
    answers: dict[str, list[str]], kind: type
) -> None:
    with pytest.raises(kind):
        mailed(MailServer(answers))


def test_a_mail_server_without_tls_is_not_spoken_to_in_the_clear() -> None:
    server = MailServer()
    with pytest.raises(ChannelRefused, match="does not speak"):
        mailed(server, tls="starttls")
    assert server.mails == []


def test_a_password_is_said_to_whoever_proves_its_name_and_to_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.issue("mail"))
    asked = {"tls": "starttls", "username": "u", "password": "p"}
    with pytest.raises(ChannelRefused, match="does not speak"):
        mailed(MailServer(tls=context), **asked)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    server = MailServer(tls=context)
    mailed(server, **asked)
    assert len(server.mails) == 1
    commands = [line.split()[0].upper() for line in server.said]
    assert commands[:4] == ["EHLO", "STARTTLS", "EHLO", "AUTH"]


def test_a_mail_server_that_is_away_is_tried_again() -> None:
    with pytest.raises(NotNow, match="takes no mail"):
        asyncio.run(Mail(Mailbox("127.0.0.1", 1, "none", "m@x.org", ["a@x.org"])).send(RAISED))


class Scripted:
    """A channel that does what it is told, try by try; then it takes everything."""

    def __init__(self, *script: Exception) -> None:
        self.script, self.got = list(script), list[tuple[str, AlertState]]()

    async def send(self, alert: Alert) -> None:
        if self.script:
            raise self.script.pop(0)
        self.got.append((alert.alert_id, alert.state))


class Notified:
    """A notifier whose every alert goes to all of its channels."""

    def __init__(self, **channels: Scripted) -> None:
        self.clock = TurnedClock()
        self._names = {
            name: f"{name} {id(self)}" for name in channels
        }  # counted apart from other tests' channels
        by_name = {self._names[name]: channel for name, channel in channels.items()}
        self.notifier = Notifier(CODEC, by_name, lambda _: tuple(by_name), self.clock)

    def take(self, *alerts: Alert) -> None:
        async def all_of_them() -> None:
            await asyncio.gather(
                *(self.notifier.take(ALERTS, None, CODEC.encode(alert), []) for alert in alerts)
            )

        asyncio.run(all_of_them())

    def count(self, name: str, outcome: str) -> float:
        labels = {"channel": self._names[name], "outcome": outcome}
        return REGISTRY.get_sample_value("mendstream_notifications_total", labels) or 0.0


def test_a_channel_that_fails_is_tried_again_and_does_not_hold_up_the_others() -> None:
    bad, good = Scripted(*(NotNow("down") for _ in range(5))), Scripted()
    notified = Notified(bad=bad, good=good)
    arrived: list[int] = []
    notified.clock.at(0.5, lambda: arrived.append(len(good.got)))
    notified.take(RAISED, replace(RAISED, alert_id="a-2"))
    assert arrived == [2], "the good channel has both while the bad one rests for the first time"
    assert bad.got == good.got == [("a-1", AlertState.RAISED), ("a-2", AlertState.RAISED)]
    assert notified.clock.now_ms() - NOON == (1 + 2 + 4 + 8 + 16) * 1_000
    assert (
        notified.count("bad", "FAILED"),
        notified.count("bad", "SENT"),
        notified.count("good", "FAILED"),
    ) == (
        5,
        2,
        0,
    )


def test_what_is_resolved_is_not_raised_again_by_a_late_try() -> None:
    channel = Scripted(NotNow("down"))
    Notified(one=channel).take(RAISED, RESOLVED)
    assert channel.got == [("a-1", AlertState.RAISED), ("a-1", AlertState.RESOLVED)]


@pytest.mark.parametrize("fault", [ChannelRefused("404"), ZeroDivisionError("ours")])
def test_an_alert_that_will_never_be_taken_does_not_hold_up_the_next(fault: Exception) -> None:
    channel = Scripted(fault)
    notified = Notified(one=channel)
    notified.take(RAISED, RESOLVED)
    assert channel.got == [("a-1", AlertState.RESOLVED)]
    assert notified.count("one", "REFUSED") == 1


def test_a_channel_that_is_down_for_a_day_is_given_up() -> None:
    channel = Scripted(*(NotNow("down") for _ in range(10_000)))
    notified = Notified(one=channel)
    notified.take(RAISED)
    assert notified.count("one", "GIVEN_UP") == 1
    assert 86_000_000 < notified.clock.now_ms() - NOON <= 86_400_000


def test_old_news_and_what_is_no_alert_are_passed_over() -> None:
    channel = Scripted()
    notified = Notified(one=channel)
    notified.take(
        replace(RAISED, raised_at=NOON - 86_400_001),
        replace(RAISED, raised_at=NOON - 86_400_000, alert_id="a-2"),
    )
    asyncio.run(notified.notifier.take(ALERTS, None, b"nonsense", []))
    assert channel.got == [("a-2", AlertState.RAISED)]


def routes(tmp_path: Path, text: str) -> RoutesFile:
    path = tmp_path / "routes.yaml"
    path.write_text(text)
    return read_written(RoutesFile, path)


CHANNELS = (
    "channels: {am: {kind: alertmanager, url: 'http://127.0.0.1:1'}, pager: {kind: slack, "
    "url_file: secret}}\n"
)


def test_an_alert_goes_where_its_rule_and_its_severity_lead(tmp_path: Path) -> None:
    route = routes(
        tmp_path,
        CHANNELS
        + "routes: [{channels: [am]}, {rule: 'model-*', severity: high, channels: [pager, am]}]\n"
        "policy_rules: [model-failing]",
    ).route()
    assert route(RAISED) == ("am", "pager")
    assert route(replace(RAISED, severity=Severity.MEDIUM)) == ("am",)
    assert route(replace(RAISED, rule="lag")) == ("am",)
    assert route(replace(RAISED, severity=Severity.CRITICAL)) == ("am", "pager")
    assert route(replace(RAISED, severity=Severity.UNKNOWN)) == ("am",)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (CHANNELS + "routes: [{channels: [mail]}]", "a route leads to 'mail'; there are am, pager"),
        (CHANNELS, "routes.yaml, routes: Field required"),
        (CHANNELS + "routes: [{channels: [am], severity: "
            "bad}]", "routes.0.severity: Input should be"),
        (CHANNELS + "routes: [{channels: [am], rule: "
            "'model-*'}]", "no alert is named 'model-*': write one of agent dist"),
        (CHANNELS + "routes: [{channels: [am], rule: rollback "
            "failed}]", "no alert is named 'rollback failed'"),
        (CHANNELS + "routes: [{channels: [am], rule: quality low, severity: "
            "HIGH}]", "is HIGH or worse, but LOW at most"),
        (CHANNELS + "routes: [{channels: [am], rule: 'precursor of "
            "'}]", "no alert is named 'precursor of '"),
        ("channels: {m: {kind: email, host: h, from: a@b, to: [c@d], tls: none, username: "
            "u}}\nroutes: [{channels: [m]}]",
         "a password is not sent without TLS"),
        ("channels: {m: {kind: email, host: h, from: a@b, to: [c@d], username: u}}\nroutes: "
            "[{channels: [m]}]",
         "username and password_file go together"),
    ],
)  # fmt: skip
def test_a_fault_in_the_routes_is_named(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(MendstreamError) as raised:
        routes(tmp_path, text)
    assert sentence in raised.value.fault


@pytest.mark.parametrize(
    "route",
    [
        "rule: '*'",
        "rule: rollback not done, severity: CRITICAL",
        "rule: 'rollback *'",
        "rule: precursor of ACCURACY|error||",
        "rule: 'precursor *', severity: HIGH",
        "rule: forged command, severity: CRITICAL",
        "rule: checkout slow, severity: CRITICAL",
    ],
)
def test_a_route_that_some_alert_can_take_is_taken(tmp_path: Path, route: str) -> None:
    text = CHANNELS + f"routes: [{{channels: [am], {route}}}]\npolicy_rules: [checkout slow]"
    assert len(routes(tmp_path, text).routes) == 1


def test_routes_make_their_channels_with_the_secrets_in_their_files(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("http://127.0.0.1:1/T/B/x\n")
    text = CHANNELS.replace("secret", str(tmp_path / "secret")) + "routes: [{channels: [am]}]"
    made = routes(tmp_path, text).made(None)  # type: ignore[arg-type]
    assert {name: type(channel) for name, channel in made.items()} == {
        "am": Alertmanager,
        "pager": Slack,
    }
