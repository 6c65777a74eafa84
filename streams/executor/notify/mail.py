"""An alert as an e-mail."""

import asyncio
import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Literal

from schemas.records import Alert
from streams.executor.notify.alert_links import alert_link
from streams.executor.notify.channel import ChannelRefused, ident
from streams.executor.notify.slack import line
from streams.executor.retry import NotNow
from streams.files.rendering import moment

TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A mail server, a sender and the receivers."""

    host: str
    port: int
    tls: Literal["none", "starttls", "tls"]
    sender: str
    receivers: Sequence[str]
    username: str = ""
    password: str = ""


class Mail:
    """Hands a mail in from a thread, because smtplib waits."""

    def __init__(self, mailbox: Mailbox, pages: str = "") -> None:
        """pages: origin of the gateway that alerts link to, if any."""
        self._mailbox, self._pages = mailbox, pages

    async def send(self, alert: Alert) -> None:
        link = alert_link(self._pages, alert)
        await asyncio.to_thread(self._send, _message(alert, self._mailbox, link))

    def _send(self, message: EmailMessage) -> None:
        try:
            with self._connected() as server:
                refused = server.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            raise _fault(
                max(code for code, _ in error.recipients.values()), str(error.recipients)
            ) from error
        except smtplib.SMTPResponseException as error:
            raise _fault(error.smtp_code, f"{error.smtp_code} {error.smtp_error!r}") from error
        except (smtplib.SMTPNotSupportedError, ssl.SSLError) as error:
            raise ChannelRefused(
                f"{self._mailbox.host} does not speak as it is told to: {error}"
            ) from error
        except (smtplib.SMTPException, OSError) as error:
            raise NotNow(
                f"{self._mailbox.host}:{self._mailbox.port} takes no mail: {error}"
            ) from error
        if refused:
            raise ChannelRefused(f"some have it, not these: {refused}")

    def _connected(self) -> smtplib.SMTP:
        box = self._mailbox
        if box.tls == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                box.host, box.port, timeout=TIMEOUT_SECONDS, context=ssl.create_default_context()
            )
        else:
            server = smtplib.SMTP(box.host, box.port, timeout=TIMEOUT_SECONDS)
        try:
            if box.tls == "starttls":
                server.starttls(context=ssl.create_default_context())
            if box.username:
                server.login(box.username, box.password)
        except BaseException:
            server.close()
            raise
        return server


def _message(alert: Alert, box: Mailbox, link: str) -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = " ".join(line(alert).split())[:200]
    message["From"], message["To"] = box.sender, ", ".join(box.receivers)
    message["Message-ID"] = (
        f"<{ident(alert)}@mendstream>"  # the same each time, so that a second one is known as such
    )
    told = {
        "rule": alert.rule,
        "about": alert.key,
        "severity": alert.severity,
        "state": alert.state,
        "metric": f"{alert.metric} {alert.value:g}, threshold {alert.threshold:g}",
        "raised": moment(alert.raised_at),
        "resolved": moment(alert.resolved_at) if alert.resolved_at is not None else "",
        "page": link,
    }
    rows = "\n".join(f"{name}: {value}" for name, value in told.items() if value)
    message.set_content(f"{alert.message}\n\n{rows}\n")
    return message


def _fault(code: int, said: str) -> NotNow | ChannelRefused:
    """4xx passes, 5xx does not (RFC 5321, 4.2.1)."""
    return (
        ChannelRefused(f"the mail was refused: {said}")
        if code >= 500
        else NotNow(f"the mail is not taken now: {said}")
    )
