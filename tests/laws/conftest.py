"""What the laws make smaller, so that short histories get far."""

from collections.abc import Iterator

import pytest

from agents.drift import terms


@pytest.fixture(autouse=True, scope="module")
def few_values_freeze_a_limit() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(terms, "LEARNED", 80)
        yield
