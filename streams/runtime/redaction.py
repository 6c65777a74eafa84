"""Keeps secrets out of what is said: every secret that a process is given is registered here, and
every sentence passes.

Logs, statuses, alerts, the texts of exceptions and the lines of the command line go through
`redacted`.
"""

import base64
import json
import logging
import re
import threading
import traceback
from collections.abc import Iterator
from urllib.parse import quote, quote_plus, unquote, urlsplit, urlunsplit

STARS = "***"
# values of one place: a token that is renewed and the one before, which an answer under way may
# quote
KEPT = 2
_ANYWHERE = 8  # characters from which on a secret is found inside of words too
_LEAST = 4  # characters: what is shorter, every other sentence holds by chance
_TELLING = re.compile(
    r"token|key|secret|passw|pwd|sig|auth|cred", re.IGNORECASE
)  # names of secret queries

_known: dict[
    str, list[tuple[str, ...]]
] = {}  # by place, of which settings and files name a bounded number
_pattern: re.Pattern[str] | None = None
_turn = threading.Lock()


def keep(place: str, *secrets: str) -> None:
    """Registers what a place holds, such as a setting or a file, instead of the oldest that it
    held.
    """
    global _pattern
    given = tuple(secret for secret in secrets if secret.strip())
    with _turn:
        before = _known.get(place, [])
        if not given or before[:1] == [given]:
            return
        _known[place] = [given, *(each for each in before if each != given)][:KEPT]
        _pattern = _compiled()


def keep_url(place: str, url: str, whole: bool = False) -> str:
    """Registers the secrets in an address, and returns it; whole: the address itself is one, with
    path and query.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        keep(place, url)
        return url
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    found = [f"{user}:{password}", password] if password else [user]
    pairs = (pair.partition("=") for pair in parts.query.split("&"))
    found += [value for name, _, value in pairs if whole or _TELLING.search(name)]
    if whole:
        found += [url, parts.path]
    keep(place, *(each for secret in found for each in dict.fromkeys((secret, unquote(secret)))))
    return url


def shown(url: str) -> str:
    """An address as people may see it: without who logs in, and without the values of its query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return redacted(url)
    host = parts.netloc.rpartition("@")[2]
    netloc = f"{STARS}@{host}" if host != parts.netloc else host
    return redacted(
        urlunsplit((parts.scheme, netloc, parts.path, STARS if parts.query else "", ""))
    )


def redacted(text: str) -> str:
    """The text with stars for each registered secret, however it is written: as it is, quoted, in
    JSON or base64.
    """
    return text if _pattern is None else _pattern.sub(STARS, text)


def forget() -> None:
    """Lets go of all secrets, for tests that share a process."""
    global _pattern
    with _turn:
        _known.clear()
        _pattern = None


class Formatter(logging.Formatter):
    """Plain lines without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record))


def guard() -> None:
    """Keeps secrets out of what Python itself writes: logs that nobody configured, and the ends of
    threads.
    """
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(Formatter())

    def ended(args: threading.ExceptHookArgs) -> None:
        lines = traceback.format_exception(args.exc_type, args.exc_value, args.exc_traceback)
        logging.getLogger("mendstream").error("a thread ended: %s", "".join(lines))

    threading.excepthook = ended


def _compiled() -> re.Pattern[str] | None:
    held = {secret for values in _known.values() for secrets in values for secret in secrets}
    forms = {form for secret in held for form in _forms(secret)}
    longest_first = sorted(forms, key=lambda form: (-len(form), form))
    return re.compile("|".join(map(_found, longest_first))) if longest_first else None


def _forms(secret: str) -> Iterator[str]:
    """How others write a secret that they quote."""
    stripped = secret.strip()
    written = (secret, stripped, quote(stripped, safe=""), quote(stripped), quote_plus(stripped))
    escaped = (repr(stripped)[1:-1], json.dumps(stripped)[1:-1])
    coded = base64.b64encode(stripped.encode(errors="surrogatepass")).decode()
    return (form for form in (*written, *escaped, coded) if len(form) >= _LEAST)


def _found(form: str) -> str:
    inside = re.escape(form)
    return inside if len(form) >= _ANYWHERE else rf"(?<!\w){inside}(?!\w)"
