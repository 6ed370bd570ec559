"""anthropic 2.x traces itself: one span a call comes out, ours, and its other spans stay.

Each case is a process of its own, because a global TracerProvider can be set only once.
"""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from replay_server import ReplayServer
from test_call_forms import MADE_UP

HERE = str(Path(__file__).parent)

APP = """
import json, sys
sys.path.insert(0, {here!r})
import anthropic
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from otlp_sink import OtlpSink
import spanwise

order, url = sys.argv[1], sys.argv[2]
app = InMemorySpanExporter()

def set_up():
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(app))
    trace.set_tracer_provider(provider)

with OtlpSink().running() as sink:
    if order == "before":
        set_up()
    spanwise.instrument(endpoint=sink.url)
    if order == "after":
        set_up()
    asked = dict(model="m", max_tokens=9, messages=[dict(role="user", content="Weather?")])
    def client(key):
        return anthropic.Anthropic(base_url=url + "/" + key + "-00", api_key="k", max_retries=0)
    client("messages").messages.create(**asked)
    list(client("messages-stream").messages.create(**asked, stream=True))
    with client("messages-stream").messages.stream(**asked) as stream:
        stream.until_done()
    client("messages").messages.with_raw_response.create(**asked)
    if hasattr(anthropic.resources.Messages, "count_tokens"):
        client("count").messages.count_tokens(model="m", messages=asked["messages"])
    spanwise.flush()
    spanwise.uninstrument()
    client("messages").messages.create(**asked)
    print(json.dumps(dict(
        ours=[span["name"] for span in sink.spans],
        app=[span.name for span in app.get_finished_spans()],
        messages=[bool(span["attributes"].get("gen_ai.output.messages")) for span in sink.spans],
    )))
"""
CALLS = ["chat m"] * 4
TRACES_ITSELF = importlib.util.find_spec("anthropic._tracing") is not None
OWN = ["anthropic.messages.count_tokens", "anthropic.messages.create"] if TRACES_ITSELF else []


@pytest.fixture(scope="module")
def server() -> Iterator[ReplayServer]:
    with ReplayServer(MADE_UP).running() as running:
        yield running


@pytest.mark.parametrize(
    ("order", "seen_by_app"),
    [
        ("none", []),
        ("before", [*CALLS, *OWN]),
        ("after", [*CALLS, *OWN]),
    ],
)
def test_one_span_a_call(server: ReplayServer, order: str, seen_by_app: list[str]) -> None:
    command = [sys.executable, "-c", APP.format(here=HERE), order, server.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert [name for name in seen["ours"] if name == "chat m"] == CALLS
    assert seen["app"] == seen_by_app
    assert [kept for kept, name in zip(seen["messages"], seen["ours"], strict=True) if name == "chat m"] == [
        True
    ] * 4
