"""``spanwise doctor`` against endpoints that answer, that are strangers, that are away."""

import json
import threading
from collections.abc import Callable, Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanwise import doctor, integrations
from spanwise.cli import main
from spanwise.config import Config
from spanwise.round_trip import check_endpoint


class Collector:
    """What ``doctor`` asks of a Spanwise server, with the answers that a test wants."""

    def __init__(self) -> None:
        self.traces: set[str] = set()
        self.read_status = 200
        self.is_forgetful = False
        self.clock_offset_s = 0.0
        self.headers_seen: list[dict[str, str]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: Any) -> None:
                pass

            def date_time_string(self, timestamp: float | None = None) -> str:
                import time

                return formatdate(time.time() + collector.clock_offset_s, usegmt=True)

            def do_GET(self) -> None:
                collector.headers_seen.append({name.lower(): text for name, text in self.headers.items()})
                if self.path == "/healthz":
                    self.answer(200, {"name": "spanwise"}, {"x-spanwise": "0.1.0"})
                    return
                trace_id = self.path.rpartition("/")[2]
                known = trace_id in collector.traces and not collector.is_forgetful
                status = collector.read_status if known or collector.read_status != 200 else 404
                self.answer(status, {"trace_id": trace_id, "spans": [{"span_id": "1"}]})

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                request = ExportTraceServiceRequest.FromString(body)
                for span in request.resource_spans[0].scope_spans[0].spans:
                    collector.traces.add(span.trace_id.hex())
                self.answer(200, None)

            def answer(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
                data = b"" if value is None else json.dumps(value).encode()
                self.send_response(status)
                for name, text in {"content-length": str(len(data)), **(headers or {})}.items():
                    self.send_header(name, text)
                self.end_headers()
                self.wfile.write(data)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def collector() -> Iterator[Collector]:
    started = Collector()
    yield started
    started.close()
    integrations.uninstrument()


def words(url: str, **settings: Any) -> dict[str, str]:
    found = check_endpoint(Config.from_env(endpoint=url, **settings))
    return {finding.subject: finding.word for finding in found}


ALL_OK = {"listening": "ok", "clock": "ok", "test span": "ok", "read back": "ok"}


def test_a_span_there_and_back(collector: Collector) -> None:
    assert words(collector.url, api_key="secret") == ALL_OK
    assert collector.headers_seen[-1]["authorization"] == "Bearer secret"


def test_a_span_that_is_accepted_and_not_stored(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spanwise.round_trip._READ_BACK_S", 0.5)
    collector.is_forgetful = True
    assert words(collector.url) == {**ALL_OK, "read back": "fail"}


def test_reading_back_may_need_a_login(collector: Collector) -> None:
    collector.read_status = 401
    assert words(collector.url) == {**ALL_OK, "read back": "info"}


@pytest.mark.parametrize(("offset_s", "word"), [(1, "ok"), (90, "warn"), (-90, "warn")])
def test_a_clock_that_differs(collector: Collector, offset_s: float, word: str) -> None:
    collector.clock_offset_s = offset_s
    assert words(collector.url)["clock"] == word


def test_another_backend_is_no_problem(sink: Any) -> None:
    sink.is_spanwise = False
    found = words(sink.url)
    assert (found["listening"], found["test span"]) == ("info", "ok")
    assert "read back" not in found


def test_a_backend_that_refuses(sink: Any, reply: Callable[..., Any]) -> None:
    sink.replies = [reply(401)]
    assert words(sink.url)["test span"] == "fail"


def test_nobody_is_there() -> None:
    (finding,) = check_endpoint(Config.from_env(endpoint="http://127.0.0.1:9"))
    assert finding.word == "fail"
    assert "127.0.0.1:9" in finding.detail


def test_the_command_reports_libraries_settings_and_endpoint(
    collector: Collector, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
    assert main(["doctor", "--endpoint", collector.url, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ok"]
    found = {(item["section"], item["subject"]): item for item in report["findings"]}
    assert found["Libraries", "openai"]["detail"]
    assert found["Settings", "service"]["detail"] == "shop"
    assert found["Endpoint", "read back"]["word"] == "ok"


def test_the_report_is_aligned_and_its_exit_code_tells(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--endpoint", "http://127.0.0.1:9"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "Libraries" in lines
    installed = [line for line in lines if line.startswith("  ok    opentelemetry-")]
    assert len({line.index(line.split()[-1]) for line in installed}) == 1
    assert any(line.startswith("  fail  listening") for line in lines)


def test_a_wrong_endpoint_is_an_error_of_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--endpoint", "localhost:4318"]) == 2
    assert "localhost:4318" in capsys.readouterr().err


def test_the_apps_own_provider_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    config = Config.from_env(disabled=True)
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: TracerProvider(shutdown_on_exit=False))
    details = {finding.subject: finding for finding in doctor.diagnose(config)}
    assert "TracerProvider is used" in details["provider"].detail
    assert details["disabled"].word == "fail"
    monkeypatch.setattr(trace, "get_tracer_provider", trace.NoOpTracerProvider)
    details = {finding.subject: finding for finding in doctor.diagnose(config)}
    assert details["provider"].word == "warn"
