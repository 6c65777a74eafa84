"""Shows a person the demo: rates, hot rows, and each command with its reason; plain lines without a
terminal.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from schemas.records import ArmRow, MetricRow
from streams.demo.datasets import CONTROL
from streams.demo.feed import DemoView
from streams.files.rendering import short_moment
from streams.runtime import terminal
from streams.runtime.clock import monotonic
from streams.runtime.visible_text import clean

REDRAW_SECONDS = (
    0.15  # faster than this the eye sees no more, and drawing takes time from publishing
)
PLAIN_SECONDS = 2.0
_RATE_SECONDS = 1.0  # over which the rates shown are taken
_SEGMENTS = 4  # rows of segments shown for a model: the most records first
_STYLE: dict[str, Any] = {
    "title_justify": "left",
    "expand": True,
    "box": SIMPLE_HEAD,
    "padding": (0, 1),
}
_COLOURS = {"RETRAIN": "yellow", "IMPROVE": "cyan", "ROLLBACK": "red", "DEPLOY": "green"}


@dataclass(slots=True)
class Progress:
    """The counts of records published and applied, and their rates over the last second."""

    total: int
    published: int = 0
    applied: int = 0
    began: float = field(default_factory=monotonic)
    seconds: float = 0.0
    _marks: deque[tuple[float, int, int]] = field(default_factory=deque)

    def note(self, published: int, applied: int) -> None:
        now = monotonic()
        self.published, self.applied, self.seconds = (
            published,
            min(applied, self.total),
            now - self.began,
        )
        self._marks.append((now, self.published, self.applied))
        while len(self._marks) > 2 and now - self._marks[1][0] > _RATE_SECONDS:
            self._marks.popleft()

    def rates(self) -> tuple[float, float]:
        """Records published and events applied a second."""
        (start, published, applied), (end, *_) = self._marks[0], self._marks[-1]
        seconds = max(end - start, 1e-3)
        return (self.published - published) / seconds, (self.applied - applied) / seconds


class LiveScreen:
    """Draws at a terminal, writes lines elsewhere. A context manager."""

    def __init__(self, where: str) -> None:
        self._console = terminal.Screen()
        self._where = where
        self._live: Live | None = None
        self._last = 0.0
        self._told = 0

    def __enter__(self) -> "LiveScreen":
        if self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False, vertical_overflow="crop")
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    @property
    def live(self) -> bool:
        return self._console.is_terminal

    def say(self, text: str) -> None:
        """A line that stays."""
        (self._live.console if self._live else self._console).print(text, soft_wrap=True)

    def draw(self, view: DemoView, progress: Progress, last: bool = False) -> None:
        """Shows what is known, unless it was shown just before."""
        now = monotonic()
        if self._live is not None:
            if last or now - self._last >= REDRAW_SECONDS:
                self._last = now
                self._live.update(picture(view, progress, self._where), refresh=True)
            return
        for order, command in view.commands[self._told :]:
            self.say(f"{order} {command.reason}")
        self._told = len(view.commands)
        if last or now - self._last >= PLAIN_SECONDS:
            self._last = now
            out, into = progress.rates()
            self.say(
                f"{progress.seconds:5.1f} s  published {progress.published} ({out:,.0f}/s), "
                f"applied {progress.applied} of {progress.total} ({into:,.0f}/s)"
            )


def picture(view: DemoView, progress: Progress, where: str) -> RenderableType:
    """The whole screen."""
    out, into = progress.rates()
    head = Table.grid(padding=(0, 2))
    head.add_row(
        "published",
        _number(progress.published),
        f"{out:,.0f} records/s",
        _bar(progress.published, progress),
    )
    head.add_row(
        "applied",
        _number(progress.applied),
        f"{into:,.0f} events/s",
        _bar(progress.applied, progress),
    )
    parts: list[RenderableType] = [
        Text(clean(f"Mendstream demo  {progress.seconds:.1f} s  Kafka at {where}"), style="bold"),
        head,
        _commands(view),  # above the tables, which a low terminal cuts off
        _models(list(view.metrics.values())),
        _arms(list(view.arms.values())),
    ]
    return Group(*parts)


def _table(title: str, *names: str) -> Table:
    table = Table(title=title, **_STYLE)
    for name in names:
        table.add_column(name, overflow="fold")  # a name that is cut is that of its neighbour too
    return table


def _bar(done: int, progress: Progress) -> ProgressBar:
    return ProgressBar(total=progress.total, completed=done, width=40)


def _models(rows: Sequence[MetricRow]) -> Table:
    table = _table("Models", "model", "segment", "metric")
    for name in ("records", "reference", "rate", "log e", "state"):
        table.add_column(name, justify="right")
    for subject in sorted({row.subject for row in rows}):
        mine = [row for row in rows if row.subject == subject]
        whole = [row for row in mine if row.segment is None]
        parts = sorted(
            (row for row in mine if row.segment is not None), key=lambda row: -_records(row)
        )[:_SEGMENTS]
        for row in (*whole, *parts):
            _model_row(table, row)
    return table


def _model_row(table: Table, row: MetricRow) -> None:
    for version in row.versions:
        rate = f"{version.bad / max(1, version.judged):.1%}" if version.carry else ""
        reference = f"{row.reference_bad / row.reference_count:.1%}" if row.reference_count else ""
        table.add_row(
            f"{row.subject} {version.model_version}" if row.segment is None else "",
            row.segment or "all",
            row.metric,
            _number(_records(row)),
            reference if row.frozen else f"{reference} (learning)",
            rate,
            f"{version.log_e:.1f}" if version.carry else "",
            _state(version.state),
        )


def _records(row: MetricRow) -> int:
    return sum(version.count for version in row.versions)


def _arms(rows: Sequence[ArmRow]) -> Table:
    table = _table("Experiments", "experiment", "variant", "metric")
    for name in ("records", "hits", "rate", "against control", "state"):
        table.add_column(name, justify="right")
    for row in sorted(rows, key=lambda row: (row.subject, row.variant != CONTROL)):
        effect = ""
        if row.effect is not None and row.low is not None and row.high is not None:
            effect = f"{row.effect:+.2%} ({row.low:+.2%} to {row.high:+.2%})"
        table.add_row(
            f"{row.subject}/{row.experiment_id}",
            row.variant,
            row.metric,
            _number(row.count),
            _number(row.hits),
            f"{row.hits / row.count:.2%}" if row.count else "",
            effect,
            Text("control", style="dim") if row.variant == CONTROL else _state(row.state),
        )
    return table


def _commands(view: DemoView) -> Panel:
    text = Text()
    for order, command in view.commands:
        text.append(f"{short_moment(command.issued_at)[11:]} ", style="dim")
        text.append(clean(f"{order:<9}"), style=f"bold {_COLOURS.get(order, '')}")
        text.append(f"{clean(command.reason)}\n")
    if not view.commands:
        text.append("none so far", style="dim")
    text.rstrip()
    return Panel(text, title="Commands", title_align="left")


def _number(value: int) -> str:
    return f"{value:,}".replace(",", " ")


def _state(state: str) -> Text:
    styles = {
        "HARM": "bold red",
        "GAIN": "bold green",
        "OK": "green",
        "SPLIT": "magenta",
        "MISSING": "magenta",
    }
    return Text(clean(state), style=styles.get(state, "dim"))
