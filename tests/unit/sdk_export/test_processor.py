"""Which spans of a provider go to Spanwise: GenAI spans and their local ancestors, whatever ends first."""

from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from spanwise import processor as module
from spanwise.backlog import Backlog
from spanwise.content import ContentTable
from spanwise.encode import Encoder, EndedSpan
from spanwise.processor import SpanProcessor, SpanSelection


class Fixture:
    def __init__(self) -> None:
        self.exported: list[str] = []
        self.backlog = Backlog(10**8, Encoder({}).encode, lambda: None)
        self.content = ContentTable(10**6)
        self.selection = SpanSelection(self.backlog, self.content)
        put = self.backlog.put
        self.backlog.put = lambda item: (self.exported.append(item.span.name), put(item))[1]  # type: ignore
        self.processor = SpanProcessor()
        self.processor.selection = self.selection
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.tracer = self.provider.get_tracer("app")

    def listen(self) -> None:
        self.provider.add_span_processor(self.processor)

    def start(self, name: str, parent: Any = None, tracer: Any = None, **attributes: Any) -> Any:
        context = set_span_in_context(parent) if parent is not None else trace.context_api.Context()
        return (tracer or self.tracer).start_span(name, context=context, attributes=attributes)


@pytest.fixture
def app() -> Fixture:
    made = Fixture()
    made.listen()
    return made


CHAT = {"gen_ai.operation.name": "chat"}


def test_other_spans_are_left_alone(app: Fixture) -> None:
    root = app.start("request")
    app.start("query", root).end()
    root.end()
    assert app.exported == []


def test_every_ancestor_comes_along_and_no_sibling(app: Fixture) -> None:
    root = app.start("request")
    step = app.start("step", root)
    other = app.start("other", root)
    chat = app.start("chat", step, **CHAT)
    app.start("http", chat).end()
    for span in (chat, other, step, root):
        span.end()
    assert app.exported == ["chat", "step", "request"]


def test_ancestors_that_end_before_the_genai_span(app: Fixture) -> None:
    root = app.start("request")
    chat = app.start("chat", root, **CHAT)
    root.end()
    chat.end()
    assert app.exported == ["request", "chat"]


def test_ancestors_that_started_before_we_listened() -> None:
    app = Fixture()
    root = app.start("request")
    step = app.start("step", root)
    app.listen()
    app.start("chat", step, **CHAT).end()
    app.start("query", step).end()
    step.end()
    root.end()
    assert app.exported == ["chat", "step", "request"]


def test_a_span_whose_operation_is_named_late(app: Fixture) -> None:
    root = app.start("request")
    late = app.start("late", root)
    late.set_attribute("llm.model_name", "m")
    late.end()
    root.end()
    assert app.exported == ["late", "request"]


def test_spans_of_our_own_scope_need_no_attribute(app: Fixture) -> None:
    app.start("step", tracer=app.provider.get_tracer("spanwise")).end()
    assert app.exported == ["step"]


def test_a_remote_parent_is_not_ours_to_export(app: Fixture) -> None:
    remote = NonRecordingSpan(SpanContext(7, 8, True, TraceFlags(1)))
    app.start("chat", remote, **CHAT).end()
    assert app.exported == ["chat"]
    assert app.selection._expected == {}


def test_nothing_is_remembered_of_spans_that_ended(app: Fixture) -> None:
    for _ in range(100):
        root = app.start("request")
        chat = app.start("chat", root, **CHAT)
        app.content.put(chat.get_span_context().span_id, {"a": "b"})
        chat.end()
        root.end()
    selection = app.selection
    assert (selection._parents, selection._wanted, selection._expected) == ({}, set(), {})
    assert app.content._entries == {}


def test_spans_that_never_end_are_forgotten_past_a_number(
    app: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MAX_LIVE_SPANS", 10)
    monkeypatch.setattr(module, "_MAX_EXPECTED_SPANS", 10)
    spans = [app.start("chat", **CHAT) for _ in range(50)]
    app.content.put(spans[-1].get_span_context().span_id, {"a": "b"})
    assert len(app.selection._parents) <= 11
    gone = NonRecordingSpan(SpanContext(1, 99, False, TraceFlags(1)))
    for number in range(50):
        gone = NonRecordingSpan(SpanContext(1, 1000 + number, False, TraceFlags(1)))
        app.start("chat", gone, **CHAT).end()
    assert len(app.selection._expected) <= 11


def test_long_attributes_and_stack_traces_count_for_the_size(app: Fixture) -> None:
    sizes: list[int] = []
    app.backlog.put = lambda item: sizes.append(item.size_bytes)  # type: ignore
    app.start("chat", **CHAT).end()
    app.start("chat", **CHAT, long="x" * 10_000).end()
    failed = app.start("chat", **CHAT)
    failed.add_event("exception", {"exception.stacktrace": "x" * 20_000})
    failed.end()
    assert sizes[1] - sizes[0] >= 10_000
    assert sizes[2] - sizes[0] >= 20_000


def test_content_travels_with_its_span(app: Fixture) -> None:
    taken: list[EndedSpan] = []
    app.backlog.put = lambda item: taken.append(item)  # type: ignore
    chat = app.start("chat", **CHAT)
    app.content.put(chat.get_span_context().span_id, {"gen_ai.input.messages": []})
    app.start("chat", **CHAT).end()
    chat.end()
    assert [item.content for item in taken] == [None, {"gen_ai.input.messages": []}]


def test_after_a_fork_the_parents_live_spans_are_not_exported(app: Fixture) -> None:
    inherited = app.start("inherited", **CHAT)
    app.selection.reset()
    own = app.start("own", inherited, **CHAT)
    own.end()
    inherited.end()
    assert app.exported == ["own"]


def test_a_processor_without_a_pipeline_does_nothing(app: Fixture) -> None:
    app.processor.selection = None
    app.start("chat", **CHAT).end()
    assert app.processor.force_flush()
    assert app.exported == []
