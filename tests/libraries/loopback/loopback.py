"""A loopback server that answers each request with the exchange it names, streams in pieces of odd sizes.

The first segment of the path names the exchange; the rest must be the recorded path, else the answer is 599.
A client that cannot have a path in its address names the exchange in the header ``x-exchange``.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from typing import Any
from urllib.parse import unquote

from cassettes import Exchange

PIECES = (1, 2, 3, 5, 7, 11, 64, 13, 257, 4096)
"""Sizes in bytes of what is sent at once: they cut lines, events and characters of several bytes in two."""
_STREAMED = ("text/event-stream", "ndjson", "stream+json", "vnd.amazon.eventstream")
_NOT_SENT = ("content-length", "content-encoding", "transfer-encoding", "connection", "date", "server")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that stop reading a stream reset their connection: nothing to report."""


class Loopback:
    """Serves exchanges at ``{url}/{key}{path}``."""

    def __init__(self) -> None:
        self.exchanges: dict[str, Exchange] = {}
        self.sent: dict[str, tuple[dict[str, str], bytes]] = {}
        """What clients sent, by key: headers in lower case, and the body."""
        self._released = threading.Event()
        self._held = threading.Semaphore(0)
        handler = type("BoundHandler", (_Handler,), {"loopback": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def put(self, *exchanges: Exchange) -> str:
        """Serves these exchanges too; returns the address of the first."""
        self.exchanges |= {exchange.key: exchange for exchange in exchanges}
        return f"{self.url}/{exchanges[0].key}"

    def wait_held(self, timeout_s: float = 10.0) -> None:
        """Waits until an answer with ``hold_after`` has been sent that far."""
        assert self._held.acquire(timeout=timeout_s), "nothing was held"

    def release(self) -> None:
        """Lets the answers that are held go on."""
        self._released.set()
        self._released = threading.Event()

    @contextmanager
    def running(self) -> "Iterator[Loopback]":
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.release()
            self._server.shutdown()
            self._server.server_close()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    loopback: Loopback
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        """Keeps test output quiet."""

    def do_POST(self) -> None:
        body = self._read()
        key, path = self.headers.get("x-exchange"), self.path
        if key is None:
            key, _, rest = self.path.removeprefix("/").partition("/")
            path = f"/{rest}"
        exchange = self.loopback.exchanges.get(key)
        if exchange is None or not _is_same_path(path, exchange.path):
            self._answer(Exchange("", "", f"no exchange at {self.path}".encode(), status=599))
            return
        self.loopback.sent[key] = ({name.lower(): value for name, value in self.headers.items()}, body)
        self._answer(exchange)

    do_GET = do_PUT = do_DELETE = do_PATCH = do_POST

    def _read(self) -> bytes:
        if "chunked" not in self.headers.get("transfer-encoding", ""):
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, exchange: Exchange) -> None:
        self.send_response(exchange.status)
        for name, value in exchange.headers.items():
            if name not in _NOT_SENT:
                self.send_header(name, value)
        kind = exchange.headers.get("content-type", "")
        if any(word in kind for word in _STREAMED):
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            self._send_pieces(exchange)
            return
        self.send_header("content-length", str(len(exchange.body)))
        self.end_headers()
        end = exchange.cut_after if exchange.hold_after is None else exchange.hold_after
        self.wfile.write(exchange.body[:end])
        self._stop(exchange)

    def _send_pieces(self, exchange: Exchange) -> None:
        end = exchange.cut_after if exchange.hold_after is None else exchange.hold_after
        data, start = exchange.body[:end], 0
        for size in cycle(PIECES):
            piece = data[start : start + size]
            if not piece:
                break
            self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            start += size
        if not self._stop(exchange):
            self.wfile.write(b"0\r\n\r\n")

    def _stop(self, exchange: Exchange) -> bool:
        """Breaks off or holds where the exchange says so; True when the answer is not to be completed."""
        if exchange.hold_after is not None:
            released = self.loopback._released
            self.loopback._held.release()
            released.wait(30)
        is_broken = (exchange.cut_after, exchange.hold_after) != (None, None)
        self.close_connection = self.close_connection or is_broken
        return is_broken


def _is_same_path(sent: str, recorded: str) -> bool:
    return unquote(sent.partition("?")[0]) == unquote(recorded.partition("?")[0])
