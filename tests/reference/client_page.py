"""The page about the Python package: what it exports, with signatures and docstrings."""

import inspect
import re
from collections.abc import Iterator
from dataclasses import is_dataclass
from typing import Any

import mendstream.client
from tests.reference.markdown import page

_KEPT = ("__init__",)
_LINE_MAX = 100


def client_page() -> str:
    exported = {name: getattr(mendstream.client, name) for name in mendstream.client.__all__}
    records = [name for name, one in exported.items() if one.__module__.startswith("schemas.")]
    return page(
        "The Python package",
        "What `mendstream.client` exports; [from a program](../client.md) shows how it is used. "
        f"{', '.join(f'`{name}`' for name in records)} are [records](records.md), as dataclasses.",
        *(
            part
            for name, one in exported.items()
            if name not in records
            for part in _class_parts(name, one)
        ),
    )


def _class_parts(name: str, one: type[Any]) -> Iterator[str]:
    bases = [base.__name__ for base in one.__bases__ if issubclass(base, Exception)]
    said = inspect.cleandoc(one.__doc__ or "")
    yield f"## {name}"
    yield (f"An exception, a {' and '.join(bases)}. " if bases else "") + said
    if issubclass(one, Exception):
        return
    for method, function in _methods(one):
        doc = inspect.cleandoc(function.__doc__ or "")
        called = name if method == "__init__" else method
        yield f"```python\n{_signature(called, function)}\n```"
        if doc and not is_dataclass(one):
            yield doc


def _methods(one: type[Any]) -> Iterator[tuple[str, Any]]:
    """Those of a class, in the order of its definition, the inherited ones after its own."""
    seen: set[str] = set()
    for each in one.__mro__:
        if each.__module__.startswith("mendstream."):
            for name, function in vars(each).items():
                public = name in _KEPT or not name.startswith("_")
                if inspect.isfunction(function) and public and name not in seen:
                    seen.add(name)
                    yield name, function


def _signature(name: str, function: Any) -> str:
    signature = inspect.signature(function)
    kept = [each for each in signature.parameters.values() if each.name != "self"]
    begins = "async " if inspect.iscoroutinefunction(function) else ""
    ends = (
        "" if name[0].isupper() else f" -> {inspect.formatannotation(signature.return_annotation)}"
    )
    shown = [str(each) for each in kept]
    first = next((i for i, each in enumerate(kept) if each.kind is each.KEYWORD_ONLY), None)
    if first is not None:
        shown.insert(first, "*")
    line = f"{begins}{name}({', '.join(shown)}){ends}"
    if len(line) > _LINE_MAX:
        line = f"{begins}{name}(\n    " + ",\n    ".join(shown) + f",\n){ends}"
    return _short(line)


def _short(text: str) -> str:
    """Annotations without the modules that they come from.

    >>> _short("collections.abc.Callable[[schemas.records.commands.Command], None]")
    'Callable[[Command], None]'
    """
    return re.sub(r"\b(?:[a-z_]+\.)+(?=[A-Z]|datetime\b)", "", text)
