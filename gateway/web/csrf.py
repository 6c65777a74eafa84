"""Refuses what another site made a browser send: a cookie goes with any request, a bearer token
does not.

The rule is that of Go's CrossOriginProtection and of OWASP's Fetch Metadata policy, and stricter
for cookies: a request with neither header is refused.
"""

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from gateway.auth.identity import Way
from gateway.web.problems import Problem


def origin_of(url: str) -> str:
    """The origin of an address, as browsers write it.

    >>> origin_of("https://Mend.example:443/ui"), origin_of("http://127.0.0.1:3010")
    ('https://mend.example', 'http://127.0.0.1:3010')
    """
    parts = urlsplit(url)
    usual = {"https": 443, "http": 80}.get(parts.scheme)
    port = "" if parts.port in (None, usual) else f":{parts.port}"
    host = parts.hostname or ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}"


def check_site(headers: Mapping[str, str], way: Way, origins: Sequence[str]) -> None:
    """Raises Problem where a request that changes something may come from another site.

    origins: of this gateway, as browsers know it.
    """
    if way == Way.BEARER:
        return
    site, said = headers.get("Sec-Fetch-Site"), headers.get("Origin")
    if site is not None:
        fine = site == "same-origin"
    elif said is not None:
        fine = said in origins
    else:
        fine = way == Way.NONE  # a program of the developer's; a browser sends one of the two
    if not fine:
        raise Problem(
            403,
            "OTHER_SITE",
            "This request comes from another site, or does not say from which.",
            "Send the token as `Authorization: Bearer`, or use the pages of this gateway.",
        )


def check_host(host: str, origins: Sequence[str]) -> None:
    """Raises Problem where a gateway without authentication is reached under a foreign name, as a
    page of a stranger would by rebinding its name to the loopback.
    """
    name = urlsplit(f"//{host}").hostname or ""
    known = {urlsplit(origin).hostname for origin in origins}
    if name not in {"127.0.0.1", "localhost", "::1"} | known:
        raise Problem(
            403,
            "OTHER_HOST",
            f"This gateway is not {name[:60]!r}.",
            "Without authentication it is reached as 127.0.0.1 or localhost alone.",
        )
