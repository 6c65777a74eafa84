"""Pieces of Markdown that the pages of the reference are made of."""

from collections.abc import Iterable, Sequence

_NOTE = "<!-- Written by `make reference` from the code. Change the code, not this page. -->"


def page(title: str, *parts: str) -> str:
    """A page that says that it was written by a program."""
    return "\n\n".join((f"# {title}", _NOTE, *parts)) + "\n"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells are taken as they are.

    >>> print(table(("a", "b"), [("1", "")]))
    | a | b |
    | --- | --- |
    | 1 | |
    """
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(
        "|" + "|".join(f" {one} " if one else " " for one in line) + "|" for line in lines
    )


def cell(text: str) -> str:
    """A text on one line, with nothing that would end the cell.

    >>> cell("a|b\\n c")
    'a\\\\|b c'
    """
    return " ".join(text.split()).replace("|", "\\|")


def sentence(text: str) -> str:
    """A text that ends as a sentence, and a blank; nothing where there is none.

    >>> sentence("As it is"), sentence("")
    ('As it is. ', '')
    """
    return f"{text.rstrip('.')}. " if text else ""
