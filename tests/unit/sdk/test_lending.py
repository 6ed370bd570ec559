"""A framework's model run and its client's call are one span; who tells what, and who ends it."""

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from spanwise import runtime
from spanwise.capture import Capture
from spanwise.config import Config
from spanwise.integrations._declaration import Call, Reader
from spanwise.integrations._model_run import ModelRun
from spanwise.lending import running_stream, stand_down
from spanwise.operation import Request, Response, Usage
from spanwise.recording import CallRecording
from spanwise.runtime import Runtime
from spanwise.suppression import get_current


class Spans:
    """A pipeline that keeps spans, without their content."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    def tracer(self) -> object:
        return self.provider.get_tracer("spanwise")

    def put_content(self, span: object, content: object) -> None:
        """Keeps none."""

    def ended(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())


@pytest.fixture
def spans() -> Iterator[Spans]:
    config = Config.from_env(endpoint="http://127.0.0.1:9")
    kept = Spans()
    before = runtime.install(Runtime(config, kept, Capture(config)))  # type: ignore[arg-type]
    yield kept
    runtime.install(before)


def run_of(operation: str = "chat") -> ModelRun:
    held = runtime.current()
    assert held is not None
    request = Request(operation, "framework", "model-a", attributes={"spanwise.step.name": "Mine"})
    told = Response(model="told by the framework", usage=Usage(input_tokens=1))
    return ModelRun(held, request, get_current(), lambda answer, wants_content: told)


def client_call(run: ModelRun, operation: str = "chat") -> CallRecording:
    held = runtime.current()
    assert held is not None
    answer = Response(model="told by the client", usage=Usage(input_tokens=20))
    request = Request(operation, "openai", "model-b")
    reader = Reader(lambda call: request, lambda response, call: answer)
    return CallRecording(held, reader, Call(None, (), {}, False), request, run.context)


def test_the_client_tells_and_the_framework_ends(spans: Spans) -> None:
    run = run_of()
    call = client_call(run)
    call.respond(object())
    assert spans.ended() == []
    run.respond(object())
    (span,) = spans.ended()
    assert span.name == "chat model-b"
    assert span.attributes["gen_ai.provider.name"] == "openai"
    assert span.attributes["spanwise.step.name"] == "Mine"
    assert span.attributes["gen_ai.response.model"] == "told by the client"
    assert span.attributes["gen_ai.usage.input_tokens"] == 20


def test_without_a_client_the_framework_tells(spans: Spans) -> None:
    run_of().respond(object())
    (span,) = spans.ended()
    assert (span.name, span.attributes["gen_ai.usage.input_tokens"]) == ("chat model-a", 1)


def test_a_second_call_is_a_span_of_its_own_below(spans: Spans) -> None:
    run = run_of()
    first, second = client_call(run), client_call(run)
    first.respond(object())
    second.respond(object())
    run.respond(object())
    inner, outer = spans.ended()
    assert inner.parent is not None
    assert inner.parent.span_id == outer.context.span_id


def test_only_calls_of_the_same_kind_borrow(spans: Spans) -> None:
    run = run_of()
    client_call(run, "embeddings").respond(object())
    run.respond(object())
    assert [span.name for span in spans.ended()] == ["embeddings model-b", "chat model-a"]
    assert spans.ended()[1].attributes["gen_ai.usage.input_tokens"] == 1


def test_an_error_is_noted_once_whoever_sees_it_first(spans: Spans) -> None:
    error = ValueError("no")
    run = run_of()
    client_call(run).fail(error)
    run.fail(error)
    run_of().fail(error)
    late = run_of()
    client_call(late).respond(object())
    late.fail(error)  # what the client answered could not be parsed
    for span in spans.ended():
        assert [event.name for event in span.events] == ["exception"]
        assert span.status.status_code.name == "ERROR"
    assert "gen_ai.response.model" not in spans.ended()[0].attributes
    assert spans.ended()[2].attributes["gen_ai.response.model"] == "told by the client"


def test_a_call_that_another_instrumentor_records_counts_once(spans: Spans) -> None:
    run = run_of()
    stand_down(run.context)
    run.respond(object())
    (span,) = spans.ended()
    assert span.attributes["gen_ai.operation.name"] == "task"
    assert "gen_ai.usage.input_tokens" not in span.attributes


def test_a_stream_lends_only_while_its_own_code_runs(spans: Spans) -> None:
    run = run_of()
    seen = []

    def stream() -> Iterator[int]:
        for number in range(2):
            seen.append(running_stream())
            yield number

    made = stream()
    run.hand_out(made)
    assert running_stream() is None
    next(made)
    assert seen == [run]
    assert running_stream() is None
    run.respond(object())
    next(made)
    assert seen == [run, None]


def test_dropping_an_unread_stream_ends_its_span(spans: Spans) -> None:
    run = run_of()
    run.hand_out(number for number in range(3))
    (span,) = spans.ended()
    assert span.attributes["spanwise.stream.incomplete"] is True
