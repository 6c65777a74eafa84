"""Serves the pages: one document, and the files that it names.

All files are read once, into memory, so no request reaches a file system. They lie below a digest
of all of them: what a browser keeps for a year is never of another release.
"""

import base64
import hashlib
import html
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from aiohttp import web

from gateway.web.route import Route

_TYPES = {
    "js": "text/javascript",
    "mjs": "text/javascript",
    "css": "text/css",
    "svg": "image/svg+xml",
}
_VENDOR = "vendor"
# What modules import by name; the rest they import by their place beside each other.
_IMPORTS = {
    "preact": f"{_VENDOR}/preact-11.2.0/preact.mjs",
    "preact/hooks": f"{_VENDOR}/preact-11.2.0/hooks/hooks.mjs",
    "htm": f"{_VENDOR}/htm-3.1.1/htm.mjs",
}
_YEAR = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file of the pages."""

    body: bytes
    content_type: str


class Pages:
    """The pages of one gateway."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._files = dict(_read(files(__package__).joinpath("static"), ""))
        digest = hashlib.sha256()
        for name in sorted(self._files):
            digest.update(name.encode() + b"\0" + self._files[name].body + b"\0")
        self.base = f"/static/{digest.hexdigest()[:16]}"
        self._document, policy = self._made()
        self._docs = _docs(routes, self.base).encode()
        self._headers = {"Content-Security-Policy": policy, "Cache-Control": "no-cache"}

    def add_to(self, app: web.Application) -> None:
        """Adds the routes of the pages, which hold nothing of a tenant, so that nobody is asked."""
        app.router.add_get("/", _to_pages)
        for path in ("/ui", "/ui/{page:.*}"):
            app.router.add_get(path, self._page)
        app.router.add_get("/docs", self._documentation)
        app.router.add_get(self.base + "/{name:.*}", self._file)

    async def _page(self, _request: web.Request) -> web.Response:
        return web.Response(
            body=self._document, content_type="text/html", charset="utf-8", headers=self._headers
        )

    async def _documentation(self, _request: web.Request) -> web.Response:
        return web.Response(
            body=self._docs, content_type="text/html", charset="utf-8", headers=self._headers
        )

    async def _file(self, request: web.Request) -> web.Response:
        found = self._files.get(request.match_info["name"])
        if found is None:
            raise web.HTTPNotFound
        return web.Response(
            body=found.body,
            content_type=found.content_type,
            charset="utf-8",
            headers={"Cache-Control": _YEAR},
        )

    def _made(self) -> tuple[bytes, str]:
        """The document, and the policy that lets it run its own files and nothing else."""
        imports = {name: f"{self.base}/{path}" for name, path in _IMPORTS.items()}
        import_map = json.dumps({"imports": imports})
        digest = base64.b64encode(hashlib.sha256(import_map.encode()).digest()).decode()
        document = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Mendstream</title>
<link rel="icon" href="{self.base}/icon.svg">
<link rel="stylesheet" href="{self.base}/style.css">
<script type="importmap">{import_map}</script>
<script type="module" src="{self.base}/app.js"></script>
</head>
<body>
<noscript>These pages need JavaScript. The API at /docs does not.</noscript>
</body>
</html>
"""
        policy = (
            f"default-src 'none'; script-src 'self' 'sha256-{digest}'; style-src 'self'; "
            "img-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
            "form-action 'self'; require-trusted-types-for 'script'; trusted-types 'none'"
        )
        return document.encode(), policy


async def _to_pages(_request: web.Request) -> web.Response:
    return web.Response(status=302, headers={"Location": "/ui/now"})


def _read(folder: Traversable, prefix: str) -> Iterator[tuple[str, StaticFile]]:
    for each in folder.iterdir():
        name = f"{prefix}{each.name}"
        if each.is_dir():
            yield from _read(each, f"{name}/")
        elif (kind := _TYPES.get(name.rpartition(".")[2])) is not None:
            yield name, StaticFile(each.read_bytes(), kind)


def _docs(routes: Sequence[Route], base: str) -> str:
    """The routes for people; programs read /openapi.json."""
    rows = "".join(
        f"<tr><td><code>{route.method}</code></td><td><code>{html.escape(route.path)}</code></td>"
        f"<td>{html.escape(route.summary)}</td><td>{route.scope or ''}</td>"
        f"<td>{html.escape(route.tenants)}</td></tr>"
        for route in routes
    )
    heads = "".join(
        f'<th scope="col">{head}</th>' for head in ("Method", "Path", "What", "Scope", "Tenants")
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Mendstream: the API</title>
<link rel="icon" href="{base}/icon.svg">
<link rel="stylesheet" href="{base}/style.css">
</head>
<body>
<main class="docs">
<h1>The API</h1>
<p>Fields, queries and answers are in <a href="/openapi.json">OpenAPI 3.1</a>. A subject with its
tenant is one part of a path: <code>acme%2Fbot</code>. Names without a slash are the tenant
<code>default</code>'s.</p>
<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>
</main>
</body>
</html>
"""
