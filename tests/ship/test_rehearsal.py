"""docker-compose.yml as it would run: from nothing to the first command carried out, with the
commands of docs/deploy.md.
"""

import json
import re
import shlex
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import urlopen

import pytest

from streams.runtime.clock import wait_until
from tests.support.kafka.console import ROOT
from tests.support.ship.composed import ours, parsed
from tests.support.ship.rehearsal import FIRST, Stack

pytestmark = pytest.mark.kafka
SECONDS = 60.0
WORKERS = [name for name, service in ours().items() if "healthcheck" in service]


def documented() -> list[list[str]]:
    """What docs/deploy.md has a person run by `docker compose run ... cli`: the arguments of the
    program.
    """
    text = (ROOT / "docs" / "deploy.md").read_text()
    blocks = re.findall(r"(?ms)^```sh\n(.*?)^```", text)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    words = [shlex.split(line, comments=True) for line in lines]
    return [
        line[line.index("cli") + 1 :]
        for line in words
        if line[:3] == ["docker", "compose", "run"] and "cli" in line
    ]


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """Everything started in the order that docker-compose.yml asks for, and well."""
    with TemporaryDirectory(prefix="mendstream-ship-") as home, Stack(Path(home)) as running:
        assert "created experiments.results.v1" in running.run("topics")
        for name in WORKERS:
            running.start(name)
        for name in WORKERS:
            healthy = wait_until(partial(running.healthy, name), SECONDS)
            assert healthy, running.log(name).read_text()[-2_000:]
        yield running


def test_the_topics_are_made_once(stack: Stack) -> None:
    assert stack.run("topics") == "all topics are there\n"


def test_the_first_command_is_carried_out(stack: Stack) -> None:
    first = [arguments for arguments in documented() if any(FIRST in each for each in arguments)]
    assert [parsed(arguments) for arguments in first] == [["spec", "apply"], ["publish"]]
    for arguments in first:
        stack.run("cli", *arguments)
    (command,) = stack.run("cli", "watch", "commands", "--limit", "1").splitlines()
    told = json.loads(command)
    assert (told["topic"], told["value"]["target"]) == ("commands.rollback.v1", "shop/production")
    place = stack.state / "targets" / "shop%2Fproduction.json"
    assert wait_until(lambda: place.exists() and '"ROLLED_BACK"' in place.read_text(), SECONDS)
    assert told["value"]["command_id"] in place.read_text()


def test_the_views_know_of_it(stack: Stack) -> None:
    def known() -> bool:
        return '"pattern": "CONVERSION"' in stack.run("cli", "rank", "failure-patterns", "--json")

    assert wait_until(known, SECONDS)


def test_the_gateway_shows_it(stack: Stack) -> None:
    def shown() -> bool:
        address = f"http://127.0.0.1:{stack.gateway_port}/api/v1/commands?phase=COMPLETED"
        with urlopen(address, timeout=10.0) as answer:
            return [item["target"] for item in json.load(answer)["items"]] == ["shop/production"]

    assert wait_until(shown, SECONDS)


def test_all_else_that_the_docs_have_one_run_is_understood() -> None:
    assert len(documented()) >= 4
    assert all(parsed(arguments) for arguments in documented())


def test_they_leave_on_sigterm_and_wrote_only_where_they_may(stack: Stack) -> None:
    assert {name: stack.stop(name) for name in WORKERS} == dict.fromkeys(WORKERS, 0)
    assert list(stack.here.iterdir()) == [], "a container's root filesystem is read-only"
    assert {path.name for path in stack.state.iterdir()} == {"crash", "targets", "views"}
