"""Follows what a generated client returned, in place: the application gets the very same object.

A complete answer is read at once. A stream gets its inner iterator replaced, so that its own class, helpers
around it and ``async for`` stay as they are. A raw response with an unread body gets its ``iter_bytes``
watched, through which every other way of reading goes. Closing any of them ends the span.
"""

import weakref
from typing import Any

from spanwise.integrations._declaration import Recording
from spanwise.integrations._stainless_fields import loaded

_Steps = weakref.ReferenceType[Any]
"""A generator that steps through a body. Everything that hangs on a response holds it weakly: a cycle would
leave a dropped stream, and its connection, to the garbage collector."""


def observe(result: Any, recording: Recording) -> Any:
    """Reads or follows a client's result, a foreign type of many kinds, and returns it."""
    if hasattr(type(result), "construct"):  # a model: asking it for anything else is slow
        recording.respond(result)
    elif hasattr(type(result), "__stream__") and hasattr(result, "response"):
        _follow_stream(result, recording)
    elif hasattr(result, "http_response"):
        _follow_body(result.http_response, recording)
    elif hasattr(result, "is_stream_consumed"):  # the application asked for the HTTP response itself
        _follow_body(result, recording)
    else:
        recording.respond(result)
    return result


def _follow_stream(stream: Any, recording: Recording) -> None:
    inner = stream._iterator
    is_async = hasattr(type(stream), "__anext__")
    stream._iterator = recording.aiterate(inner) if is_async else recording.iterate(inner)
    steps: list[_Steps] = [weakref.ref(inner)]
    # Older stream helpers, and some applications, read the response past the stream they were given.
    _watch_bytes(stream.response, recording, steps)
    _end_at_close(stream.response, recording, steps)


def _follow_body(response: Any, recording: Recording) -> None:
    if response.is_closed:
        recording.respond(loaded(response.content))
        return
    steps: list[_Steps] = []
    _watch_bytes(response, recording, steps)
    _end_at_close(response, recording, steps)


def _watch_bytes(response: Any, recording: Recording, steps: list[_Steps]) -> None:
    """Replaces the two methods that all other ways of reading the body call.

    A body that a stream steps through is left alone: its items are followed already.
    """
    kind, ref = type(response), weakref.ref(response)

    def iter_bytes(chunk_size: int | None = None) -> Any:
        inner = kind.iter_bytes(ref(), chunk_size)
        if _is_stepping(steps):
            return inner
        steps.append(weakref.ref(inner))
        return recording.iterate(inner)

    def aiter_bytes(chunk_size: int | None = None) -> Any:
        inner = kind.aiter_bytes(ref(), chunk_size)
        if _is_stepping(steps):
            return inner
        steps.append(weakref.ref(inner))
        return recording.aiterate(inner)

    response.iter_bytes, response.aiter_bytes = iter_bytes, aiter_bytes


def _end_at_close(response: Any, recording: Recording, steps: list[_Steps]) -> None:
    """Ends the span when the response is closed from outside of its own iteration.

    A generator closes the response in its own last step, successful or not; the outcome of that step is
    recorded by the iterator around it. A dropped stream is part of a cycle: the collector clears our weak
    reference before it closes the generators inside, and then the connection is what is left to close.
    """
    kind, ref, connection = type(response), weakref.ref(response), response.stream
    # Somebody else may have replaced the methods on this object before us.
    earlier = {name: vars(response)[name] for name in ("close", "aclose") if name in vars(response)}

    def close() -> None:
        try:
            if "close" in earlier:
                earlier["close"]()
            elif (alive := ref()) is not None:
                kind.close(alive)
            else:
                connection.close()
        finally:
            if not _is_stepping(steps):
                recording.close()

    async def aclose() -> None:
        try:
            if "aclose" in earlier:
                await earlier["aclose"]()
            elif (alive := ref()) is not None:
                await kind.aclose(alive)
            else:
                await connection.aclose()
        finally:
            if not _is_stepping(steps):
                recording.close()

    response.close, response.aclose = close, aclose


def _is_stepping(steps: list[_Steps]) -> bool:
    running = (step() for step in steps)
    return any(getattr(step, "gi_running", False) or getattr(step, "ag_running", False) for step in running)
