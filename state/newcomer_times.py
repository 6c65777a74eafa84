"""How many of a tenant's subjects nobody vouched for yet; worked out from rows and never stored."""

from array import array
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable


class Newcomers:
    """When each newcomer of a tenant was first met, ascending: eight bytes each, for names can be
    made up.
    """

    def __init__(self) -> None:
        self._since: dict[str, array[int]] = {}

    def put(self, tenant: str, since: int) -> None:
        insort(self._since.setdefault(tenant, array("q")), since)

    def drop(self, tenant: str, since: int) -> None:
        """One that was met then is none any more."""
        times = self._since[tenant]
        at = bisect_left(times, since)
        assert since in times[at : at + 1], f"no newcomer of {tenant} was met at {since}"
        del times[at]

    def count(self, tenant: str, after: int) -> int:
        """Those met later than `after`."""
        times = self._since.get(tenant)
        return 0 if times is None else len(times) - bisect_right(times, after)

    def rebuild(self, met: Iterable[tuple[str, int]]) -> None:
        self._since = {}
        for tenant, since in met:
            self._since.setdefault(tenant, array("q")).append(since)
        self._since = {tenant: array("q", sorted(times)) for tenant, times in self._since.items()}
