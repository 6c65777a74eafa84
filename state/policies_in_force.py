"""The policies in force, by their ids and by the subjects that they name."""

from collections import Counter
from collections.abc import Iterable, Iterator, MutableMapping

from schemas.records import Policy


class Policies(MutableMapping[str, Policy]):
    """Finds the policies that name a pattern of subjects without looking at any other.

    changes: how often one was put or taken out.
    """

    def __init__(self, policies: Iterable[Policy] = ()) -> None:
        self._rows: dict[str, Policy] = {}
        self._naming: dict[str, dict[str, Policy]] = {}  # by pattern, then by id
        self.changes = 0
        self._prefixes = Counter[int]()  # patterns that end in a star, by what stands before it
        self._lengths: list[int] = []  # of these, the longest first
        for policy in policies:
            self[policy.policy_id] = policy

    def replace_all(self, policies: Iterable[Policy]) -> None:
        """Puts these in the place of all that were there."""
        self.clear()
        for policy in policies:
            self[policy.policy_id] = policy

    def naming(self, pattern: str) -> Policy | None:
        """The policy that names this pattern, of several the first by its id."""
        named = self._naming.get(pattern)
        return named[min(named)] if named else None

    def governing(self, subject: str) -> Policy | None:
        """The policy that names the subject most exactly: itself, or its longest beginning.

        The work grows with how many lengths the beginnings have that policies name.
        """
        found = self.naming(subject)
        if found is not None:
            return found
        for length in self._lengths:
            if length <= len(subject) and (found := self.naming(f"{subject[:length]}*")):
                return found
        return None

    def __getitem__(self, policy_id: str) -> Policy:
        return self._rows[policy_id]

    def __setitem__(self, policy_id: str, policy: Policy) -> None:
        if policy_id in self._rows:
            del self[policy_id]
        self.changes += 1
        self._rows[policy_id] = policy
        for pattern in policy.subjects:
            if pattern not in self._naming:
                self._count(pattern, 1)
            self._naming.setdefault(pattern, {})[policy_id] = policy

    def __delitem__(self, policy_id: str) -> None:
        self.changes += 1
        for pattern in set(self._rows.pop(policy_id).subjects):
            del self._naming[pattern][policy_id]
            if not self._naming[pattern]:
                del self._naming[pattern]
                self._count(pattern, -1)

    def _count(self, pattern: str, more: int) -> None:
        if pattern.endswith("*"):
            self._prefixes[len(pattern) - 1] += more
            self._lengths = sorted(+self._prefixes, reverse=True)

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)
