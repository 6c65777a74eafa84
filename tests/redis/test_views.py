"""Views of real tables in a real Redis: built, kept, degraded, and built anew from the log."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from schemas.catalog import OUTCOMES, RECOMMENDATIONS
from schemas.ids import event_uuid
from schemas.records import Judgement, Recommendation, RecommendationOutcome
from state.stores.redis import RedisStore
from state.stores.views import Change
from streams.runtime.clock import now_ms, wait_until
from streams.runtime.settings import Settings
from streams.views.projector import Views
from tests.support.kafka.logs import CODEC, send
from tests.support.kafka.running import Child, Threaded, changed, own_topics
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.kafka
TRUST, SECONDS = "trust-scores", 60.0


def judged(settings: Settings, run: int, agents: list[str]) -> None:
    """A run that everybody recommended something in, and that was approved."""
    made = [
        Recommendation(
            event_id=event_uuid("r", run, agent),
            agent_id=agent,
            run_id=f"run {run}",
            kind="strategy",
            content="go",
            confidence=0.7,
            made_at=now_ms(),
        )
        for agent in agents
    ]
    outcome = RecommendationOutcome(
        event_id=event_uuid("o", run),
        agent_id=agents[0],
        run_id=f"run {run}",
        judgement=Judgement.APPROVED,
        quality=0.9,
        judged_by="ann",
        judged_at=now_ms(),
    )
    send(settings, RECOMMENDATIONS, made, agents)
    send(settings, OUTCOMES, [outcome], agents[:1])


class Keeping:
    """Views in a thread, and the store that a dashboard would ask."""

    def __init__(self, settings: Settings, url: str) -> None:
        self.store = RedisStore(url, timeout=0.5)
        self._own = RedisStore(url, timeout=0.5)
        self.views = Views(settings, CODEC, self._own)
        self._thread = threading.Thread(target=self.views.run, name="views")

    def __enter__(self) -> "Keeping":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.views.stop()
        self._thread.join(SECONDS)
        assert not self._thread.is_alive(), "views that were asked to stop go on"
        self.store.close()
        self._own.close()

    def outcomes(self) -> dict[str, int]:
        return {
            str(row["agent_id"]): int(row["outcomes"])
            for row in self.store.top(TRUST, "outcomes", 100)
        }


@contextmanager
def learning(kafka: str) -> Iterator[Settings]:
    with own_topics(kafka) as settings, Threaded(settings) as worker:
        worker.until(lambda: worker.ready)
        yield settings


def eventually(condition: Callable[[], bool]) -> None:
    assert wait_until(condition, SECONDS), "it never came about"


def test_views_follow_the_tables_outlive_their_redis_and_never_hold_up_a_commit(
    kafka: str,
    server: RedisServer,
) -> None:
    with learning(kafka) as settings:
        judged(settings, 1, ["a", "b"])
        with Keeping(settings, server.url) as keeping:
            eventually(lambda: keeping.views.built and keeping.outcomes() == {"a": 1, "b": 1})
            judged(settings, 2, ["a"])
            eventually(lambda: keeping.outcomes() == {"a": 2, "b": 1})

            server.freeze()
            judged(settings, 3, ["b", "c"])
            eventually(lambda: keeping.views.degraded)
            with Keeping(
                settings, server.url
            ) as other:  # the tables went on meanwhile, as another reader would see
                server.thaw()
                eventually(lambda: other.outcomes() == {"a": 2, "b": 2, "c": 1})
            eventually(lambda: not keeping.views.degraded)

            server.kill()
            eventually(lambda: keeping.views.degraded)
            judged(settings, 4, ["a", "c"])
            server.start()  # it has forgotten everything
            eventually(
                lambda: keeping.views.built and keeping.outcomes() == {"a": 3, "b": 2, "c": 2}
            )
            assert keeping.store.top(TRUST, "outcomes", 1)[0]["agent_id"] == "a"


def test_what_is_no_row_any_more_goes_when_views_are_built(kafka: str, server: RedisServer) -> None:
    store = RedisStore(server.url)
    store.apply(
        [Change(TRUST, "long gone", {"agent_id": "x", "overall": 1.0, "boost": 0.5, "outcomes": 9})]
    )
    with learning(kafka) as settings:
        judged(settings, 1, ["a"])
        with Keeping(settings, server.url) as keeping:
            eventually(lambda: keeping.views.built and keeping.outcomes() == {"a": 1})
            assert store.keys(TRUST) == {"a"}
    store.close()


def test_the_command_keeps_views_says_so_and_ends_when_it_is_told_to(
    kafka: str, server: RedisServer, tmp_path: Path
) -> None:
    with learning(kafka) as settings:
        judged(settings, 1, ["a"])
        named = changed(settings, redis_url=server.url)
        with Child(named, tmp_path / "views.log", "-m", "streams", "views") as child:
            store = RedisStore(server.url, named.group)
            eventually(
                lambda: store.keys(TRUST) == {"a"} and "rows in the views" in child.log.read_text()
            )
            store.close()
            child.send(signal.SIGTERM)
            assert child.wait() == 0, child.log.read_text()
