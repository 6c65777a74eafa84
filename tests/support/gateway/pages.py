"""The table of pages as it stands in the script, and addresses of them for a tenant."""

import gzip
import re
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from urllib.parse import quote

from tests.support.gateway.asking import PARAMETERS
from tests.support.gateway.world import Tenant

# The name of a tenant of whose things every name wants to be more than a name.
HOSTILE = "<img src=x onerror=\"document.title='broken in'\">"
STATIC = files("gateway.pages").joinpath("static")
_GATHERED = ("/ui/now", "/ui/approvals")
# What the names in addresses are called where the API calls them otherwise.
_FAMILIES = {"models": "subjects"}


def table() -> dict[str, str]:
    """The address of each page, names as `:name`, and its name in the menu; empty: it has none."""
    text = STATIC.joinpath("pages.js").read_text(encoding="utf-8")
    rows = re.findall(r'{ path: "([^"]+)", page: [^}]+ }', text)
    assert len(rows) == text.count('{ path: "'), "a row of the table is written otherwise"
    named = dict(re.findall(r'{ path: "([^"]+)",[^}]* name: "([^"]+)"', text))
    return {path: named.get(path, "") for path in rows}


def lists() -> list[str]:
    """The pages of the menu that are lists: all but the two that gather what waits."""
    return [path for path, name in table().items() if name and path not in _GATHERED]


def address(path: str, who: Tenant) -> str:
    """The address of a page for a tenant's things. A page with another name fails until it is
    known.
    """
    parts = path.split("/")
    family = parts[2] if len(parts) > 2 else ""
    made = [
        quote(PARAMETERS[_FAMILIES.get(family, family), part[1:]](who), safe="")
        if part.startswith(":")
        else part
        for part in parts
    ]
    return "/".join(made) + ("?q=onerror" if path == "/ui/search" else "")


def script_bytes() -> int:
    """What a browser loads of scripts at most, compressed."""
    return sum(len(gzip.compress(each.read_bytes(), 6)) for each in _scripts(STATIC))


def _scripts(folder: Traversable) -> Iterator[Traversable]:
    for each in folder.iterdir():
        if each.is_dir():
            yield from _scripts(each)
        elif each.name.endswith((".js", ".mjs")):
            yield each
