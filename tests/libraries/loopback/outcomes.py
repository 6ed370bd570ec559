"""How every way to call a chat model may end, for a client library that a test class describes.

A test class inherits from ``Outcomes``, says how its library is called, and gets the tests: synchronous and
asynchronous, plain and streamed; answered, refused by the provider, no network, broken off, closed early,
dropped, cancelled. What is compared is the one span, and what the application gets.
"""

import asyncio
import gc
import inspect
import json
import re
from typing import Any, ClassVar

import pytest
from cassettes import made_up
from comparison import summary
from loopback import Loopback
from span_memory import SpanMemory, traced

CASES = [(False, False), (False, True), (True, False), (True, True)]
WAYS = pytest.mark.parametrize(
    ("is_async", "is_stream"), CASES, ids=["sync", "sync-stream", "async", "async-stream"]
)
BOTH = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])


class Outcomes:
    """Describe the library in a class attribute each."""

    libraries: tuple[str, ...]
    path: str
    answer: Any
    """The unstreamed answer."""
    stream: bytes
    """The same answer, streamed, in chunks of three characters of ``text``."""
    stream_type = "text/event-stream"
    is_followed_by_bytes = False
    """True where the span has what has arrived, which may be more than the application has read."""
    text: str
    expected: dict[str, Any]
    """``summary`` of the span of either."""
    refusal: ClassVar[Any] = {"error": {"message": "No such model", "code": "gone", "type": "invalid"}}
    words = "No such model"
    """What the client's exception, and the span, say about it: a pattern."""
    refused: str | tuple[str, ...]
    """Name of what the client raises at a refusal."""
    unreachable: str | tuple[str, ...]
    """Name of what the client raises when nobody listens."""
    broken: str | tuple[str, ...]
    """Name of what the client raises when a stream breaks off."""

    def client(self, url: str, is_async: bool) -> Any:
        """Returns a client that sends to ``url`` and never retries."""
        raise NotImplementedError

    def call(self, client: Any, is_stream: bool) -> Any:
        """Calls model ``m`` with the user's message ``Hello?``; the same for both kinds of client."""
        raise NotImplementedError

    def chunk_text(self, chunk: Any) -> str:
        """Returns the text of one chunk as the application sees it."""
        raise NotImplementedError

    def close(self, stream: Any) -> Any:
        """Closes a stream; may return an awaitable."""
        return (getattr(stream, "close", None) or stream.aclose)()

    # --- the calls ---

    def put(self, loopback: Loopback, key: str, is_stream: bool, **further: Any) -> str:
        headers = {"content-type": self.stream_type if is_stream else "application/json"}
        body = self.stream if is_stream else self.answer
        return loopback.put(made_up(f"{key}-{is_stream}", self.path, body, headers=headers, **further))

    async def run(self, url: str, is_async: bool, is_stream: bool, read: int | None = None) -> Any:
        """Makes the call and reads the answer, of a stream ``read`` chunks or all; returns it."""
        client = self.client(url, is_async)
        try:
            answer = self.call(client, is_stream)
            if is_async and inspect.isawaitable(answer):
                answer = await answer
            if not is_stream:
                return answer
            return await self.read(answer, is_async, read)
        finally:
            await self.end(client)

    async def read(self, stream: Any, is_async: bool, count: int | None) -> list[Any]:
        chunks: list[Any] = []
        if is_async:
            async for chunk in stream:
                chunks.append(chunk)
                if len(chunks) == count:
                    await self.close(stream)
                    break
            return chunks
        for chunk in stream:
            chunks.append(chunk)
            if len(chunks) == count:
                self.close(stream)
                break
        return chunks

    async def end(self, client: Any) -> None:
        """Gives the client's connections back."""
        close = getattr(client, "close", None)
        closed = close() if close else None
        if inspect.isawaitable(closed):
            await closed

    def only(self, memory: SpanMemory) -> dict[str, Any]:
        spans = memory.take()
        assert len(spans) == 1, [span["name"] for span in spans]
        return spans[0]

    # --- answered ---

    @WAYS
    async def test_answer(
        self, memory: SpanMemory, loopback: Loopback, is_async: bool, is_stream: bool
    ) -> None:
        answer = await self.run(self.put(loopback, "ok", is_stream), is_async, is_stream)
        span = self.only(memory)
        assert summary(span) == self.expected
        assert ("gen_ai.response.time_to_first_chunk" in span["attributes"]) is is_stream
        assert "spanwise.stream.incomplete" not in span["attributes"]
        assert span["attributes"]["server.port"] == int(loopback.url.rpartition(":")[2])
        if is_stream:
            assert "".join(self.chunk_text(chunk) for chunk in answer) == self.text

    @WAYS
    async def test_types_are_the_librarys_own(
        self, loopback: Loopback, is_async: bool, is_stream: bool
    ) -> None:
        url = self.put(loopback, "ok", is_stream)

        async def kinds() -> list[type]:
            client = self.client(url, is_async)
            answer = self.call(client, is_stream)
            found = [type(answer)]
            if is_async and inspect.isawaitable(answer):
                answer = await answer
                found.append(type(answer))
            if is_stream:
                found += [type(chunk) for chunk in await self.read(answer, is_async, None)]
            await self.end(client)
            return found

        plain = await kinds()
        with traced(self.libraries) as memory:
            assert await kinds() == plain
            assert len(memory.take()) == 1

    @WAYS
    async def test_no_content_where_it_is_off(
        self, loopback: Loopback, is_async: bool, is_stream: bool
    ) -> None:
        with traced(self.libraries, capture="NO_CONTENT") as memory:
            await self.run(self.put(loopback, "ok", is_stream), is_async, is_stream)
            span = self.only(memory)
        bare = {"input": [], "output": [], "tools": [], "embedded": None}
        assert summary(span) == self.expected | bare
        assert memory.content == {}

    # --- failed ---

    @WAYS
    async def test_refusal(
        self, memory: SpanMemory, loopback: Loopback, is_async: bool, is_stream: bool
    ) -> None:
        url = loopback.put(made_up("gone", self.path, self.refusal, status=404))
        with pytest.raises(Exception, match=self.words) as raised:
            await self.run(url, is_async, is_stream)
        assert _names(raised.value) & _set(self.refused), _names(raised.value)
        span = self.only(memory)
        assert (span["status"], span["request_model"], span["output_messages"]) == ("error", "m", None)
        assert re.search(self.words, span["status_message"])
        assert span["attributes"]["http.response.status_code"] == 404
        assert span["error_type"] == "404" or _set(self.refused) & {span["error_type"].rpartition(".")[2]}

    @WAYS
    async def test_no_network(self, memory: SpanMemory, is_async: bool, is_stream: bool) -> None:
        with pytest.raises(Exception) as raised:  # noqa: PT011  each library has its own
            await self.run("http://127.0.0.1:9", is_async, is_stream)
        assert _names(raised.value) & _set(self.unreachable), _names(raised.value)
        span = self.only(memory)
        assert (span["status"], span["attributes"]["server.port"]) == ("error", 9)
        assert span["error_type"].rpartition(".")[2] in _names(raised.value)

    @BOTH
    async def test_stream_breaks_off(self, memory: SpanMemory, loopback: Loopback, is_async: bool) -> None:
        url = self.put(loopback, "cut", True, cut_after=self.cut_at())
        with pytest.raises(Exception) as raised:  # noqa: PT011
            await self.run(url, is_async, True)
        assert _names(raised.value) & _set(self.broken), _names(raised.value)
        span = self.only(memory)
        assert span["status"] == "error"
        assert span["error_type"].rpartition(".")[2] in _names(raised.value)
        assert summary(span)["output"] == [{"role": "assistant", "text": self.text[:6]}]
        assert span["attributes"]["spanwise.stream.incomplete"] is True

    def cut_at(self) -> int:
        """Returns where the stream has brought six characters, and a bit of the next chunk."""

        pieces = [json.dumps(self.text[at : at + 3])[1:-1].encode() for at in (0, 3, 6)]
        at = 0
        for piece in pieces:
            at = self.stream.index(piece, at) + len(piece)
        return at

    # --- left by the application ---

    @BOTH
    async def test_closed_early(self, memory: SpanMemory, loopback: Loopback, is_async: bool) -> None:
        url = self.put(loopback, "long", True)
        count = self.chunks_until_text()
        await self.run(url, is_async, True, read=count)
        span = self.only(memory)
        assert (span["status"], span["finish_reasons"]) == ("unset", None)
        (message,) = summary(span)["output"]
        if self.is_followed_by_bytes:
            assert message["text"].startswith(self.text[:3])
            assert self.text.startswith(message["text"])
        else:
            assert message == {"role": "assistant", "text": self.text[:3]}
        assert span["attributes"]["spanwise.stream.incomplete"] is True
        gc.collect()
        assert memory.take() == []

    def chunks_until_text(self) -> int:
        """How many chunks bring the first three characters."""
        return 1

    @BOTH
    async def test_dropped(self, memory: SpanMemory, loopback: Loopback, is_async: bool) -> None:
        client = self.client(self.put(loopback, "drop", True), is_async)
        stream = self.call(client, True)
        if is_async:
            stream = await stream if inspect.isawaitable(stream) else stream
            await stream.__anext__()
        else:
            next(iter(stream))
        del stream
        # The loop closes a dropped generator, and those inside it, one turn each; LiteLLM's own threads hold
        # on to a stream for a moment.
        for turn in range(500):
            if turn in (0, 10) or turn % 50 == 49:
                gc.collect()
            if memory.exporter.get_finished_spans():
                break
            await asyncio.sleep(0 if turn < 20 else 0.01)
        assert self.only(memory)["status"] == "unset"
        await self.end(client)

    @pytest.mark.parametrize("is_stream", [False, True], ids=["plain", "stream"])
    async def test_cancelled(self, memory: SpanMemory, loopback: Loopback, is_stream: bool) -> None:
        hold = self.cut_at() if is_stream else 5
        url = self.put(loopback, "hold", is_stream, hold_after=hold)
        task = asyncio.ensure_future(self.run(url, True, is_stream))
        await asyncio.to_thread(loopback.wait_held)
        await asyncio.sleep(0.02)  # what was sent has to be read before the call is cancelled
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        loopback.release()
        span = self.only(memory)
        assert (span["status"], span["error_type"].rpartition(".")[2]) == ("error", "CancelledError")
        if is_stream:
            assert summary(span)["output"] == [{"role": "assistant", "text": self.text[:6]}]


def _names(error: BaseException) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}


def _set(names: str | tuple[str, ...]) -> set[str]:
    return {names} if isinstance(names, str) else set(names)


def pieces(text: str) -> list[str]:
    """Returns a text in pieces of three characters, as streams bring it here."""
    return [text[at : at + 3] for at in range(0, len(text), 3)]
