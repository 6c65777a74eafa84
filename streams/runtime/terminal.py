"""The one door to a screen: text is text there, whoever wrote it, and nothing that tells two rows
apart is cut off.

Names come from strangers. None of them is markup, an emoji code or an order to the terminal, none
is invisible, and none turns the line around: what is not a visible character is shown as its
escape.
"""

import sys
from collections.abc import Iterable, Sequence
from typing import IO, Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from streams.runtime.visible_text import clean

# characters of a column below which values are hard to read, ids folded onto two or three lines
# above all
_NARROW = 16


class Screen(Console):
    """A console that shows text as text. stderr: what is told beside the answer goes there."""

    def __init__(self, stderr: bool = False, soft_wrap: bool = False, **more: Any) -> None:
        super().__init__(
            stderr=stderr, soft_wrap=soft_wrap, markup=False, highlight=False, emoji=False, **more
        )

    def render_str(self, text: str, **style: Any) -> Text:
        """Before widths are measured, so that columns stay straight."""
        return super().render_str(clean(text, keep="\n"), **style)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """The last look at what goes out, whatever it was made of."""
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield Segment(clean(segment.text, keep="\n"), segment.style)


def words(text: str, style: str = "") -> Text:
    """A text of rich's: its own constructor drops some of what it does not show, which makes two
    names one.
    """
    return Text(clean(text, keep="\n"), style)


def say(*parts: object, err: bool = False, end: str = "\n") -> None:
    """Writes a line, or several, to stdout or stderr, at once."""
    stream: IO[str] = sys.stderr if err else sys.stdout
    stream.write(clean(" ".join(map(str, parts)), keep="\n\t") + end)
    stream.flush()


def table(*columns: str, title: str | None = None) -> Table:
    """A table whose cells go on in a second line where they are too long for one."""
    made = Table(
        box=box.SIMPLE_HEAD,
        show_header=bool(columns),
        title=title,
        title_justify="left",
        title_style="bold",
    )
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def listed(
    screen: Console, columns: Sequence[str], rows: Iterable[Sequence[str]], title: str
) -> None:
    """Rows as a table; where the screen is too narrow for one, each row as a block of lines."""
    held, title = [[clean(value) for value in row] for row in rows], clean(title)
    widths = [max(map(len, column)) for column in zip(columns, *held, strict=True)]
    if sum(min(width, _NARROW) + 2 for width in widths) <= screen.width:
        drawn = table(*columns, title=title)
        for row in held:
            drawn.add_row(*map(Text, row))
        screen.print(drawn)
        return
    screen.print(Text(title, style="bold"))
    for row in held:
        block = Table.grid(padding=(0, 2))
        block.add_column(style="dim")
        block.add_column(overflow="fold")
        for column, value in zip(columns, row, strict=True):
            if value:
                block.add_row(Text(column), Text(value))
        screen.print(block)
        screen.print()
