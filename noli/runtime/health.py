"""/healthz, /readyz and /metrics of a worker that serves no HTTP of its own."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from noli.runtime.metrics import exposition

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Readiness = Callable[[], tuple[bool, Mapping[str, object]]]


class Health:
    """A small HTTP server on its own thread. `ready` returns (is ready, why or what)."""

    def __init__(self, host: str, port: int, ready: Readiness) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # the name is http.server's
                """Answer one of the three paths."""
                if self.path == "/metrics":
                    self._answer(200, exposition.render(), exposition.CONTENT_TYPE)
                elif self.path == "/healthz":
                    self._answer(200, b'{"ok":true}', "application/json")
                elif self.path == "/readyz":
                    ok, detail = ready()
                    body = json.dumps({"ready": ok, **detail}).encode()
                    self._answer(200 if ok else 503, body, "application/json")
                else:
                    self._answer(404, b"/healthz /readyz /metrics", "text/plain")

            def _answer(self, status: int, body: bytes, content_type: str) -> None:
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited name
                """Probes are not news."""

        self._server = ThreadingHTTPServer((host, port), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
