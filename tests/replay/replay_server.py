"""A loopback server that answers each request with a recorded response, streams in pieces of odd sizes.

The first segment of the path names the recording; the rest must be the recorded path, else the answer is 599.
"""

import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from typing import Any
from urllib.parse import unquote

from recordings import Recording

PIECES = (1, 2, 3, 5, 7, 11, 64, 13, 257, 4096)
"""Sizes in bytes of what is sent at once: they cut lines, events and characters of several bytes in two."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that stop reading a stream reset their connection: nothing to report."""


class ReplayServer:
    """Serves recordings at ``{url}/{key}{recorded path}``; ``sent`` holds what the clients sent."""

    def __init__(self, recordings: Iterable[Recording]) -> None:
        self.recordings = {recording.key: recording for recording in recordings}
        self.sent: dict[str, Any] = {}
        handler = type("BoundHandler", (_Handler,), {"replay": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    @contextmanager
    def running(self) -> "Iterator[ReplayServer]":
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    replay: ReplayServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        """Keeps test output quiet."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        key, _, path = self.path.removeprefix("/").partition("/")
        recording = self.replay.recordings.get(key)
        if recording is None or not _same_path(f"/{path}", recording.path):
            self._send(599, "text/plain", f"no recording at {self.path}".encode())
            return
        self.replay.sent[key] = json.loads(body) if body else {}
        data = recording.answer.encode("utf-8")
        is_stream = "event-stream" in recording.content_type
        (self._send_pieces if is_stream else self._send)(recording.status, recording.content_type, data)

    do_GET = do_POST

    def _send(self, status: int, content_type: str, data: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _send_pieces(self, status: int, content_type: str, data: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        start = 0
        for size in cycle(PIECES):
            piece = data[start : start + size]
            if not piece:
                break
            self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            start += size
        self.wfile.write(b"0\r\n\r\n")


def _same_path(sent: str, recorded: str) -> bool:
    return unquote(sent.partition("?")[0]) == unquote(recorded.partition("?")[0])
