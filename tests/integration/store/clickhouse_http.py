"""A small test server: ClickHouse's HTTP interface, answered by the embedded engine of another process.

The engine is the real one; only the socket is ours. It serves what ``clickhouse-connect`` uses: statements in
the body or the URL, bound parameters in the URL or a form, settings, query ids, inserts in any format,
compressed bodies both ways, sessions that are locked while in use, basic authentication, and errors with
their ``X-ClickHouse-Exception-Code``.

Run as ``python clickhouse_http.py FOLDER [USER PASSWORD]``: prints its port, serves until its input closes.
"""

import base64
import gzip
import json
import os
import re
import sys
import tempfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import chdb
import lz4.frame
import zstandard

# Names in the URL that are not settings.
_RESERVED = frozenset(
    {
        *(
            "query",
            "query_id",
            "database",
            "session_id",
            "session_timeout",
            "session_check",
            "user",
            "password",
        ),
        *(
            "default_format",
            "client_protocol_version",
            "enable_http_compression",
            "wait_end_of_query",
            "compress",
        ),
        *(
            "send_progress_in_http_headers",
            "http_headers_progress_interval_ms",
            "role",
            "quota_key",
            "buffer_size",
        ),
    }
)
_INSERT = re.compile(
    r"^\s*INSERT\s+INTO\s+(?P<target>.*?)\s+FORMAT\s+(?P<format>\w+)\s*$", re.IGNORECASE | re.DOTALL
)
_FORMAT = re.compile(r"\bFORMAT\s+(\w+)\s*$", re.IGNORECASE)
_STATUS = {60: 404, 81: 404, 373: 500, 516: 403, 159: 408}


class ServerError(Exception):
    """What the server refuses by itself, with the number ClickHouse gives it."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"Code: {code}. DB::Exception: {text}")


@dataclass
class Request:
    """One statement with everything that belongs to it."""

    query: str
    payload: bytes
    database: str
    settings: dict[str, str]
    parameters: dict[str, str]
    session: str | None
    query_id: str
    compress: bool


@dataclass
class Result:
    """What the engine answered."""

    body: bytes
    format: str
    read_rows: int = 0


@dataclass
class Engine:
    """Handles to the embedded engine, and the sessions in use."""

    folder: str
    sessions: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def session(self, name: str | None) -> Iterator[None]:
        """Lock a session for one statement, as a server does."""
        if name is None:
            yield
            return
        with self.lock:
            if name in self.sessions:
                raise ServerError(
                    373, f"Session {name} is locked by a concurrent client. (SESSION_IS_LOCKED)"
                )
            self.sessions.add(name)
        try:
            yield
        finally:
            with self.lock:
                self.sessions.discard(name)

    def run(self, request: Request) -> Result:
        """Run one statement on a handle of its own: settings live as long as the request."""
        connection = chdb.connect(self.folder)
        try:
            with self.session(request.session):
                connection.query(f"USE `{request.database}`")
                for statement in _settings(request.settings):
                    connection.query(statement)
                insert = _INSERT.match(request.query)
                if insert is not None and request.payload:
                    return _insert(connection, insert, request.payload)
                embedded = _FORMAT.search(request.query)
                text = request.query + request.payload.decode()
                result = connection.query(text, "TabSeparated", params=request.parameters)
                body = result.bytes() or b""
                # A real server names the format only where the statement has a result.
                name = embedded[1] if embedded else "TabSeparated" if body else ""
                return Result(body, name, result.rows_read())
        finally:
            connection.close()


def _settings(settings: dict[str, str]) -> list[str]:
    # readonly goes last: after it, nothing else may be set.
    ordered = sorted(settings.items(), key=lambda item: item[0] == "readonly")
    quoted = [(name, value.replace("\\", "\\\\").replace("'", "\\'")) for name, value in ordered]
    return [f"SET {name} = '{value}'" for name, value in quoted]


def _insert(connection: Any, insert: "re.Match[str]", payload: bytes) -> Result:
    with tempfile.NamedTemporaryFile(suffix=".insert") as file:
        file.write(payload)
        file.flush()
        connection.query(
            f"INSERT INTO {insert['target']} FROM INFILE '{file.name}' FORMAT {insert['format']}"
        )
    return Result(b"", "")


class Handler(BaseHTTPRequestHandler):
    """The HTTP half."""

    protocol_version = "HTTP/1.1"
    engine: Engine
    credentials: tuple[str, str] | None = None

    def do_GET(self) -> None:
        if urlsplit(self.path).path == "/ping":
            self._answer(200, b"Ok.\n", {})
        else:
            self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, *_: object) -> None:
        """Say nothing: the output is the port."""

    def _serve(self) -> None:
        body = self._body()
        request: Request | None = None
        try:
            self._authenticate()
            request = self._request(body)
            result = self.engine.run(request)
        except Exception as error:  # noqa: BLE001 - whatever the engine raises is the answer
            text = str(error)
            code = int(re.search(r"Code: (\d+)", text)[1]) if "Code: " in text else 1002
            text = text[text.find("Code: ") :]
            self._answer(_STATUS.get(code, 500), text.encode(), {"X-ClickHouse-Exception-Code": str(code)})
            return
        headers = {
            "X-ClickHouse-Query-Id": request.query_id,
            "X-ClickHouse-Timezone": "UTC",
            "X-ClickHouse-Summary": json.dumps({"read_rows": str(result.read_rows)}),
        }
        if result.format:
            headers["X-ClickHouse-Format"] = result.format
        self._answer(200, result.body, headers, compress=request.compress)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            chunks = []
            while size := int(self.rfile.readline(), 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            body = b"".join(chunks)
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return _decompress(body, self.headers.get("Content-Encoding"))

    def _authenticate(self) -> None:
        if self.credentials is None:
            return
        expected = "Basic " + base64.b64encode(":".join(self.credentials).encode()).decode()
        if self.headers.get("Authorization") != expected:
            raise ServerError(516, "Authentication failed: password is incorrect (AUTHENTICATION_FAILED)")

    def _request(self, body: bytes) -> Request:
        url = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        if self.headers.get("Content-Type", "").startswith("multipart/form-data"):
            url |= self._form(body)
            body = b""
        query, payload = (url["query"], body) if "query" in url else _split(body)
        return Request(
            query=query,
            payload=payload,
            database=url.get("database", "default"),
            settings={k: v for k, v in url.items() if k not in _RESERVED and not k.startswith("param_")},
            parameters={k.removeprefix("param_"): v for k, v in url.items() if k.startswith("param_")},
            session=url.get("session_id"),
            query_id=url.get("query_id") or str(uuid.uuid4()),
            compress=url.get("enable_http_compression") == "1",
        )

    def _form(self, body: bytes) -> dict[str, str]:
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        message = BytesParser(policy=HTTP).parsebytes(head + body)
        return {
            part.get_param("name", header="content-disposition"): part.get_payload(decode=True).decode()
            for part in message.iter_parts()
        }

    def _answer(self, status: int, body: bytes, headers: dict[str, str], *, compress: bool = False) -> None:
        accepted = self.headers.get("Accept-Encoding", "")
        encoding = next((name for name in _COMPRESS if name in accepted), None) if compress and body else None
        if encoding is not None:
            body = _COMPRESS[encoding](body)
            headers = {**headers, "Content-Encoding": encoding}
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


_COMPRESS = {"lz4": lz4.frame.compress, "zstd": zstandard.compress, "gzip": gzip.compress}


def _decompress(body: bytes, encoding: str | None) -> bytes:
    readers = {"lz4": lz4.frame.decompress, "zstd": zstandard.decompress, "gzip": gzip.decompress}
    return readers[encoding](body) if encoding in readers else body


def _split(body: bytes) -> tuple[str, bytes]:
    """Split a body that holds an INSERT and its data; anything else is a statement as a whole."""
    line, separator, rest = body.partition(b"\n")
    if separator and re.match(rb"\s*INSERT\b.*\bFORMAT\s+\w+\s*$", line, re.IGNORECASE):
        return line.decode(), rest
    return body.decode(), b""


def main() -> None:
    """Serve until standard input closes."""
    folder, *credentials = sys.argv[1:]
    Path(folder).mkdir(parents=True, exist_ok=True)
    Handler.engine = Engine(os.path.realpath(folder))
    Handler.credentials = (credentials[0], credentials[1]) if credentials else None
    keep_open = chdb.connect(Handler.engine.folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()
    server.shutdown()
    keep_open.close()


if __name__ == "__main__":
    main()
