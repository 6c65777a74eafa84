"""Names of strangers are text on every screen: no markup, no order to the terminal, not invisible,
not cut to another's.
"""

import ast
import re
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from agents.experiments.verdicts.smallest_changes import Kind, SmallestChange
from schemas.catalog import DECISIONS, TABLES_ARMS, TOPICS
from schemas.codec.framing import Record
from schemas.records import Decision
from streams.cli import (
    audit_command,
    backtest_command,
    overview_commands,
    repair_commands,
    why_command,
)
from streams.cli import table_command as table_screen
from streams.cli.app import application
from streams.cli.support.options import failed
from streams.cli.watch_command import _pretty
from streams.demo.feed import DemoView
from streams.demo.live_screen import Progress, picture
from streams.files.rendering import cell, line, plain
from streams.history.backtest import Backtest
from streams.history.command_life import CommandLife
from streams.history.decision_diff import Comparison, DecisionPair
from streams.history.explain import Again, Explanation
from streams.history.record_diff import Difference
from streams.kafka.stored_records import Stored
from streams.operations.audit.audit import Audit
from streams.operations.audit.checks import Check
from streams.operations.redrive import Redriven
from streams.runtime.errors import MendstreamError
from streams.runtime.terminal import Screen, listed, say
from streams.runtime.visible_text import clean
from tests.support.builders import CODEC
from tests.support.samples import sample

HOSTILE = [
    "shop[/b]",
    "[link=http://evil]shop[/link]",
    "[red]shop",
    ":smile:",
    "shop\x1b[2J\x1b]0;x\x07",
    "shop\x9b31m",
    "shop\u202egnp.exe",
    "sh\u200bop",
    "shop\u2066a\u2069",
    "shop\u115f\ufe0f\u034f\u2800",
    "shop\rover",
    "shop\x00\x08",
    "\ufeffshop",
    "shop\u2028next",
]
WIDTHS = (60, 80, 100, 200)  # columns of a terminal
_STYLE = re.compile(r"\x1b\[[0-9;]*m")  # what rich itself colours with
Draw = Callable[[Screen, str], None]


def named(record: Any, name: str) -> Any:
    """The record with a name for each of its texts, in what it holds too."""
    if isinstance(record, str) and type(record) is str:
        return name
    if isinstance(record, tuple):
        return tuple(named(each, name) for each in record)
    if is_dataclass(record) and not isinstance(record, type):
        return replace(
            record,
            **{each.name: named(getattr(record, each.name), name) for each in fields(record)},
        )
    return record


def _why(screen: Screen, name: str) -> None:
    decision, command = named(sample("Decision"), name), named(sample("RollbackCommand"), name)
    stored = [Stored(DECISIONS, 0, 1, name, b"", each) for each in (decision, command)]
    rows: dict[str, list[Record]] = {TABLES_ARMS: [named(sample("ArmRow"), name)]}
    changes = [SmallestChange(Kind.SETTING, name, 1.0, 2.0, name, name)]
    again = Again(1, name, None, None, rows, changes)  # type: ignore[arg-type]
    why_command.show(
        Explanation(stored[:1], stored[1:], again, [Difference(name, name, name, name)]),
        screen,
        proof=True,
    )


def _audit(screen: Screen, name: str) -> None:
    audit_command._show(Audit((Check(name, name, 1, [name], [name]),)), screen)


def _backtest(screen: Screen, name: str) -> None:
    decision = named(sample("Decision"), name)
    assert isinstance(decision, Decision)
    backtest_command.show(
        Backtest(pairs=[DecisionPair(Comparison.CHANGED, decision, decision)]),
        [named(sample("Policy"), name)],
        screen,
    )


def _status(screen: Screen, name: str) -> None:
    kinds = ("CommandRow", "AlertRow", "SubjectRow", "ExperimentRow")
    overview_commands.show_parts({kind: [named(sample(kind), name)] for kind in kinds}, screen)


def _show(screen: Screen, name: str) -> None:
    row, step = named(sample("CommandRow"), name), named(sample("Transition"), name)
    decision = named(sample("Decision"), name)
    life = CommandLife(row, [step], decision)
    overview_commands.show_life(life, screen)


def _redrive(screen: Screen, name: str) -> None:
    found = Redriven()
    found.counts[name, name] = 1
    repair_commands._show(found, True, screen)


def _demo(screen: Screen, name: str) -> None:
    arm, metric = named(sample("ArmRow"), name), named(sample("MetricRow"), name)
    view = DemoView(
        arms={"a": arm},
        metrics={"m": metric},
        commands=[(name, named(sample("RollbackCommand"), name))],
    )
    (progress := Progress(10)).note(1, 1)
    screen.print(picture(view, progress, name))


def _watch(screen: Screen, name: str) -> None:
    value = plain(named(sample("Decision"), name))
    for extra in (
        {"value": value},
        {"value": name, "problem": name},
        {"value": name, "headers": {name: name}},
    ):
        screen.print(
            _pretty({"at": "2026-11-29T00:00:00.000Z", "topic": DECISIONS, "key": name, **extra}),
            soft_wrap=True,
        )


SCREENS: dict[str, Draw] = {
    "why": _why,
    "audit": _audit,
    "backtest": _backtest,
    "status": _status,
    "show": _show,
    "redrive": _redrive,
    "demo": _demo,
    "watch": _watch,
}


def drawn(draw: Draw, name: str, width: int) -> str:
    """What a terminal gets, without colours."""
    out = StringIO()
    draw(Screen(file=out, force_terminal=True, width=width, height=500), name)
    return _STYLE.sub("", out.getvalue())


def harmless(shown: str) -> bool:
    return all(clean(text) == text for text in shown.split("\n"))


def squeezed(shown: str) -> str:
    """Without what a table puts between the pieces of a folded name."""
    return re.sub(r"[\s│─━┃]+", "", shown)


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_text_on_a_screen(screen: str, name: str) -> None:
    for width in (60, 100):
        assert harmless(drawn(SCREENS[screen], name, width))
    wide = squeezed(drawn(SCREENS[screen], name, 1_000))
    assert squeezed(clean(name)) in wide


@pytest.mark.parametrize("name", table_screen._TABLES)
def test_every_table_is_drawn_with_hostile_names(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = TOPICS[table_screen._TABLES[name]].record
    assert record is not None
    rows = {hostile: named(sample(record), hostile) for hostile in HOSTILE}
    monkeypatch.setattr(table_screen, "read_table", lambda *_: rows)
    monkeypatch.setattr(table_screen, "codec_for", lambda _: CODEC)
    for width in (60, 200):
        environment = {"FORCE_COLOR": "1", "COLUMNS": str(width), "TERM": "xterm"}
        done = CliRunner().invoke(application(), ["table", name], env=environment)
        assert done.exit_code == 0, done.exception
        assert harmless(_STYLE.sub("", done.stdout))
    as_json = CliRunner().invoke(application(), ["table", name, "--json"])
    assert harmless(as_json.stdout)


@given(st.text(st.characters(codec="utf-8"), max_size=30), st.sampled_from(sorted(SCREENS)))
@settings(max_examples=25)
def test_any_name_is_text_on_any_screen(name: str, screen: str) -> None:
    assert harmless(drawn(SCREENS[screen], name, 100))


@given(st.text(st.characters(codec="utf-8"), max_size=30))
def test_any_name_is_text_in_lines_and_cells(name: str) -> None:
    assert clean(line({"name": name})) == line({"name": name})
    assert clean(cell("name", name)) == cell("name", name)
    assert clean(cell("name", (name, {name: name}))) == cell("name", (name, {name: name}))


def test_a_line_of_json_says_the_same_with_its_escapes() -> None:
    assert line({"a": "x\u202ey\x9b😀\ufe0f"}) == '{"a": "x\\u202ey\\u009b😀\\ufe0f"}'


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_text_in_what_commands_say(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    say(f"{name}: freeze asked by {name}")
    say(name, err=True)
    failed(MendstreamError(f"There is no {name}.", f"Name {name}."))
    told = capsys.readouterr()
    assert harmless(told.out)
    assert harmless(told.err)
    assert "markup" not in told.err


@pytest.mark.parametrize("width", WIDTHS)
def test_ids_are_never_cut_below_what_tells_them_apart(width: int) -> None:
    ids = [f"0b1f2c3d-0000-5000-8000-{number:012d}" for number in range(4)]
    for columns in (2, 4, 9, 14):
        rows = [[each, *["some longer words of a reason"] * (columns - 1)] for each in ids]
        out = StringIO()
        listed(
            Screen(file=out, force_terminal=True, width=width),
            [f"c{n}" for n in range(columns)],
            rows,
            "title",
        )
        shown = _STYLE.sub("", out.getvalue())
        assert "…" not in shown
        assert max(map(len, shown.split("\n"))) <= width
        found = shown.split("\n")
        if found[0].strip() == "title" and found[1].startswith("c0  "):  # in blocks
            assert [each.split()[1] for each in found if each.startswith("c0  ")] == ids
        else:
            first = [each[1:].split("  ")[0].strip() for each in found[4:]]
            assert "".join(first) == "".join(ids)


def test_nothing_else_writes_to_a_screen() -> None:
    """A walk over the sources: `print` and rich's Console have one door, for whatever commands
    say.
    """
    root = Path(__file__).parents[3] / "streams"
    others = []
    for path in [*root.glob("cli/**/*.py"), *root.glob("demo/*.py"), *root.glob("history/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in ("print", "Console")
            ):
                said = ast.unparse(node)
                if "redacted(traceback" not in said:  # a fault of ours, told as it is
                    others.append(f"{path.name}: {said}")
    assert others == []
