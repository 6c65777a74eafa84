"""Debian's Alertmanager takes our alerts, passes them on, and hears when they are over."""

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from schemas.records import Alert, AlertState
from streams.executor.http_client import Caller
from streams.executor.notify.alertmanager import Alertmanager
from streams.runtime.clock import now_ms, wait_until
from tests.executor.test_notify import RAISED
from tests.support.executor.fakes import TurnedClock
from tests.support.executor.servers import Receiver, apart

BINARY = shutil.which("prometheus-alertmanager")
SECONDS = 30.0


@contextmanager
def alertmanager(directory: Path, hook: str) -> Iterator[str]:
    """Its address; it passes every alert on to an address at once."""
    if BINARY is None:
        pytest.skip(
            "no Alertmanager on this machine (on Debian: apt-get install prometheus-alertmanager)"
        )
    config, log = directory / "config.yml", directory / "log"
    config.write_text(
        "route: {receiver: hook, group_by: [alertname], group_wait: 0s, group_interval: 1s}\n"
        f"receivers: [{{name: hook, webhook_configs: [{{url: '{hook}'}}]}}]"
    )
    given = (
        "--web.listen-address=127.0.0.1:0",
        "--cluster.listen-address=",
        f"--storage.path={directory}",
    )
    with log.open("w") as file:
        process = subprocess.Popen(
            [BINARY, f"--config.file={config}", *given], stdout=file, stderr=file
        )
    try:
        listening = re.compile(r"Listening on.* address=(127\.0\.0\.1:[1-9]\d*)")
        assert wait_until(lambda: bool(listening.search(log.read_text())), SECONDS), log.read_text()
        found = listening.search(log.read_text())
        assert found is not None
        yield f"http://{found[1]}"
    finally:
        process.kill()
        process.wait()


def tell(url: str, alert: Alert) -> None:
    async def send() -> None:
        async with aiohttp.ClientSession() as session:
            await Alertmanager(Caller(session, TurnedClock(now_ms())), url).send(alert)

    asyncio.run(send())


def standing(url: str) -> list[dict[str, Any]]:
    async def ask() -> Any:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{url}/api/v2/alerts") as answer,
        ):
            return await answer.json()

    found = asyncio.run(ask())
    assert isinstance(found, list)
    return found


def test_it_takes_an_alert_passes_it_on_and_lets_it_go(tmp_path: Path) -> None:
    receiver = Receiver()

    def passed_on(status: str) -> bool:
        bodies = [json.loads(each.body) for each in receiver.asked]
        return any(
            each["status"] == status and each["alerts"][0]["labels"]["key"] == "shop <b>"
            for each in bodies
        )

    with apart(receiver.app()) as hook, alertmanager(tmp_path, f"{hook}/hook") as url:
        raised = replace(RAISED, raised_at=now_ms())
        tell(url, raised)
        assert wait_until(lambda: passed_on("firing"), SECONDS), receiver.asked
        (one,) = standing(url)
        assert (one["labels"]["alertname"], one["annotations"]["summary"]) == (
            raised.rule,
            raised.message,
        )
        tell(url, replace(raised, state=AlertState.RESOLVED, resolved_at=now_ms()))
        assert wait_until(lambda: passed_on("resolved"), SECONDS), receiver.asked
        assert standing(url) == []
