"""The open span of one traced call: how it starts, what is written to it, and that it ends exactly once.

A span ends by one of ``respond``, ``fail`` and ``close``, whichever comes first; if none comes, because the
application dropped a stream half read, it ends when the recording is collected as garbage.
"""

import time
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, set_span_in_context

from spanwise import guard, semconv
from spanwise.ambient import attributes_of, is_private
from spanwise.errors import record_error, type_name
from spanwise.events import emit_details
from spanwise.finalizer import close_from_finalizer
from spanwise.lending import borrowed
from spanwise.meters import meter_for
from spanwise.operation import AttributeValue, Request, Response, Usage
from spanwise.prompts import variables_of
from spanwise.runtime import Runtime
from spanwise.suppression import within_call, within_inference
from spanwise.trackers import attributes as tracked_runs
from spanwise.vectors import packed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from spanwise.integrations._declaration import Call, Reader

_USAGE = (
    ("input_tokens", semconv.USAGE_INPUT_TOKENS),
    ("output_tokens", semconv.USAGE_OUTPUT_TOKENS),
    ("cache_read_input_tokens", semconv.USAGE_CACHE_READ_INPUT_TOKENS),
    ("cache_write_input_tokens", semconv.USAGE_CACHE_WRITE_INPUT_TOKENS),
    ("reasoning_output_tokens", semconv.USAGE_REASONING_OUTPUT_TOKENS),
    ("audio_input_tokens", semconv.USAGE_AUDIO_INPUT_TOKENS),
    ("audio_output_tokens", semconv.USAGE_AUDIO_OUTPUT_TOKENS),
    ("image_input_tokens", semconv.USAGE_IMAGE_INPUT_TOKENS),
)
"""Field and attribute. A count of 0 that the provider reported is written; one that it left out is not."""

_IN_PROCESS = frozenset(
    {
        semconv.OP_EXECUTE_TOOL,
        semconv.OP_INVOKE_AGENT,
        semconv.OP_INVOKE_WORKFLOW,
        semconv.OP_TASK,
        semconv.OP_GUARDRAIL,
        semconv.OP_EVALUATE,
    }
)


class CallRecording:
    """The recording of one call; see ``integrations._declaration.Recording`` for what integrations may use.

    Args:
        runtime: The set-up in force when the call began.
        reader: The pure functions of this kind of call.
        call: The call.
        request: What ``reader.read_request`` made of it.
        parent: The context the call was made in.
    """

    __slots__ = (
        "__weakref__",
        "_event",
        "_is_borrowed",
        "_is_stream",
        "_meter",
        "_open",
        "_reader",
        "_runtime",
        "_started",
        "call",
        "context",
        "span",
        "state",
    )

    def __init__(
        self, runtime: Runtime, reader: "Reader", call: "Call", request: Request, parent: Context
    ) -> None:
        self._open: list[None] = []  # stays empty if the span cannot be started
        self._runtime = runtime
        self._event: dict[str, object] | None = {} if runtime.config.capture.is_on_event else None
        self._reader = reader
        self._is_stream = request.is_stream
        self.call = call
        self.state: Any = None
        span = borrowed(parent, self, request)
        self._is_borrowed = span is not None
        self.span: Span = self._started_span(request, parent) if span is None else span
        self._open.append(None)
        if span is not None:
            span.update_name(_name(request))
            span.set_attributes(_start_attributes(request, parent))
        context = set_span_in_context(self.span, parent)
        is_model_call = not request.contains_calls
        self.context = within_inference(context) if is_model_call else within_call(context, request.provider)
        self._started = time.perf_counter()
        is_measured = request.operation not in _IN_PROCESS and not runtime.config.isolated
        self._meter = meter_for(request, self._started) if is_measured else None
        if call.wants_content and (is_private(parent) or not self.span.is_recording()):
            call.wants_content = False
        if call.wants_content:
            try:
                self._put_content(_request_content(request))
                if request.operation in semconv.INFERENCE_OPERATIONS and (filled := variables_of(parent)):
                    runtime.pipeline.put_content(self.span, filled)
            except Exception as error:  # noqa: BLE001  the span stands without its content
                guard.fault("recording a request's content", error)

    def _started_span(self, request: Request, parent: Context) -> Span:
        return self._runtime.pipeline.tracer().start_span(
            _name(request),
            context=parent,
            kind=SpanKind.INTERNAL if request.operation in _IN_PROCESS else SpanKind.CLIENT,
            attributes=_start_attributes(request, parent),
        )

    # --- what integrations use -------------------------------------------------------------------------

    def respond(self, response: Any) -> None:
        """Reads a complete answer and ends the span."""
        self._end(lambda: self._write(self._reader.read_response(response, self.call)))

    def iterate(self, iterator: Any) -> "Iterator[Any]":
        """Returns a generator over the same items that ends the span when it ends."""
        from spanwise.stream import follow

        return follow(iterator, self)

    def aiterate(self, iterator: Any) -> "AsyncIterator[Any]":
        """Returns an asynchronous generator over the same items that ends the span when it ends."""
        from spanwise.stream import afollow

        return afollow(iterator, self)

    def fail(self, error: BaseException) -> None:
        """Ends the span as failed; what a stream brought before is kept."""
        self._end(lambda: self._write_error(error))

    def close(self) -> None:
        """Ends the span with what was folded so far: the application stopped reading."""
        self._end(lambda: self._write_folded(is_whole=False))

    # --- what streams use -------------------------------------------------------------------------------

    def first_chunk(self) -> None:
        """Starts the fold and, of a stream, notes the time since the request was made."""
        seconds = time.perf_counter() - self._started
        if self.state is not None or not self._is_read:
            return
        try:
            if self._is_stream:
                if self._meter is not None:
                    self._meter.first_chunk()
                self.span.set_attribute(semconv.RESPONSE_TIME_TO_FIRST_CHUNK, seconds)
            if self._reader.new_state is not None:
                self.state = self._reader.new_state(self.call)
        except Exception as error:  # noqa: BLE001
            guard.fault("starting to follow a stream", error)

    @property
    def fold(self) -> Any:
        """The function that adds one chunk to the state; ``None`` when this kind of call has none."""
        fold = self._reader.fold
        if fold is None or self._meter is None or not self._is_stream:
            return fold
        return self._meter.timed(fold)

    @property
    def _is_read(self) -> bool:
        """False when nobody wants to know what was answered: the call is neither sampled nor measured."""
        return self._meter is not None or self.span.is_recording()

    def complete(self) -> None:
        """Ends the span: the stream was read to its end."""
        self._end(lambda: self._write_folded(is_whole=True))

    def hand_over(self) -> None:
        """Leaves the details event and metrics to another recording, which has borrowed the span."""
        self._event = None
        self._meter = None

    # --- ending -------------------------------------------------------------------------------------------

    def _end(self, write: "Callable[[], None]") -> None:
        """Writes the last of the span and ends it, the first time that this is called; then never again."""
        try:
            self._open.pop()  # only one caller ever gets it, whatever thread it is in
        except IndexError:
            return
        try:
            if self._is_read:
                write()
            if self._meter is not None:
                self._meter.end(self.context)
            if self._event is not None and self.span.is_recording():
                emit_details(self.span, self._event)
        except Exception as error:  # noqa: BLE001  readers meet foreign objects
            guard.fault("reading an answer", error)
        finally:
            self.state = None
            self._end_span()

    def _end_span(self) -> None:
        if self._is_borrowed:  # its lender ends it
            return
        try:
            self.span.end()
        except Exception as error:  # noqa: BLE001  processors of the app run in here
            guard.fault("ending a span", error)

    def __del__(self) -> None:
        if self._open:
            close_from_finalizer(self.close)

    # --- writing -------------------------------------------------------------------------------------------

    def _write_error(self, error: BaseException) -> None:
        if self._meter is not None:
            self._meter.error_type = type_name(error)
        try:
            self._write_folded(is_whole=False)
            read_error = self._reader.read_error
            if read_error is not None and (response := read_error(error, self.call)):
                self._write(response)
        finally:
            record_error(self.span, error, self._runtime.capture, keeps_text=not is_private(self.context))

    def _write_folded(self, *, is_whole: bool) -> None:
        if self.state is None or self._reader.finish is None:
            return
        response = self._reader.finish(self.state)
        self._write(response)
        if not is_whole and not response.finish_reasons:
            self.span.set_attribute(semconv.STREAM_INCOMPLETE, True)

    def _write(self, response: Response) -> None:
        if self._meter is not None:
            self._meter.note(response)
        self.span.set_attributes(_response_attributes(response))
        if response.error_type:
            self.span.set_attribute(semconv.ERROR_TYPE, response.error_type)
            message = "" if is_private(self.context) else response.error_message or ""
            record_error(self.span, None, self._runtime.capture, message)
        if self.call.wants_content:
            content = dict(response.content)
            if response.output_messages is not None:
                content[semconv.OUTPUT_MESSAGES] = response.output_messages
            if response.vectors and self._runtime.config.capture_embeddings:
                content[semconv.EMBEDDINGS_VECTORS] = packed(response.vectors)
            self._put_content(content)
        elif response.outline:
            self._put_content(response.outline)

    def _put_content(self, content: dict[str, object]) -> None:
        if not content:
            return
        capture = self._runtime.capture
        if self._event is None:
            keep = capture.waiting if self._reader.is_fresh else capture.kept
            kept = {key: keep(value) for key, value in content.items()}
        else:
            kept = {key: capture.content(value) for key, value in content.items()}
            self._event.update(kept)
        self._runtime.pipeline.put_content(self.span, kept)


def _name(request: Request) -> str:
    subject = request.subject or request.model
    return f"{request.operation} {subject}" if subject else request.operation


def _start_attributes(request: Request, parent: Context) -> dict[str, AttributeValue]:
    """Returns everything known before the call, so that samplers see it."""
    attributes: dict[str, AttributeValue] = {
        **tracked_runs(),
        **attributes_of(parent),
        semconv.OPERATION_NAME: request.operation,
        semconv.PROVIDER_NAME: request.provider,
    }
    if request.model:
        attributes[semconv.REQUEST_MODEL] = request.model
    if request.is_stream:
        attributes[semconv.REQUEST_STREAM] = True
    if request.server_address:
        attributes[semconv.SERVER_ADDRESS] = request.server_address
        if request.server_port:
            attributes[semconv.SERVER_PORT] = request.server_port
    attributes.update(request.attributes)
    return attributes


def _request_content(request: Request) -> dict[str, object]:
    own = (
        (semconv.SYSTEM_INSTRUCTIONS, request.system_instructions),
        (semconv.INPUT_MESSAGES, request.input_messages),
        (semconv.TOOL_DEFINITIONS, request.tool_definitions),
    )
    return {**request.content, **{key: value for key, value in own if value}}


def _response_attributes(response: Response) -> dict[str, AttributeValue]:
    attributes: dict[str, AttributeValue] = {}
    if response.id:
        attributes[semconv.RESPONSE_ID] = response.id
    if response.model:
        attributes[semconv.RESPONSE_MODEL] = response.model
    if response.finish_reasons:
        attributes[semconv.RESPONSE_FINISH_REASONS] = response.finish_reasons
    if response.usage is not None:
        _add_usage(attributes, response.usage)
    attributes.update(response.attributes)
    return attributes


def _add_usage(attributes: dict[str, AttributeValue], usage: Usage) -> None:
    for field, key in _USAGE:
        count = getattr(usage, field)
        if count is not None:
            attributes[key] = count
