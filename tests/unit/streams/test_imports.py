"""A command imports what it runs and no more: what takes long to import, it names here."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from streams.cli.app import COMMANDS, PANELS, application

ROOT = Path(__file__).parents[3]
HELP = " --help"  # of the whole command line
# Modules of which one is imported in some tenths of a second or more, with what it brings.
HEAVY = (
    "agents.flow",
    "aiohttp",
    "confluent_kafka",
    "faust",
    "numba",
    "pyarrow",
    "pydantic",
    "redis",
    "scipy",
    "streams.engine",
    "streams.executor",
)
_SETTINGS = {"pydantic"}
_KAFKA = _SETTINGS | {"confluent_kafka", "pyarrow"}
# who folds, or looks in the journal what became of a record
_FOLDING = _KAFKA | {"agents.flow", "streams.engine"}
# What each module of commands has imported before one of its commands runs, at most.
NEEDS = {
    HELP: set[str](),
    "streams.cli.demo_command": _FOLDING,
    "streams.cli.processor_commands": _FOLDING | {"aiohttp"},
    "streams.cli.publish_command": _FOLDING,
    "streams.cli.ingest_command": _FOLDING | {"aiohttp"},
    "streams.cli.watch_command": _KAFKA,
    "streams.cli.overview_commands": _FOLDING,
    "streams.cli.table_command": _KAFKA,
    "streams.cli.apply_commands": _FOLDING,
    "streams.cli.recommendation_commands": _FOLDING,
    "streams.cli.approval_commands": _FOLDING,
    "streams.cli.order_commands": _FOLDING,
    "streams.cli.views_commands": _KAFKA | {"aiohttp", "redis"},
    "streams.cli.executor_command": _KAFKA | {"aiohttp"},
    "streams.cli.topics_commands": _KAFKA,
    "streams.cli.why_command": _FOLDING,
    "streams.cli.backtest_command": _FOLDING,
    "streams.cli.audit_command": _FOLDING,
    "streams.cli.planning_commands": _FOLDING | {"scipy"},
    "streams.cli.repair_commands": _FOLDING,
    "streams.cli.conformance_command": _KAFKA,
    "streams.cli.settings_commands": _KAFKA,
    "streams.cli.interface_commands": _KAFKA | {"aiohttp"},
    "streams.cli.replay_and_bench_commands": _SETTINGS,
}
# A process for those that need the same, each of which begins with what every command imports.
_WALK = """
import contextlib, io, json, os, sys
from streams.cli.app import COMMANDS, application
heavy, groups = json.loads(sys.argv[1])
for modules in groups:
    reading, writing = os.pipe()
    if os.fork() == 0:
        with contextlib.redirect_stdout(io.StringIO()):
            for module in modules:
                words = [next(iter(COMMANDS[module]))] if module in COMMANDS else []
                application()([*words, "--help"], standalone_mode=False)
        found = [name for name in heavy if name in sys.modules]
        os.write(writing, json.dumps([modules, found]).encode())
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as file:
        print(file.read().decode())
    os.wait()
"""


def groups() -> list[list[str]]:
    """Modules that need the same."""
    found: dict[frozenset[str], list[str]] = {}
    for module in (HELP, *COMMANDS):
        found.setdefault(frozenset(NEEDS.get(module, ())), []).append(module)
    return list(found.values())


@cache
def imported() -> dict[str, set[str]]:
    """What stands in memory once help of one command of each module was shown, by its first."""
    done = subprocess.run(
        [sys.executable, "-c", _WALK, json.dumps([HEAVY, groups()])],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return {first: set(found) for (first, *_), found in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("modules", groups(), ids=" ".join)
def test_a_command_imports_no_more_than_it_runs(modules: list[str]) -> None:
    needed = NEEDS.get(modules[0], set())
    assert imported()[modules[0]] <= needed, "say in NEEDS what a new command needs"


def test_the_list_of_commands_says_what_each_says_of_itself() -> None:
    """It is written down, so that to list commands imports none of them."""
    root: Any = typer.main.get_command(application())
    said = {
        name: " ".join(root.commands[name].help.split("\n\n")[0].split())
        for names in COMMANDS.values()
        for name in names
    }
    assert said == {name: text for names in COMMANDS.values() for name, text in names.items()}


def test_every_module_of_commands_is_listed_with_all_its_commands() -> None:
    files = {
        f"streams.cli.{path.stem}" for path in (ROOT / "streams" / "cli").glob("*_command*.py")
    }
    assert files == set(COMMANDS)
    root: Any = typer.main.get_command(application())
    for names in COMMANDS.values():
        assert all(root.commands[name].name == name for name in names)
    assert set(root.commands) == set(root.commands._loaded)


def test_a_command_that_there_is_not_is_told_with_one_like_it() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "streams", "reply"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "Did you mean 'replay'" in " ".join(done.stderr.replace("│", " ").split())


def test_each_command_stands_in_one_panel_of_help() -> None:
    placed = [name for names in PANELS.values() for name in names]
    assert sorted(placed) == sorted(name for names in COMMANDS.values() for name in names)


def test_a_shell_completes_commands_and_their_options() -> None:
    def completed(words: str) -> list[str]:
        given = {"_MENDSTREAM_COMPLETE": "complete_bash", "COMP_WORDS": words,
                 "COMP_CWORD": str(words.count(" "))}  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-c", "from streams.cli.app import application;"
             "application()(prog_name='mendstream')"],
            cwd=ROOT, env={**os.environ, **given}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.stdout.split()

    assert completed("mendstream pl") == ["plan"]
    assert "--correlation" in completed("mendstream plan --cor")
