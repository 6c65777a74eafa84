"""What a worker says of itself."""

import pytest

from streams.runtime import health
from streams.runtime.health import STALLED_SECONDS, Health


def test_a_loop_that_stands_still_is_not_live_unless_it_prepares(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1_000.0
    monkeypatch.setattr(health, "monotonic", lambda: now)
    worker = Health()
    assert worker.live()
    now += STALLED_SECONDS + 1.0
    assert not worker.live()
    worker.preparing = True
    assert worker.live()
    worker.alive()
    worker.preparing = False
    assert worker.live()
