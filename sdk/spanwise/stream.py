"""Following a stream in place: the same items, each folded, the span ended exactly once.

Real generators, because that is what client libraries keep inside their stream objects: a generator ends by
exhaustion, error, ``close()`` or garbage collection, and each of these reaches it. The span's context is
attached only while the library computes the next item, never while the application holds one.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from typing import Any

from spanwise import guard
from spanwise.finalizer import close_from_finalizer, unregistered
from spanwise.recording import CallRecording
from spanwise.suppression import attach, detach

Fold = Any
"""``fold(state, chunk)`` of a reader, or ``None``."""


def follow(items: "Iterator[Any]", recording: CallRecording) -> "Generator[Any, None, None]":
    """Yields the items of a synchronous stream and ends the recording with it."""
    context, fold, state = recording.context, None, None
    is_first = True
    try:
        while True:
            token = attach(context)
            try:
                item = next(items)
            except StopIteration:
                break
            finally:
                detach(token)
            if is_first:
                is_first = False
                recording.first_chunk()
                fold, state = _fold_of(recording)
            if fold is not None:
                try:
                    fold(state, item)
                except Exception as error:  # noqa: BLE001
                    fold = None
                    _report(error)
            yield item
    except GeneratorExit:
        close_from_finalizer(recording.close)
        _close(items)
        raise
    except BaseException as error:
        recording.fail(error)
        raise
    recording.complete()


async def afollow(items: "AsyncIterator[Any]", recording: CallRecording) -> "AsyncGenerator[Any, None]":
    """Yields the items of an asynchronous stream and ends the recording with it."""
    context, fold, state = recording.context, None, None
    is_first = True
    try:
        while True:
            token = attach(context)
            try:
                item = await (unregistered(items.__anext__) if is_first else items.__anext__())
            except StopAsyncIteration:
                break
            finally:
                detach(token)
            if is_first:
                is_first = False
                recording.first_chunk()
                fold, state = _fold_of(recording)
            if fold is not None:
                try:
                    fold(state, item)
                except Exception as error:  # noqa: BLE001
                    fold = None
                    _report(error)
            yield item
    except GeneratorExit:
        recording.close()
        await _aclose(items)
        raise
    except BaseException as error:
        recording.fail(error)
        raise
    recording.complete()


def _fold_of(recording: CallRecording) -> "tuple[Fold, Any]":
    return (recording.fold, recording.state) if recording.state is not None else (None, None)


def _report(error: Exception) -> None:
    """Reports a chunk that could not be read; the rest of the stream passes unread rather than misread."""
    guard.fault("reading a stream's chunk", error)


def _close(items: Any) -> None:
    close = getattr(items, "close", None)
    if close is not None:
        close()


async def _aclose(items: Any) -> None:
    aclose = getattr(items, "aclose", None)
    if aclose is None:
        return
    try:
        await aclose()
    except RuntimeError as error:
        # A loop that ends closes all generators at once: this one and the one inside it.
        if "already running" not in str(error):
            raise
