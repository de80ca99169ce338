"""A service's own OpenAPI document, held against what the service answers."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import httpx2
from jsonschema import Draft202012Validator


class Description:
    """The document that a package ships as `openapi.json`."""

    def __init__(self, package: str) -> None:
        text = resources.files(package).joinpath("openapi.json").read_text("utf-8")
        self.document: dict[str, Any] = json.loads(text)

    def resolved(self, node: dict[str, Any]) -> dict[str, Any]:
        """What a reference of the document points at."""
        while "$ref" in node:
            found: Any = self.document
            for step in node["$ref"].removeprefix("#/").split("/"):
                found = found[step]
            node = found
        return node

    def check(self, method: str, path: str, answer: httpx2.Response) -> None:
        """Fail unless it has that status, media type and headers, and its schema fits the body."""
        operation = self.document["paths"][path][method]
        assert str(answer.status_code) in operation["responses"], answer.status_code
        described = self.resolved(operation["responses"][str(answer.status_code)])
        media = answer.headers["content-type"].split(";")[0]
        assert media in described["content"]
        schema = described["content"][media].get("schema")
        if schema is not None:
            whole = {**schema, "components": self.document["components"]}
            Draft202012Validator(whole).validate(answer.json())
        for header in described.get("headers", {}):
            assert header in answer.headers
