"""A model call as a framework sees it, whose span a provider client's recording may borrow (see ``lending``).

The framework's own view is written only when no client that Spanwise knows made the call: a fake model, a
local one, a provider without an integration.
"""

import time
import weakref
from collections.abc import Callable
from types import FrameType
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Span, StatusCode, set_span_in_context

from spanwise import guard, semconv
from spanwise.finalizer import close_from_finalizer
from spanwise.integrations._declaration import Call, Reader
from spanwise.lending import await_stream, forget_stream, with_lender
from spanwise.operation import Request, Response
from spanwise.recording import CallRecording
from spanwise.runtime import Runtime

_MODELS = frozenset({semconv.OP_CHAT, semconv.OP_TEXT_COMPLETION, semconv.OP_GENERATE_CONTENT})

Read = Callable[[Any, bool], Response]
"""``read(answer, wants_content)``: what the framework tells of the answer, and of the request's content."""


class ModelRun:
    """One run of a model, embedding model or reranker inside a framework.

    Args:
        runtime: The set-up in force when the run began.
        request: What the framework tells of the call, without its content: that is read at the end, since
            a client tells it better.
        parent: The context of the step around it.
        read: Reads the framework's answer, or ``None`` where there is none, and the request's content.
    """

    __slots__ = (
        "__weakref__",
        "_borrower",
        "_family",
        "_free",
        "_is_elsewhere",
        "_started",
        "_stream",
        "context",
        "is_handed_out",
        "is_open",
        "is_streaming",
        "recording",
    )

    def __init__(self, runtime: Runtime, request: Request, parent: Context, read: Read) -> None:
        reader = Reader(
            read_request=lambda call: request,
            read_response=lambda answer, call: read(answer, call.wants_content),
            read_error=lambda error, call: None if self.is_told else read(None, call.wants_content),
        )
        call = Call(None, (), {}, runtime.capture.wants_content)
        self._started = time.perf_counter()
        self.is_streaming = request.is_stream
        """True once a piece of a stream has come."""
        self.is_handed_out = False
        """True once the framework's stream is in the app's hands."""
        self.is_open = True
        self._free: list[None] = [None]
        self._borrower: CallRecording | None = None
        self._is_elsewhere = False
        self._stream: weakref.ReferenceType[Any] | None = None
        self._family = _MODELS if request.operation in _MODELS else frozenset({request.operation})
        self.recording = CallRecording(runtime, reader, call, request, parent)
        self.context = with_lender(set_span_in_context(self.recording.span, parent), self)

    @property
    def span(self) -> Span:
        """The run's span, which may be a client's as well."""
        return self.recording.span

    @property
    def is_told(self) -> bool:
        """True when somebody else tells what was sent and answered."""
        return self._borrower is not None or self._is_elsewhere

    # --- for the client's recording ---------------------------------------------------------------------

    def lend(self, recording: CallRecording, request: Request) -> Span | None:
        """Gives the span to the first client call of the same kind."""
        if request.operation not in self._family or self._is_elsewhere:
            return None
        try:
            self._free.pop()
        except IndexError:  # lent before, or over
            return None
        self._borrower = recording
        self.recording.hand_over()
        return self.span

    def stand_down(self) -> None:
        """Becomes a mere step: the model call is counted where another instrumentor records it."""
        if self._borrower is None and self._free:
            self._is_elsewhere = True
            self.span.set_attribute(semconv.OPERATION_NAME, semconv.OP_TASK)

    @property
    def frame(self) -> FrameType | None:
        """The frame of the generator that the run's stream is, while that lives."""
        stream = None if self._stream is None else self._stream()
        return getattr(stream, "gi_frame", None) or getattr(stream, "ag_frame", None)

    def hand_out(self, stream: Any) -> None:
        """Keeps the run open for a generator that was handed out; dropping that unread ends the run."""
        self.is_handed_out = True
        self._stream = weakref.ref(stream, self._on_dropped)
        await_stream(self)

    def _on_dropped(self, stream: Any) -> None:
        close_from_finalizer(self._close_unread)

    def _close_unread(self) -> None:
        try:
            self.close()
        except Exception as error:  # noqa: BLE001  runs in a finalizer's thread, where nobody catches it
            guard.fault("ending a stream that nobody read", error)

    # --- for the framework ------------------------------------------------------------------------------

    def first_piece(self) -> None:
        """Notes the first piece of a stream, unless a client times its own."""
        self.is_streaming = True
        if not self.is_told:
            self.span.set_attribute(semconv.REQUEST_STREAM, True)
            seconds = time.perf_counter() - self._started
            self.span.set_attribute(semconv.RESPONSE_TIME_TO_FIRST_CHUNK, seconds)

    def respond(self, answer: Any) -> None:
        """Ends the run with the framework's answer, which is read unless a client told its own."""
        self._over()
        if self._borrower is not None:
            self._borrower.close()
        if self.is_told:
            self.recording.close()
        else:
            self.recording.respond(answer)

    def fail(self, error: BaseException) -> None:
        """Ends the run as failed; an error that the client's recording has noted is not noted again."""
        self._over()
        if self._borrower is not None:
            self._borrower.fail(error)
        if self._is_failed():
            self.recording.close()
        else:
            self.recording.fail(error)

    def close(self, answer: Any = None) -> None:
        """Ends the run whose reader stopped: with what came until then."""
        if self.is_open and not self.is_told:
            self.span.set_attribute(semconv.STREAM_INCOMPLETE, True)
        self.respond(answer)

    def _over(self) -> None:
        self._free.clear()
        self.is_open = False
        if self._stream is not None:
            forget_stream(self)

    def _is_failed(self) -> bool:
        status = getattr(self.span, "status", None)
        return status is not None and status.status_code is StatusCode.ERROR
