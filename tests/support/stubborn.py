"""A server that says one thing to every request, whatever it is."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Says(NamedTuple):
    """The answer. `drips`: its body never ends."""

    status: int
    headers: Mapping[str, str] = {}
    body: bytes = b""
    drips: bool = False


@contextmanager
def stubborn(says: Says) -> Iterator[tuple[str, list[str]]]:
    """Its URL without a path, and the paths it is asked for, as they come."""
    asked: list[str] = []
    released = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def parse_request(self) -> bool:
            """Answer, and read no further."""
            if super().parse_request():
                asked.append(self.path)
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self._answer()
            return False

        def _answer(self) -> None:
            self.send_response(says.status)
            for name, value in says.headers.items():
                self.send_header(name, value)
            length = len(says.body) + (1024 if says.drips else 0)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(says.body)
            with suppress(OSError):  # the other side had enough
                while says.drips and not released.wait(0.02):
                    self.wfile.write(b" ")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited name
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        released.set()
        server.shutdown()
        server.server_close()
        thread.join()
