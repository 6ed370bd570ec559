"""Every example runs as it is and leaves the trace that it promises."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from spanwise_dashboards.demo.provider import Provider

pytestmark = pytest.mark.e2e
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
EXPECTED = {
    "quickstart.py": ("chat gpt-4.1-mini", {"chat"}),
    "steps_and_sessions.py": (
        "invoke_workflow answer",
        {"invoke_workflow", "retrieval", "execute_tool", "chat"},
    ),
    "async_streams.py": ("invoke_workflow main", {"invoke_workflow", "task", "chat"}),
}


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with Provider() as started:
        yield started


@pytest.fixture(scope="module")
def server(start_server):
    return start_server()


def test_every_example_is_tested():
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(EXPECTED)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_an_example_leaves_its_trace(server, provider: Provider, name: str):
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "SPANWISE_"))},
        "OPENAI_BASE_URL": provider.url,
        "OPENAI_API_KEY": "not-needed",
        "OTEL_EXPORTER_OTLP_ENDPOINT": server.url,
    }
    ran = subprocess.run(
        [sys.executable, str(EXAMPLES / name)], env=environment, capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip()
    root, operations = EXPECTED[name]
    trace = server.get("/api/v1/traces?limit=1")["items"][0]
    assert trace["name"] == root
    spans = server.get(f"/api/v1/traces/{trace['trace_id']}")["spans"]
    assert {span["operation"] for span in spans} == operations
    assert {span["trace_id"] for span in spans if "trace_id" in span} <= {trace["trace_id"]}
