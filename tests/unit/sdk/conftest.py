"""What the SDK core's tests share: a pipeline into memory, and a small library that is patched for real."""

import dataclasses
import sys
import types
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Span, Tracer

from spanwise import finalizer, guard, runtime, semconv, threads
from spanwise.capture import Capture
from spanwise.config import Config
from spanwise.content import decoded
from spanwise.integrations import _engine, _patch
from spanwise.integrations._declaration import Call, Integration, Reader, Target
from spanwise.messages import text
from spanwise.operation import Request, Response, Usage


class MemoryPipeline:
    """The pipeline's interface over OpenTelemetry's in-memory exporter."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.content: dict[int, dict[str, Any]] = {}

    def tracer(self) -> Tracer:
        return self.provider.get_tracer("spanwise")

    def put_content(self, span: Span, content: Mapping[str, object]) -> None:
        values = {key: decoded(value) for key, value in content.items()}
        self.content.setdefault(span.get_span_context().span_id, {}).update(values)

    def flush(self, timeout_s: float = 30.0) -> bool:
        return True

    def shutdown(self, timeout_s: float | None = None) -> bool:
        self.provider.shutdown()
        return True

    @property
    def spans(self) -> list[ReadableSpan]:
        """Ended spans, in the order of their ending."""
        return list(self.exporter.get_finished_spans())

    def span(self, name: str | None = None) -> ReadableSpan:
        """The only ended span, or the only one of a name."""
        (found,) = [span for span in self.spans if name is None or span.name == name]
        return found

    def content_of(self, span: ReadableSpan) -> dict[str, Any]:
        return self.content.get(span.context.span_id, {})


@pytest.fixture(autouse=True)
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Faults of ours are raised, and finalizers are waited for, unless a test says otherwise."""
    monkeypatch.setattr(finalizer, "_WAIT_S", 30.0)
    monkeypatch.setattr(guard, "is_strict", True)
    monkeypatch.setattr(guard, "_counts", {})
    monkeypatch.setattr(guard, "_said", set())


@pytest.fixture
def start() -> Iterator[Any]:
    """Puts a runtime with a ``MemoryPipeline`` in force; takes settings, returns the pipeline."""

    def begin(**settings: Any) -> MemoryPipeline:
        config = Config.from_env(**settings)
        pipeline = MemoryPipeline()
        runtime.install(runtime.Runtime(config, pipeline, Capture(config)))
        if config.propagate_threads:
            threads.install()
        return pipeline

    yield begin
    runtime.install(None)
    threads.uninstall()


@pytest.fixture
def pipeline(start: Any) -> MemoryPipeline:
    return start()


class Answer:
    """What the small library returns."""

    def __init__(self, words: str) -> None:
        self.words = words


class Chunks:
    """A stream as client libraries write them: an object around a private generator."""

    def __init__(self, words: str, error: BaseException | None = None) -> None:
        self.was_closed = False
        self._iterator = self._generate(words, error)

    def _generate(self, words: str, error: BaseException | None) -> Iterator[str]:
        try:
            yield from words.split()
            if error is not None:
                raise error
        finally:
            self.was_closed = True

    def __iter__(self) -> Iterator[str]:
        yield from self._iterator

    def __next__(self) -> str:
        return next(self._iterator)


class AsyncChunks:
    """The asynchronous twin of ``Chunks``; ``gate`` is awaited before each chunk."""

    def __init__(self, words: str, gate: Any = None, error: BaseException | None = None) -> None:
        self._iterator = self._generate(words, gate, error)

    async def _generate(self, words: str, gate: Any, error: BaseException | None) -> Any:
        for word in words.split():
            if gate is not None:
                await gate()
            yield word
        if error is not None:
            raise error

    def __aiter__(self) -> Any:
        return self._iterator

    async def __anext__(self) -> str:
        return await self._iterator.__anext__()


class Client:
    """A model client: it answers with the text it was asked."""

    def ask(
        self, words: str, *, stream: bool = False, error: BaseException | None = None, inner: Any = None
    ) -> Any:
        """Asks."""
        if inner is not None:
            inner()
        if stream:
            return Chunks(words, error)
        if error is not None:
            raise error
        return Answer(words)

    async def aask(
        self, words: str, *, stream: bool = False, error: BaseException | None = None, gate: Any = None
    ) -> Any:
        """Asks, asynchronously."""
        if stream:
            return AsyncChunks(words, gate, error)
        if gate is not None:
            await gate()
        if error is not None:
            raise error
        return Answer(words)


def read_request(call: Call) -> Request:
    words = call.args[0]
    return Request(
        operation=semconv.OP_CHAT,
        provider="toy",
        model="toy-1",
        is_stream=bool(call.kwargs.get("stream")),
        server_address="127.0.0.1",
        server_port=8080,
        input_messages=[{"role": "user", "parts": [text(words)]}] if call.wants_content else None,
    )


def answer(words: str) -> Response:
    return Response(
        id="r1",
        model="toy-1-0",
        finish_reasons=["stop"] if words.endswith(".") else None,
        output_messages=[{"role": "assistant", "parts": [text(words)]}],
        usage=Usage(input_tokens=1, output_tokens=len(words.split()), cache_read_input_tokens=0),
    )


def observe(result: Any, recording: Any) -> Any:
    if isinstance(result, Chunks):
        result._iterator = recording.iterate(result._iterator)
    elif isinstance(result, AsyncChunks):
        result._iterator = recording.aiterate(result._iterator)
    else:
        recording.respond(result)
    return result


READER = Reader(
    read_request=read_request,
    read_response=lambda result, call: answer(result.words),
    new_state=lambda call: [],
    fold=lambda state, chunk: state.append(chunk),
    finish=lambda state: answer(" ".join(state)),
)
TOY = Integration(
    name="toy",
    module="toyllm",
    distribution="wrapt",  # any installed distribution: the version gate needs one
    versions=">=1,<100",
    targets=(
        Target("toyllm:Client.ask", READER),
        Target("toyllm:Client.aask", READER, is_async=True),
    ),
    observe=observe,
)


@pytest.fixture
def make_toy() -> Any:
    """Returns the small library's declaration, with changes."""
    return lambda **changes: dataclasses.replace(TOY, **changes)


def make_library() -> types.ModuleType:
    """Returns a fresh, unpatched copy of the small library as a module."""
    module = types.ModuleType("toyllm")
    module.Client = type("Client", (), dict(vars(Client)))  # type: ignore[attr-defined]
    return module


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """The small library, imported and not patched."""
    module = make_library()
    monkeypatch.setitem(sys.modules, "toyllm", module)
    return module


@pytest.fixture
def client(library: types.ModuleType) -> Any:
    """A client of the library with its methods patched."""
    for target in TOY.targets:
        wrapper = _engine.wrapper_for(TOY, target, lambda: True)
        _patch.apply(library, target.path.partition(":")[2], wrapper)
    return library.Client()
