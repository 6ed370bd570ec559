"""One span for a model call that two layers see: a framework's run and the provider client's request in it.

The framework opens the span first, with what only it knows (the run's name, prompt, metadata), and lends it
in the context it runs the model in. The first client call in there borrows the span and writes what only the
client knows (the wire's JSON, time to first chunk, the server). The framework ends it. A run without a client
that Spanwise knows, a fake or local model, is recorded from what the framework tells.
"""

import sys
from types import FrameType
from typing import TYPE_CHECKING, Protocol, cast

from opentelemetry import context as otel
from opentelemetry.context import Context
from opentelemetry.trace import Span

from spanwise.operation import Request

if TYPE_CHECKING:
    from spanwise.recording import CallRecording

_LENDER = otel.create_key("spanwise-lender")
_MAX_FRAMES = 200


class Lender(Protocol):
    """A framework's open model run."""

    def lend(self, recording: "CallRecording", request: Request) -> Span | None:
        """Returns the run's span for a client's recording to write to; ``None`` when it must make its own."""

    def stand_down(self) -> None:
        """Another instrumentor records the client's call: the run is no model call of its own then."""


def with_lender(context: Context, lender: Lender | None) -> Context:
    """Returns ``context`` in which client calls may borrow the span of ``lender``; ``None`` ends that."""
    return otel.set_value(_LENDER, lender, context)


def borrowed(context: Context, recording: "CallRecording", request: Request) -> Span | None:
    """Returns the span that a client call in ``context`` writes to instead of one of its own, if any."""
    lender = lender_in(context)
    return None if lender is None else lender.lend(recording, request)


def stand_down(context: Context) -> None:
    """Tells the framework's run around a client call that another instrumentor records it."""
    lender = lender_in(context)
    if lender is not None:
        lender.stand_down()


def lender_in(context: Context) -> Lender | None:
    """Returns the run that a client call in ``context`` belongs to."""
    return (running_stream() if _streams else None) or cast("Lender | None", context.get(_LENDER))


# --- streams that are read where their context is not in force --------------------------------------------


class StreamLender(Lender, Protocol):
    """A run whose client call is made when its generator is first read, wherever that may be."""

    @property
    def frame(self) -> FrameType | None:
        """The frame of the generator; ``None`` when that has ended or is gone."""


_streams: dict[int, StreamLender] = {}
"""Runs whose stream has been handed out and not been asked for anything yet."""


def await_stream(lender: StreamLender) -> None:
    """Lets ``lender`` lend to client calls that are made while its generator runs."""
    _streams[id(lender)] = lender


def forget_stream(lender: StreamLender) -> None:
    """Ends ``await_stream``."""
    _streams.pop(id(lender), None)


def running_stream() -> StreamLender | None:
    """Returns the run whose generator's code is running now, in this thread and task, if there is one."""
    if not _streams:
        return None
    frames = {frame: lender for lender in list(_streams.values()) if (frame := lender.frame) is not None}
    caller: FrameType | None = sys._getframe(1)
    for _ in range(_MAX_FRAMES):
        if caller is None:
            return None
        if caller in frames:
            return frames[caller]
        caller = caller.f_back
    return None
