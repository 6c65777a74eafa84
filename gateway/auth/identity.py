"""Who a caller is, and what a caller may do."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gateway.views.tenants import WHOLE, TenantScope
from schemas.persons import person, person_fault
from schemas.validation.text import EVERYTHING, parts_fault, text_fault

TENANTS_MAX = 32  # of one token: each costs a look into each index
RECENT_SECONDS = 900  # how long a login counts as fresh, for what is CRITICAL


class Scope(StrEnum):
    """What a token allows. None of them implies another."""

    READ = "read"
    PUBLISH = "publish"
    ORDER = "order"
    APPROVE = "approve"
    POLICY = "policy"
    ADMIN = "admin"


class Way(StrEnum):
    """How a caller proved who it is."""

    BEARER = "bearer"
    COOKIE = "cookie"
    NONE = "none"  # nobody is asked: a gateway of one developer on the loopback


class IdentityFault(Exception):
    """A token whose claims make no identity; the sentence is for the log, never for the caller."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A verified caller.

    name: as persons are compared, so that one person is one however the name is written. service: a
    program, which may not approve. expires_at, authenticated_at: seconds since 1970; None: not
    said.
    """

    name: str
    scopes: frozenset[Scope]
    tenants: TenantScope
    service: bool
    issuer: str
    way: Way
    expires_at: int | None = None
    authenticated_at: int | None = None

    def may(self, scope: Scope) -> bool:
        """Returns whether the token names a scope."""
        return scope in self.scopes

    def logged_in_lately(self, now: float) -> bool:
        """Returns whether the caller proved who it is within RECENT_SECONDS."""
        if self.way == Way.NONE:
            return True
        return self.authenticated_at is not None and now - self.authenticated_at <= RECENT_SECONDS


DEVELOPER = Identity(
    name="developer",
    scopes=frozenset(Scope),
    tenants=WHOLE,
    service=False,
    issuer="",
    way=Way.NONE,
)


def identity_of(claims: Mapping[str, Any], way: Way) -> Identity:
    """The identity that verified claims name. Raises IdentityFault where they name none.

    `sub` names the person, `scope` or `scopes` what is allowed, `tenants` whose data; ["*"] stands
    for all. A service has no `amr`, or its `sub` is its `client_id` or `azp` (RFC 9068).
    """
    subject = claims["sub"]
    if not isinstance(subject, str) or (fault := person_fault("sub", subject)) is not None:
        raise IdentityFault(f"sub {subject!r} names no person: {fault}")
    clients = (claims.get("client_id"), claims.get("azp"))
    return Identity(
        name=person(subject),
        scopes=_scopes(claims),
        tenants=_tenants(claims.get("tenants")),
        service=subject in clients or not claims.get("amr"),
        issuer=str(claims["iss"]),
        way=way,
        expires_at=int(claims["exp"]),
        authenticated_at=_moment(claims.get("auth_time")),
    )


def _scopes(claims: Mapping[str, Any]) -> frozenset[Scope]:
    given = claims.get("scopes", claims.get("scope", ""))
    names = given.split() if isinstance(given, str) else given
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise IdentityFault(f"scope is {given!r}, no list of words")
    return frozenset(Scope(name) for name in names if name in set(Scope))


def _tenants(given: object) -> TenantScope:
    """What is absent, empty or of no known form allows nothing."""
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        return TenantScope(())
    if given == [EVERYTHING]:
        return WHOLE
    if len(given) > TENANTS_MAX:
        raise IdentityFault(f"{len(given)} tenants are more than {TENANTS_MAX}")
    for name in given:
        if "/" in name or text_fault("tenant", name) or parts_fault("tenant", name):
            raise IdentityFault(f"{name!r} is no tenant's name")
    return TenantScope(tuple(sorted(set(given))))


def _moment(given: object) -> int | None:
    return given if isinstance(given, int) and not isinstance(given, bool) else None
