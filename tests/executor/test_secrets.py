"""No secret of a targets or routes file is ever said: not in a status, a log line, an alert or an
exception's text.

The servers here do their worst: they answer with all that they were asked, headers and address
included.
"""

import asyncio
import base64
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from aiohttp import web
from pydantic import BaseModel

from schemas.catalog import COMMANDS
from schemas.records import CommandStatus, Order
from streams.cli.support.log_lines import JsonLine
from streams.executor.config_files import read_written
from streams.executor.dispatcher import Dispatcher
from streams.executor.notify import notifier
from streams.executor.notify.notifier import Notifier
from streams.executor.notify.routes import RoutesFile
from streams.executor.targets_config import TargetsFile, sites_of
from tests.support.builders import CODEC, alert
from tests.support.executor.fakes import SHOP, command
from tests.support.executor.servers import Recorded, Running, served, serving
from tests.support.executor.smtp import MailServer

CANARY = "canary/7+Zq%2B"  # as it is, it needs escapes in addresses and in JSON
QUOTED = "canary%2F7%2BZq%252B"  # the same in an address
SHAPES = ("canary/7", "canary%2F7", "canary\\/7", base64.b64encode(CANARY.encode()).decode()[:-4])
ANSWERS = ("400", "503", "garbage", "untagged", "far", "away")  # what the other side does
TARGETS: dict[str, dict[str, Any]] = {
    "http": {"url": "{scheme}ann:{quoted}@{host}/t/{{target}}?token={quoted}"},
    "http with a token": {"url": "{scheme}{host}/t/{{target}}", "token_file": "{file}"},
    "http with health": {
        "url": "{scheme}{host}/ok/{{target}}",
        "health_url": "{scheme}ann:{quoted}@{host}/t/{{target}}",
    },
    "kubernetes": {
        "api": "{scheme}{host}",
        "token_file": "{file}",
        "rollout": "shop",
        "container": "m",
        "image": "m:{{version}}",
    },
    "kubernetes by name": {
        "api": "{scheme}ann:{quoted}@{host}",
        "rollout": "shop",
        "container": "m",
        "image": "m:{{version}}",
    },
}
TRAINERS: dict[str, dict[str, Any]] = {
    "trainer": {"url": "{scheme}ann:{quoted}@{host}/jobs"},
    "trainer with a token": {"url": "{scheme}{host}/jobs", "token_file": "{file}"},
}
CHANNELS: dict[str, dict[str, Any]] = {
    "webhook": {"kind": "webhook", "url": "{scheme}{host}/hooks/{quoted}", "secret_file": "{file}"},
    "slack": {"kind": "slack", "url_file": "{address}"},
    "alertmanager": {"kind": "alertmanager", "url": "{scheme}ann:{quoted}@{host}"},
    "email": {
        "kind": "email",
        "host": "127.0.0.1",
        "port": 1,
        "from": "m@x.org",
        "to": ["a@x.org"],
        "tls": "starttls",
        "username": "ann",
        "password_file": "{file}",
    },
}


def secret_fields(model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    """Each field below a file's model that names a secret or an address, in which one may stand."""
    for name, field in model.model_fields.items():
        if "url" in name or name == "api" or (name.endswith("_file") and name != "ca_file"):
            yield model.__name__, name
        for inner in models_in(field.annotation):
            yield from secret_fields(inner)


def models_in(kind: Any) -> Iterator[type[BaseModel]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    for part in get_args(kind):
        yield from models_in(part)


def test_each_secret_that_a_file_can_name_is_tried_below() -> None:
    tried = {
        ("BehindHttp", field)
        for name, fields in TARGETS.items()
        if "http" in name
        for field in fields
    }
    tried |= {
        ("InKubernetes", field)
        for name, fields in TARGETS.items()
        if "kube" in name
        for field in fields
    }
    tried |= {("TrainedAt", field) for fields in TRAINERS.values() for field in fields}
    names = {
        "webhook": "ToWebhook",
        "slack": "ToSlack",
        "alertmanager": "ToAlertmanager",
        "email": "ToMail",
    }
    tried |= {(names[name], field) for name, fields in CHANNELS.items() for field in fields}
    assert {*secret_fields(TargetsFile), *secret_fields(RoutesFile)} <= tried


class Echo(Recorded):
    """Answers with what it was asked."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.echoed = kind, ""

    def app(self) -> web.Application:
        async def answer(request: web.Request) -> web.Response:
            if request.path.startswith("/ok/"):
                return web.json_response({"phase": "BAKING"}, headers={"ETag": '"1"'})
            login = request.headers.get("Authorization", "")
            opened = base64.b64decode(login[6:]).decode() if login.startswith("Basic ") else login
            said = json.dumps({"login": opened, "raw": request.raw_path, **request.headers})
            self.echoed += said
            filler = "x" * (195 - said.find("canary") if self.kind == "far" else 0)
            status = {"400": 400, "503": 503, "far": 400}.get(self.kind, 200)
            return web.Response(
                status=status, text="{}" if self.kind == "untagged" else filler + said
            )

        app = web.Application(middlewares=[self.middleware])
        app.router.add_route("*", "/{path:.*}", answer)
        return app


def filled(fields: Any, running: Running, folder: Path, away: bool) -> Any:
    """The fields of an entry, with an address that answers or not, and files that hold the
    secret.
    """
    host = "127.0.0.1:1" if away else running.url.removeprefix("http://")
    (folder / "secret").write_text(CANARY + "\n")
    (folder / "address").write_text(f"http://{host}/services/{QUOTED}\n")
    known = {"scheme": "http://", "host": host, "quoted": QUOTED}
    known |= {"file": str(folder / "secret"), "address": str(folder / "address")}
    return {
        name: value.format(**known) if isinstance(value, str) else value
        for name, value in fields.items()
    }


def check(said: list[str], caplog: pytest.LogCaptureFixture) -> None:
    lines = [JsonLine().format(record) for record in caplog.records]
    texts = [*said, *lines]
    assert [text for text in texts if any(shape in text for shape in SHAPES)] == []
    assert texts, "something was said at all"


@pytest.mark.parametrize("answers", ANSWERS)
@pytest.mark.parametrize("entry", [*TARGETS, *TRAINERS])
def test_what_a_target_or_trainer_answers_betrays_nothing(
    entry: str, answers: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server, told = Echo(answers), list[CommandStatus]()

    async def publish(status: CommandStatus) -> None:
        told.append(status)

    async def test(running: Running) -> None:
        fields = filled((TARGETS | TRAINERS)[entry], running, tmp_path, answers == "away")
        kind = "http" if "http" in entry else "kubernetes"
        written: dict[str, Any] = {"trainers": [{"match": "*", **fields}]}
        if entry in TARGETS:
            written = {"targets": [{"match": "*", "kind": kind, **fields}]}
        (path := tmp_path / "targets.yaml").write_text(json.dumps(written))
        sites = sites_of(read_written(TargetsFile, path), running.caller)
        desk = Dispatcher(CODEC, sites, publish, running.clock, "executor-0")
        order = Order.DEPLOY if entry in TARGETS else Order.RETRAIN
        work = desk.take(COMMANDS[order], b"shop", CODEC.encode(command(order)), [])
        if "health" in entry:  # it waits for what becomes of it, and has asked by then
            await asyncio.wait((asyncio.ensure_future(work),), timeout=0.5)
        else:
            await work

    served(server.app(), test)
    if answers != "away" and "health" not in entry:
        assert "canary" in server.echoed
        assert told[-1].detail
    check([status.detail for status in told], caplog)


@pytest.mark.parametrize("answers", ANSWERS)
@pytest.mark.parametrize("entry", CHANNELS)
def test_what_a_channel_answers_betrays_nothing(
    entry: str,
    answers: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(notifier, "GIVE_UP_SECONDS", 3.0)

    async def test(running: Running) -> None:
        fields = filled(CHANNELS[entry], running, tmp_path, answers == "away")
        mail = MailServer(answers={"EHLO": [f"550 {CANARY}"], "HELO": [f"550 {CANARY}"]})
        async with mail.serving():
            if entry == "email" and answers != "away":
                fields["port"] = mail.port
            (path := tmp_path / "routes.yaml").write_text(
                json.dumps({"channels": {entry: fields}, "routes": [{"channels": [entry]}]})
            )
            routes = read_written(RoutesFile, path)
            await Notifier(CODEC, routes.made(running.caller), routes.route(), running.clock).tell(
                alert()
            )

    served(Echo(answers).app(), test)
    check([], caplog)


def test_a_token_goes_to_the_origin_that_it_belongs_to_alone(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abcdefgh")
    health, store = Recorded(), Recorded()

    def app(server: Recorded) -> web.Application:
        async def answer(_: web.Request) -> web.Response:
            return web.json_response({}, headers={"ETag": '"1"'})

        made = web.Application(middlewares=[server.middleware])
        made.router.add_route("*", "/{path:.*}", answer)
        return made

    async def test(running: Running) -> None:
        async def elsewhere(other: Running) -> None:
            for url, same in ((other.url, False), (running.url, True)):
                entry = {
                    "match": "*",
                    "kind": "http",
                    "url": f"{running.url}/{{target}}",
                    "health_url": f"{url}/health",
                }
                file = TargetsFile(targets=[entry | {"token_file": tmp_path / "token"}])
                found = sites_of(file, running.caller).target(SHOP)
                assert found is not None
                await found[0].read(SHOP)
                await found[0].healthy(SHOP)
                asked = (store if same else health).asked[-1]
                assert asked.path == "/health"
                assert asked.headers.get("Authorization") == ("Bearer abcdefgh" if same else None)

        async with serving(app(health)) as other:
            await elsewhere(other)

    served(app(store), test)
    assert store.asked[0].headers["Authorization"] == "Bearer abcdefgh"
