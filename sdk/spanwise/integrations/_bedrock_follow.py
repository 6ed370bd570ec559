"""Follows what a Bedrock client returned, in place: bodies that are read later, and event streams.

A body keeps its type and is read by the application alone: whatever it reads is noted as it passes. All ways
of reading a ``StreamingBody`` go through its ``read``, but for those that go past it to the HTTP response
inside, which is watched too. An event stream gets its inner generator replaced.

Nothing that hangs on a body or a stream holds it strongly: a cycle would leave a dropped one, and its
connection, to the garbage collector.
"""

import inspect
import weakref
from collections.abc import Callable
from typing import Any

from spanwise import guard
from spanwise.integrations._declaration import Recording

_PLACES = ("body", "stream", "completion")
"""Where an answer keeps what is read later."""


def observe(result: Any, recording: Recording) -> Any:
    """Reads or follows the dictionary that a client returned, and returns it."""
    if isinstance(result, dict):
        recording.call.memo.metadata = result.get("ResponseMetadata")
        for place in _PLACES:
            held = result.get(place)
            if held is None:
                continue
            if hasattr(type(held), "_create_raw_event_generator"):
                _follow_events(held, recording)
                return result
            if hasattr(type(held), "read"):
                _follow_body(held, recording)
                return result
    recording.respond(result)
    return result


# --- event streams -----------------------------------------------------------------------------------------


def _follow_events(stream: Any, recording: Recording) -> None:
    inner, raw = stream._event_generator, stream._raw_stream
    is_async = hasattr(type(stream), "__anext__")
    stream._event_generator = recording.aiterate(inner) if is_async else recording.iterate(inner)
    kind, ref = type(stream), weakref.ref(stream)

    def parse_event(event: Any) -> Any:
        """An event may be an error, which the client raises here."""
        try:
            return kind._parse_event(ref(), event)
        except BaseException as error:
            recording.fail(error)
            raise

    async def parse_event_async(event: Any) -> Any:
        try:
            return await kind._parse_event(ref(), event)
        except BaseException as error:
            recording.fail(error)
            raise

    def close() -> None:
        alive = ref()
        try:
            raw.close() if alive is None else kind.close(alive)
        finally:
            recording.close()

    is_parser_async = inspect.iscoroutinefunction(kind._parse_event)
    stream._parse_event = parse_event_async if is_parser_async else parse_event
    stream.close = close


# --- bodies ------------------------------------------------------------------------------------------------


class _Pipe:
    """An iterator of what is put into it."""

    __slots__ = ("_is_over", "_item")

    def __init__(self) -> None:
        self._item: bytes = b""
        self._is_over = False

    def __next__(self) -> bytes:
        if self._is_over:
            raise StopIteration
        return self._item

    def put(self, item: bytes) -> None:
        self._item = item

    def end(self) -> None:
        self._is_over = True


class _Tee:
    """Notes what is read of one body, and ends the span with it. Nothing here raises."""

    __slots__ = ("_is_open", "_left", "_pipe", "_recording", "_steps", "amount", "depth")

    def __init__(self, recording: Recording, length: int | None) -> None:
        self._recording = recording
        self._pipe = _Pipe()
        # A generator, which ends the span when it is collected together with the body.
        self._steps = recording.iterate(self._pipe)
        self._is_open = True
        self._left = length
        self.amount = 0
        """Bytes read so far."""
        self.depth = 0
        """How many watched calls are running inside of each other: only the outermost takes note."""
        next(self._steps)

    def took(self, chunk: Any, *, is_end: bool) -> None:
        """Notes bytes that the application got. ``is_end`` when there can be no more."""
        try:
            self.amount += len(chunk)
            if not self._is_open:
                return
            if chunk:
                self._pipe.put(bytes(chunk))
                next(self._steps)
            if is_end or (self._left is not None and self.amount >= self._left):
                self._is_open = False
                self._pipe.end()
                next(self._steps, None)
        except Exception as error:  # noqa: BLE001  the application's read must not fail for it
            self._is_open = False
            guard.fault("following a body of bedrock", error)

    def fail(self, error: BaseException) -> None:
        """Ends the span as failed."""
        self._is_open = False
        self._recording.fail(error)

    def close(self) -> None:
        """Ends the span: the application is done with the body."""
        if self._is_open and not self.depth:
            self._is_open = False
            self._recording.close()


def _follow_body(body: Any, recording: Recording) -> None:
    is_async = inspect.iscoroutinefunction(type(body).read)
    raw = getattr(body, "__wrapped__" if is_async else "_raw_stream", None)
    length = getattr(body, "_self_content_length" if is_async else "_content_length", None)
    tee = _Tee(recording, int(str(length)) if str(length).isdecimal() else None)
    kind, ref = type(body), weakref.ref(body)

    def reader() -> Any:
        """Returns the body, or one like it where the application kept nothing but its ``read``."""
        alive = ref()
        if alive is None:
            alive = kind(raw, length)
            setattr(alive, "_self_amount_read" if is_async else "_amount_read", tee.amount)
        return alive

    watch = _watched_async if is_async else _watched
    body.read = watch(kind.read, reader, tee, _is_whole)
    if hasattr(kind, "readinto"):  # not in older versions
        body.readinto = watch(kind.readinto, reader, tee, _never, _filled)
    if not is_async:
        body.readlines = watch(kind.readlines, reader, tee, _always, b"".join)
        body.close = _closing(kind.close, reader, tee)
    try:
        _watch_response(raw, tee, is_async=is_async)
    except (AttributeError, TypeError):
        return  # bytes in memory, as stubs have: nothing can be set on them, and nobody reads past the body


def _watch_response(raw: Any, tee: _Tee, *, is_async: bool) -> None:
    """Watches the HTTP response inside of a body, which ``with body as response`` hands out."""
    kind, ref = type(raw), weakref.ref(raw)
    raw.read = (
        _watched_async(kind.read, ref, tee, _always) if is_async else _watched(kind.read, ref, tee, _is_whole)
    )
    raw.close = _closing(kind.close, ref, tee)
    if is_async:
        raw.release = _closing(kind.release, ref, tee)


def _is_whole(chunk: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Tells whether a ``read`` got all there is."""
    amount = args[0] if args else kwargs.get("amt")
    return amount is None or amount < 0 or (not chunk and amount != 0)


def _always(*_: Any) -> bool:
    return True


def _never(chunk: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    return not chunk


def _watched(
    read: Any,
    reader: Callable[[], Any],
    tee: _Tee,
    is_end: Callable[..., bool],
    bytes_of: Callable[..., Any] | None = None,
) -> Any:
    """Returns a method that reads like ``read`` and notes what was read."""

    def watched(*args: Any, **kwargs: Any) -> Any:
        tee.depth += 1
        try:
            result = read(reader(), *args, **kwargs)
        except BaseException as error:
            tee.depth -= 1
            _failed(tee, error)
            raise
        tee.depth -= 1
        _took(tee, result, is_end, bytes_of, args, kwargs)
        return result

    return watched


def _watched_async(
    read: Any,
    reader: Callable[[], Any],
    tee: _Tee,
    is_end: Callable[..., bool],
    bytes_of: Callable[..., Any] | None = None,
) -> Any:
    """Does the same for a method that is awaited."""

    async def watched(*args: Any, **kwargs: Any) -> Any:
        tee.depth += 1
        try:
            result = await read(reader(), *args, **kwargs)
        except BaseException as error:
            tee.depth -= 1
            _failed(tee, error)
            raise
        tee.depth -= 1
        _took(tee, result, is_end, bytes_of, args, kwargs)
        return result

    return watched


def _failed(tee: _Tee, error: BaseException) -> None:
    if not tee.depth:
        tee.fail(error)


def _took(
    tee: _Tee, result: Any, is_end: Any, bytes_of: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    if tee.depth:
        return
    try:
        chunk = _filled(result, args) if bytes_of is _filled else bytes_of(result) if bytes_of else result
        tee.took(chunk, is_end=is_end(chunk, args, kwargs))
    except Exception as error:  # noqa: BLE001  the application's read must not fail for it
        guard.fault("following a body of bedrock", error)


def _filled(count: int, args: tuple[Any, ...]) -> bytes:
    """Returns what ``readinto`` has written to the application's buffer."""
    return bytes(memoryview(args[0])[:count])


def _closing(close: Any, reader: Callable[[], Any], tee: _Tee) -> Any:
    def closing(*args: Any, **kwargs: Any) -> Any:
        try:
            return close(reader(), *args, **kwargs)
        finally:
            tee.close()

    return closing
