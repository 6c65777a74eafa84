"""An alert as JSON to any address, signed so that its receiver knows who sent it and when."""

import hashlib
import hmac
import json

from schemas.records import Alert
from streams.executor.http_client import Caller
from streams.executor.notify.alert_links import alert_link
from streams.executor.notify.channel import ident, post
from streams.files.rendering import plain

SIGNATURE, TIMESTAMP = "Mendstream-Signature", "Mendstream-Timestamp"


class Webhook:
    """secret: shared with the receiver. pages: origin of the gateway that alerts link to, if
    any.
    """

    def __init__(self, caller: Caller, url: str, secret: str, pages: str = "") -> None:
        self._caller, self._url, self._secret, self._pages = caller, url, secret, pages

    async def send(self, alert: Alert) -> None:
        link = alert_link(self._pages, alert)
        body = json.dumps({**plain(alert), **({"link": link} if link else {})}).encode()
        seconds = self._caller.clock.now_ms() // 1_000
        signed = {TIMESTAMP: str(seconds), SIGNATURE: signature(self._secret, seconds, body)}
        await post(self._caller, self._url, body, {**signed, "Idempotency-Key": ident(alert)})


def signature(secret: str, seconds: int, body: bytes) -> str:
    """HMAC-SHA256 over the moment, a full stop and the body: an old body cannot be passed off as a
    new one.
    """
    return "v1=" + hmac.new(secret.encode(), b"%d.%b" % (seconds, body), hashlib.sha256).hexdigest()
