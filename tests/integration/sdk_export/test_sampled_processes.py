"""Sampling in several processes: alike everywhere, and failing traces arrive however a process ends."""

from typing import Any

import pytest

CONVERSATIONS = """
import spanwise
for number in range(40):
    with spanwise.context(conversation_id=f"c-{number}"):
        record(f"c-{number}")
        record(f"c-{number}")
"""


def test_processes_keep_the_same_conversations(sink: Any, run_app: Any) -> None:
    arrived = []
    for share in (0.5, 0.5, 0.2):
        before = len(sink.spans)
        done = run_app(CONVERSATIONS, endpoint=sink.url, sample_ratio=share, sample_by="conversation")
        assert (done.code, done.lines) == (0, [])
        arrived.append([span["name"] for span in sink.spans[before:]])
    first, second, fewer = arrived
    assert first == second
    assert all(first.count(name) == 2 for name in first), "both traces of a conversation, or none"
    assert 10 < len(set(first)) < 30
    assert 0 < len(set(fewer)) < len(set(first))
    assert set(fewer) <= set(first)


FAILING = """
from opentelemetry.context import Context
from opentelemetry.trace import set_span_in_context
def trace(name, is_failing):
    about = {"gen_ai.operation.name": "chat"}
    root = pipeline.tracer().start_span("root " + name, Context(), attributes=about)
    child = pipeline.tracer().start_span(name, set_span_in_context(root))
    if is_failing:
        child.record_exception(ValueError("boom"))
        child.set_status(__import__("opentelemetry").trace.StatusCode.ERROR)
    child.end()
    root.end()
"""


@pytest.mark.parametrize(
    "end",
    [
        "trace('fine', False); trace('failing', True)",
        "trace('failing', True); trace('fine', False); sys.exit(0)",
        "trace('fine', False); os._exit(0) if os.fork() == 0 and not trace('failing', True) else os.wait()",
    ],
)
def test_failing_traces_arrive_however_the_process_ends(sink: Any, run_app: Any, end: str) -> None:
    done = run_app(FAILING + end, endpoint=sink.url, sample_ratio=0, keep_errors=True)
    assert (done.code, done.lines) == (0, [])
    assert sink.names == ["failing", "root failing"]
    assert {span["attributes"]["spanwise.kept_for"] for span in sink.spans} == {"error"}
