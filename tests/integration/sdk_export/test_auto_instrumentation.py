"""The real ``opentelemetry-instrument``: it finds our integrations, and no span is sent twice."""

import importlib.metadata
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from spanwise import instrumentors
from spanwise.integrations._index import LIBRARIES

GROUP = "opentelemetry_instrumentor"
APP = """
import anthropic, logging, sys
logging.basicConfig(stream=sys.stdout, format="%(message)s", level="WARNING", force=True)
from opentelemetry import trace
client = anthropic.Anthropic(base_url={url!r}, api_key="k", max_retries=0)
with trace.get_tracer("app").start_as_current_span("GET /answer"):
    client.messages.create(model="m", max_tokens=9, messages=[dict(role="user", content="Capital?")])
with trace.get_tracer("app").start_as_current_span("GET /health"):
    pass
"""
Auto = Callable[..., "subprocess.CompletedProcess[str]"]


def declared_in_pyproject() -> dict[str, str]:
    text = (Path(__file__).parents[3] / "pyproject.toml").read_text()
    (section,) = re.findall(rf"^\[project\.entry-points\.{GROUP}\]\n((?:\w+ = .*\n)*)", text, re.MULTILINE)
    return dict(re.findall(r'^(\w+) = "(.*)"$', section, re.MULTILINE))


def test_every_integration_has_its_entry_point() -> None:
    wanted = {name: f"spanwise.instrumentors:{instrumentors.class_name(name)}" for name in LIBRARIES}
    assert declared_in_pyproject() == wanted


def test_the_entry_points_are_installed_and_lead_to_a_class_of_their_own() -> None:
    points = [
        point for point in importlib.metadata.entry_points(group=GROUP) if point.value.startswith("spanwise.")
    ]
    assert {point.name: point.value for point in points} == declared_in_pyproject(), "pip install -e . again"
    for point in points:
        instrumentor = point.load()()
        (requirement,) = instrumentor.instrumentation_dependencies()
        assert re.fullmatch(r"[\w.-]+>=[\d.]+,<[\d.]+", requirement)
        assert instrumentor.name == point.name


def test_a_name_that_no_integration_has_is_no_class() -> None:
    with pytest.raises(AttributeError, match="NopeInstrumentor"):
        instrumentors.NopeInstrumentor  # noqa: B018


class _Messages(BaseHTTPRequestHandler):
    """Answers as Anthropic's API does."""

    def log_message(self, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        answer = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "m-1",
            "content": [{"type": "text", "text": "Paris."}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 3, "output_tokens": 2},
        }
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def messages_url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Messages)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def auto(tmp_path: Path, sink: Any, messages_url: str) -> Auto:
    """Runs an app under opentelemetry-instrument, whose exporter and ours both obey the variables."""
    pytest.importorskip("opentelemetry.distro", reason="pip install opentelemetry-distro")
    command = os.path.join(os.path.dirname(sys.executable), "opentelemetry-instrument")
    (tmp_path / "app.py").write_text(APP.format(url=messages_url))

    def start(**variables: str) -> "subprocess.CompletedProcess[str]":
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "SPANWISE_"))
        }
        settings = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_TRACES_EXPORTER": "otlp",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
            "OTEL_SERVICE_NAME": "shop",
            "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "httpx,httpx2",
        }
        done = subprocess.run(
            [command, sys.executable, "app.py"],
            cwd=tmp_path,
            env=kept | settings | variables,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done

    return start


ALL = ["GET /answer", "GET /health", "chat m"]


def test_every_span_comes_once_and_with_its_messages(auto: Auto, sink: Any) -> None:
    done = auto()
    assert sink.names == ALL
    (chat,) = [span for span in sink.spans if span["name"] == "chat m"]
    assert "Paris" in chat["attributes"]["gen_ai.output.messages"]
    assert chat["parent"] == next(span["id"] for span in sink.spans if span["name"] == "GET /answer")
    assert chat["scope"] == "spanwise"
    assert {span["resource"]["service.name"] for span in sink.spans} == {"shop"}
    assert (done.stdout, done.stderr) == ("", "")


def test_messages_stay_off_spans_that_others_see_too_and_that_is_said(auto: Auto, sink: Any) -> None:
    done = auto(OTEL_TRACES_EXPORTER="otlp,console")
    assert sink.names == ALL
    assert not any("gen_ai.output.messages" in span["attributes"] for span in sink.spans)
    assert "Paris" not in done.stdout
    assert done.stderr.count("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=SPAN_ONLY") == 1


def test_where_the_apps_exporter_goes_elsewhere_ours_sends(auto: Auto, sink: Any) -> None:
    done = auto(OTEL_TRACES_EXPORTER="console")
    assert sink.names == ["GET /answer", "chat m"]
    assert any("Paris" in str(span["attributes"].get("gen_ai.output.messages")) for span in sink.spans)
    assert done.stdout.count('"name": "chat m"') == 1
    assert "Paris" not in done.stdout


def test_without_a_provider_of_the_loaders_ours_is_used(auto: Auto, sink: Any) -> None:
    auto(OTEL_PYTHON_CONFIGURATOR="none")
    assert sink.names == ["chat m"], "ours is global from the first span on"


@pytest.mark.parametrize("names", ["anthropic", "openai , anthropic", "*"])
def test_what_is_disabled_is_not_traced(auto: Auto, sink: Any, names: str) -> None:
    auto(OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=names)
    assert "chat m" not in sink.names


def test_the_sdk_switched_off_is_off(auto: Auto, sink: Any) -> None:
    auto(OTEL_SDK_DISABLED="true")
    assert sink.names == []
