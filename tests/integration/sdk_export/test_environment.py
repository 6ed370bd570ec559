"""The standard ``OTEL_EXPORTER_OTLP_*`` variables, read as OpenTelemetry specifies and its SDK does."""

import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from spanwise.config import Config
from spanwise.pipeline import Pipeline


@pytest.fixture
def export(record: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets variables, sends one span, and returns the pipeline."""
    made: list[Pipeline] = []

    def run(**variables: str) -> Pipeline:
        for name, value in variables.items():
            monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{name}", value)
        made.append(Pipeline(Config.from_env(isolated=True)))
        record(made[-1])
        made[-1].flush(5)
        return made[-1]

    yield run
    for pipeline in made:
        pipeline.shutdown(0.01)


@pytest.mark.parametrize(
    ("general", "expected"),
    [("", "/v1/traces"), ("/", "/v1/traces"), ("/base", "/base/v1/traces"), ("/a/b/", "/a/b/v1/traces")],
)
def test_the_signals_path_is_appended_to_the_general_endpoint(
    sink: Any, export: Any, general: str, expected: str
) -> None:
    export(ENDPOINT=sink.url + general)
    assert [request.path for request in sink.received] == [expected]


@pytest.mark.parametrize(("own", "expected"), [("", "/"), ("/", "/"), ("/my/path?x=1", "/my/path?x=1")])
def test_the_signals_own_endpoint_is_used_as_it_is_and_wins(
    sink: Any, export: Any, own: str, expected: str
) -> None:
    export(ENDPOINT="http://127.0.0.1:9", TRACES_ENDPOINT=sink.url + own)
    assert [request.path for request in sink.received] == [expected]


def test_headers_are_percent_decoded_and_the_signals_own_win(sink: Any, export: Any) -> None:
    export(ENDPOINT=sink.url, HEADERS="api-key=a%20b%2Cc,X-Team = search ,broken")
    headers = sink.received[0].headers
    assert (headers["api-key"], headers["x-team"]) == ("a b,c", "search")
    export(ENDPOINT=sink.url, TRACES_HEADERS="api-key=own")
    assert sink.received[1].headers["api-key"] == "own"
    assert "x-team" not in sink.received[1].headers


def test_compression(sink: Any, export: Any) -> None:
    export(ENDPOINT=sink.url, COMPRESSION="gzip")
    export(ENDPOINT=sink.url, TRACES_COMPRESSION="none")
    assert [request.headers.get("content-encoding") for request in sink.received] == ["gzip", None]


def test_the_timeout_is_in_seconds(sink: Any, reply: Any, export: Any) -> None:
    hold = threading.Event()
    sink.replies = [reply(gate=hold), reply()]
    pipeline = export(ENDPOINT=sink.url, TIMEOUT="0.2")
    hold.set()
    assert sink.attempts == 2, "the first attempt was given up after 0.2 s, the second succeeded"
    assert pipeline.stats().exported == 1


def test_what_cannot_be_read_is_said_and_ignored(sink: Any, export: Any, log: Any) -> None:
    os.environ["OTEL_BSP_SCHEDULE_DELAY"] = "soon"
    try:
        pipeline = export(ENDPOINT=sink.url, COMPRESSION="brotli", TIMEOUT="ten")
    finally:
        del os.environ["OTEL_BSP_SCHEDULE_DELAY"]
    assert pipeline.stats().exported == 1
    said = "\n".join(log())
    assert all(word in said for word in ("brotli", "ten", "soon"))


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[tuple[str, Path, list[str]]]:
    """A TLS endpoint that wants a client's certificate too; one self-signed pair serves both sides."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    made = subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
            "-addext", "keyUsage=digitalSignature,keyCertSign",
            "-keyout", str(key), "-out", str(certificate),
        ],
        capture_output=True,
        check=False,
    )  # fmt: skip
    if made.returncode:
        pytest.skip("openssl cannot make a certificate here")
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            seen.append(str(self.connection.getpeercert()["subject"]))  # type: ignore[attr-defined]
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # clients without a certificate are what is tested here

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    server = Server(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"https://localhost:{server.server_address[1]}", tmp_path, seen
    server.shutdown()
    server.server_close()
    thread.join()


def test_certificates_of_both_sides(tls: tuple[str, Path, list[str]], export: Any) -> None:
    url, folder, seen = tls
    own = {"CLIENT_CERTIFICATE": str(folder / "certificate.pem"), "CLIENT_KEY": str(folder / "key.pem")}
    pipeline = export(ENDPOINT=url, CERTIFICATE=str(folder / "certificate.pem"), **own)
    assert pipeline.stats().exported == 1, pipeline.stats().last_error
    assert "localhost" in seen[0]


def test_an_endpoint_that_cannot_be_verified_gets_nothing(
    tls: tuple[str, Path, list[str]], export: Any
) -> None:
    url, _, seen = tls
    pipeline = export(ENDPOINT=url)
    assert "certificate verify failed" in pipeline.stats().last_error.lower()
    assert (pipeline.stats().exported, seen) == (0, [])
