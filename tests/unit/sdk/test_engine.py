"""One span a call, ended exactly once, and the application sees what it would see without us."""

import asyncio
import contextvars
import gc
import inspect
import threading
import traceback
import weakref

import pytest
from opentelemetry import _logs, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs import export as logs_export
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import SpanKind, StatusCode

import spanwise
from spanwise import finalizer, guard, semconv


def test_a_call_makes_one_span_with_the_request_and_the_answer(client, pipeline):
    result = client.ask("hello there.")
    span = pipeline.span()
    assert result.words == "hello there."
    assert (span.name, span.kind, span.status.status_code) == (
        "chat toy-1",
        SpanKind.CLIENT,
        StatusCode.UNSET,
    )
    assert dict(span.attributes) == {
        semconv.OPERATION_NAME: "chat",
        semconv.PROVIDER_NAME: "toy",
        semconv.REQUEST_MODEL: "toy-1",
        semconv.SERVER_ADDRESS: "127.0.0.1",
        semconv.SERVER_PORT: 8080,
        semconv.RESPONSE_ID: "r1",
        semconv.RESPONSE_MODEL: "toy-1-0",
        semconv.RESPONSE_FINISH_REASONS: ("stop",),
        semconv.USAGE_INPUT_TOKENS: 1,
        semconv.USAGE_OUTPUT_TOKENS: 2,
        semconv.USAGE_CACHE_READ_INPUT_TOKENS: 0,
    }
    assert pipeline.content_of(span) == {
        semconv.INPUT_MESSAGES: [{"role": "user", "parts": [{"type": "text", "content": "hello there."}]}],
        semconv.OUTPUT_MESSAGES: [
            {"role": "assistant", "parts": [{"type": "text", "content": "hello there."}]}
        ],
    }


def test_an_error_of_the_library_passes_unchanged_and_fails_the_span(client, pipeline):
    error = ConnectionError("key sk-proj-abcdefghijklmnopqrstuvwx1234 refused")
    error.status_code = 401
    with pytest.raises(ConnectionError) as raised:
        client.ask("hi", error=error)
    assert raised.value is error
    assert traceback.extract_tb(error.__traceback__)[-1].name == "ask"
    span = pipeline.span()
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description == "key [api_key] refused"
    assert span.attributes[semconv.ERROR_TYPE] == "ConnectionError"
    assert span.attributes["http.response.status_code"] == 401
    (event,) = span.events
    assert event.attributes[semconv.EXCEPTION_TYPE] == "ConnectionError"
    assert "abcdefghijklmnop" not in event.attributes[semconv.EXCEPTION_STACKTRACE]
    assert "in ask" in event.attributes[semconv.EXCEPTION_STACKTRACE]


async def test_an_awaited_call_makes_one_span(client, pipeline):
    assert (await client.aask("hi.")).words == "hi."
    assert pipeline.span().attributes[semconv.USAGE_OUTPUT_TOKENS] == 1


async def test_a_cancelled_call_ends_its_span_as_failed(client, pipeline):
    task = asyncio.create_task(client.aask("hi", gate=asyncio.Event().wait))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert pipeline.span().attributes[semconv.ERROR_TYPE] == "asyncio.exceptions.CancelledError"


def test_a_coroutine_closed_half_way_in_another_context_ends_its_span_silently(client, pipeline, caplog):
    class Once:
        def __await__(self):
            yield

    coroutine = client.aask("hi", gate=Once)
    contextvars.copy_context().run(coroutine.send, None)
    coroutine.close()  # as the garbage collector does, in whatever context it runs
    assert pipeline.span().attributes[semconv.ERROR_TYPE] == "GeneratorExit"
    assert caplog.records == []


def test_the_current_span_during_the_call_is_ours_and_afterwards_is_not(client, pipeline):
    seen = []
    before = trace.get_current_span()
    client.ask("hi", inner=lambda: seen.append(trace.get_current_span().get_span_context().span_id))
    assert seen == [pipeline.span().context.span_id]
    assert trace.get_current_span() is before


def test_a_call_inside_a_traced_call_makes_no_second_span(client, pipeline):
    client.ask("outer", inner=lambda: client.ask("inner"))
    assert len(pipeline.spans) == 1


# --- streams ---


def test_a_stream_ends_its_span_at_its_end_with_what_was_folded(client, pipeline):
    stream = client.ask("one two three.", stream=True)
    assert pipeline.spans == []
    assert list(stream) == ["one", "two", "three."]
    span = pipeline.span()
    assert span.attributes[semconv.REQUEST_STREAM] is True
    assert span.attributes[semconv.USAGE_OUTPUT_TOKENS] == 3
    assert 0 <= span.attributes[semconv.RESPONSE_TIME_TO_FIRST_CHUNK] < 5
    assert semconv.STREAM_INCOMPLETE not in span.attributes
    assert type(stream).__name__ == "Chunks"
    assert inspect.isgenerator(stream._iterator)


def test_a_stream_that_fails_keeps_what_came_before(client, pipeline):
    error = TimeoutError("no more")
    stream = client.ask("one two", stream=True, error=error)
    with pytest.raises(TimeoutError) as raised:
        list(stream)
    assert raised.value is error
    span = pipeline.span()
    assert span.attributes[semconv.ERROR_TYPE] == "TimeoutError"
    assert span.attributes[semconv.USAGE_OUTPUT_TOKENS] == 2
    assert span.attributes[semconv.STREAM_INCOMPLETE] is True


def test_a_stream_closed_early_is_incomplete_and_not_an_error(client, pipeline):
    stream = client.ask("one two three.", stream=True)
    assert next(stream) == "one"
    stream._iterator.close()
    span = pipeline.span()
    assert span.status.status_code is StatusCode.UNSET
    assert span.attributes[semconv.STREAM_INCOMPLETE] is True
    assert stream.was_closed


@pytest.mark.parametrize("steps", [0, 1])
def test_an_abandoned_stream_ends_its_span_when_it_is_collected(client, pipeline, steps):
    stream = client.ask("one two three.", stream=True)
    for _ in range(steps):
        next(stream)
    gone = weakref.ref(stream)
    del stream
    gc.collect()
    assert gone() is None
    assert pipeline.span().status.status_code is StatusCode.UNSET


def test_the_application_holds_a_chunk_without_our_context(client, pipeline):
    before = trace.get_current_span()
    for _ in client.ask("one two", stream=True):
        assert trace.get_current_span() is before


async def test_the_parent_of_a_stream_is_the_span_it_was_asked_in(client, pipeline):
    tracer = pipeline.tracer()
    with tracer.start_as_current_span("asking") as asking:
        stream = await client.aask("one two.", stream=True)
    with tracer.start_as_current_span("reading"):
        assert [chunk async for chunk in stream] == ["one", "two."]
    assert pipeline.span("chat toy-1").parent.span_id == asking.get_span_context().span_id


async def test_a_hundred_streams_half_of_them_cancelled(client, pipeline, caplog):
    """Every span ends exactly once, has its own parent, and OpenTelemetry logs nothing."""
    started = asyncio.Semaphore(0)
    parents: dict[int, int] = {}

    async def read(number: int) -> None:
        with pipeline.tracer().start_as_current_span(f"request {number}") as span:
            parents[number] = span.get_span_context().span_id
            waits = asyncio.Event()
            calls = 0

            async def gate() -> None:
                nonlocal calls
                calls += 1
                if calls == 2:
                    started.release()
                    if number % 2:
                        await waits.wait()
                await asyncio.sleep(0)

            stream = await client.aask(f"a b {number}.", stream=True, gate=gate)
            async for _ in stream:
                assert trace.get_current_span() is span

    tasks = [asyncio.create_task(read(number)) for number in range(100)]
    for _ in tasks:
        await started.acquire()
    for task in tasks[1::2]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    spans = [span for span in pipeline.spans if span.name == "chat toy-1"]
    assert sorted(span.parent.span_id for span in spans) == sorted(parents.values())
    failed = [span for span in spans if span.status.status_code is StatusCode.ERROR]
    assert len(failed) == 50
    assert {span.attributes[semconv.ERROR_TYPE] for span in failed} == {"asyncio.exceptions.CancelledError"}
    assert [record for record in caplog.records if record.name.startswith("opentelemetry")] == []


async def test_an_abandoned_asynchronous_stream_ends_its_span(client, pipeline):
    stream = await client.aask("one two three.", stream=True)
    assert await stream.__anext__() == "one"
    del stream
    gc.collect()
    for _ in range(5):
        await asyncio.sleep(0)
    assert pipeline.span().attributes[semconv.STREAM_INCOMPLETE] is True


def test_a_loop_that_ends_with_streams_open_closes_each_once(client, pipeline, caplog, capfd):
    """Both kinds of generators: those of a library, and decorated ones of the app."""
    closed = []

    class Slow:
        def __init__(self, name):
            self.name = name

        async def words(self):
            try:
                yield "a"
                yield "b"
            finally:
                await asyncio.sleep(0)
                closed.append(self.name)

    @spanwise.step
    async def decorated():
        async for word in Slow("decorated").words():
            yield word

    left = []

    async def main():
        left.append(spanwise.step(Slow("method").words)())
        stream = await client.aask("one two", stream=True)
        stream._iterator.aclose  # noqa: B018  still a generator
        left.extend((stream, decorated()))
        for item in left:
            await item.__anext__()

    asyncio.run(main())
    assert sorted(closed) == ["decorated", "method"]
    assert len(pipeline.spans) == 3
    assert caplog.records == []
    assert capfd.readouterr().err == ""


async def test_closing_a_followed_generator_closes_the_one_inside_before_it_returns(pipeline):
    closed = []

    @spanwise.step
    async def words():
        try:
            yield "a"
        finally:
            await asyncio.sleep(0)
            closed.append(True)

    generator = words()
    await generator.__anext__()
    await generator.aclose()
    assert closed == [True]


def test_a_stream_left_over_from_a_closed_loop_ends_its_span_silently(client, pipeline, caplog):
    async def begin():
        stream = await client.aask("one two three.", stream=True)
        await stream.__anext__()
        return stream

    loop = asyncio.new_event_loop()
    stream = loop.run_until_complete(begin())
    loop.close()
    del stream
    gc.collect()
    assert pipeline.span().attributes[semconv.STREAM_INCOMPLETE] is True
    assert caplog.records == []


class Recorded(SpanProcessor, Sampler):
    """A sampler that notes what it is asked, and a processor whose lock is not reentrant."""

    def __init__(self, decision=Decision.RECORD_AND_SAMPLE):
        self.decision = decision
        self.seen = []
        self.lock = threading.Lock()
        self.ended = threading.Event()

    def should_sample(self, parent_context, trace_id, name, kind=None, attributes=None, *rest, **more):
        self.seen.append((name, dict(attributes)))
        return SamplingResult(self.decision, attributes)

    def get_description(self):
        return "notes what it is asked"

    def on_end(self, span):
        with self.lock:
            self.ended.set()


def test_a_sampler_sees_what_is_known_at_the_start(client, pipeline):
    sampler = Recorded()
    pipeline.provider = TracerProvider(sampler=sampler)
    with spanwise.context(user_id="u"):
        client.ask("hi.", stream=True)
    ((name, attributes),) = sampler.seen
    assert name == "chat toy-1"
    assert attributes == {
        semconv.OPERATION_NAME: "chat",
        semconv.PROVIDER_NAME: "toy",
        semconv.REQUEST_MODEL: "toy-1",
        semconv.REQUEST_STREAM: True,
        semconv.SERVER_ADDRESS: "127.0.0.1",
        semconv.SERVER_PORT: 8080,
        semconv.USER_ID: "u",
    }


def test_nothing_is_kept_of_what_is_not_sampled(client, pipeline):
    pipeline.provider = TracerProvider(sampler=Recorded(Decision.DROP))
    client.ask("hi.")
    assert list(client.ask("a b", stream=True)) == ["a", "b"]
    assert pipeline.content == {}


def test_the_collector_may_end_a_span_while_its_thread_holds_a_lock_that_this_needs(
    client, pipeline, monkeypatch
):
    monkeypatch.setattr(finalizer, "_WAIT_S", 0.05)
    processor = Recorded()
    pipeline.provider.add_span_processor(processor)
    stream = client.ask("a b", stream=True)
    next(stream)
    with processor.lock:
        del stream
        gc.collect()
    assert processor.ended.wait(10)


# --- events ---


@pytest.mark.parametrize("mode", ["event_only", "span_and_event"])
def test_event_modes_emit_the_details_as_a_log_event_too(client, start, monkeypatch, mode):
    kind = getattr(logs_export, "InMemoryLogRecordExporter", None)
    exporter = (kind or logs_export.InMemoryLogExporter)()  # its name in older versions
    provider = LoggerProvider()
    provider.add_log_record_processor(logs_export.SimpleLogRecordProcessor(exporter))
    monkeypatch.setattr(_logs, "get_logger", provider.get_logger)
    pipeline = start(capture=mode)
    client.ask("hi.")
    (record,) = [item.log_record for item in exporter.get_finished_logs()]
    assert record.event_name == "gen_ai.client.inference.operation.details"
    assert record.span_id == pipeline.span().context.span_id
    assert record.attributes[semconv.REQUEST_MODEL] == "toy-1"
    assert record.attributes[semconv.INPUT_MESSAGES][0]["parts"][0]["content"] == "hi."


# --- faults of ours ---


def test_a_reader_that_fails_does_not_reach_the_application(client, pipeline, monkeypatch, caplog):
    monkeypatch.setattr(guard, "is_strict", False)
    for _ in range(2):
        assert client.ask(object()) is not None  # the reader expects a string
    assert list(guard.faults().values()) != []
    assert len([record for record in caplog.records if record.name == "spanwise"]) == 1


async def test_a_coroutine_that_is_never_awaited_is_called_by_the_methods_name(client, pipeline):
    coroutine = client.aask("hi")
    assert coroutine.__qualname__ == "Client.aask"
    assert (await coroutine).words == "hi"
