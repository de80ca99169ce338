"""`/openapi.json` and `/docs`: what a service says of itself, as JSON and as a plain page.

The page is made from the OpenAPI document by this module: no asset comes from elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

Document = Mapping[str, Any]

_METHODS: Final = ("get", "post", "put", "delete")

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"

_STYLE: Final = """
:root{color-scheme:light dark}
body{font:1rem/1.5 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem}
h2{margin-top:2.5rem;border-top:1px solid;padding-top:1rem}
code,pre{font:.9rem/1.45 ui-monospace,monospace}
pre{overflow-x:auto;padding:.75rem;border:1px solid;border-radius:.4rem}
dt{font-weight:600;margin-top:.75rem}
"""


def routes(text: str) -> list[Route]:
    """The two routes of an OpenAPI document given as JSON text."""
    page = render(json.loads(text))

    async def openapi(_request: Request) -> Response:
        return Response(text, media_type="application/json")

    async def docs(_request: Request) -> Response:
        return Response(page, media_type="text/html", headers={"Content-Security-Policy": _POLICY})

    return [Route("/openapi.json", openapi), Route("/docs", docs)]


def render(document: Document) -> str:
    """The document as one HTML page."""
    info = document["info"]
    operations = "".join(
        _operation(document, f"{method.upper()} {path}", item, item[method])
        for path, item in document["paths"].items()
        for method in _METHODS
        if method in item
    )
    schemas = "".join(
        f"<h3 id='{escape(name)}'>{escape(name)}</h3>{_block(schema)}"
        for name, schema in document["components"]["schemas"].items()
    )
    title = escape(info["title"])
    return (
        f"<!doctype html><html lang=en><head><meta charset=utf-8><title>{title}</title>"
        "<meta name=viewport content='width=device-width,initial-scale=1'>"
        f"<style>{_STYLE}</style></head><body><main><h1>{title}</h1>"
        f"<p>{escape(info['description'])}</p><p><a href=openapi.json>openapi.json</a></p>"
        f"{operations}<h2>Schemas</h2>{schemas}</main></body></html>"
    )


def _operation(document: Document, heading: str, item: Document, operation: Document) -> str:
    parts = [f"<h2><code>{escape(heading)}</code></h2>"]
    parts.append(f"<p><strong>{escape(operation['summary'])}.</strong> ")
    parts.append(f"{escape(operation.get('description', ''))}</p>")
    for each in (*item.get("parameters", ()), *operation.get("parameters", ())):
        parameter = _resolved(document, each)
        parts.append(f"<p><code>{escape(parameter['name'])}</code>: ")
        parts.append(f"{escape(parameter.get('description', ''))}</p>")
    body = operation.get("requestBody", {}).get("content", {})
    if body:
        kinds = ", ".join(f"<code>{escape(kind)}</code>" for kind in body)
        parts.append(f"<p>Body: {kinds}</p>{_examples(body)}")
    parts.append("<dl>")
    for status, answer in operation["responses"].items():
        found = _resolved(document, answer)
        parts.append(f"<dt>{escape(status)}</dt><dd>{escape(found['description'])}")
        parts.append(f"{_examples(found.get('content', {}))}</dd>")
    parts.append("</dl>")
    return "".join(parts)


def _examples(content: Document) -> str:
    return "".join(_found_examples(content))


def _found_examples(content: Document) -> Iterator[str]:
    for media in content.values():
        if "example" in media:
            yield _block(media["example"])


def _block(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    return f"<pre>{escape(text)}</pre>"


def _resolved(document: Document, node: Document) -> Document:
    if "$ref" not in node:
        return node
    found: Any = document
    for step in node["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return dict(found)
