"""The two servers of ``sdk_overhead``, in a process of their own so that their CPU is not counted.

One speaks OpenAI's chat protocol with a canned answer, the other takes OTLP and counts the spans. Both are as
small as HTTP/1.1 allows, so that what is measured is the client. Prints both ports, then serves until killed.
"""

import asyncio
import itertools
import json
import re

ANSWER = (
    "A traced call takes a little longer than a bare one: the request is read, a span is started, and when "
    "the answer has come, it is read too. Most of that is done while the network would have been waited for "
    "anyway, and the rest, encoding and sending, happens in the background.\n\n"
) * 3
_STREAM_LENGTH = re.compile(rb'"max_tokens": ?(\d+)')
_SPAN_ID = b"\x12\x08"


def answer() -> bytes:
    """Returns a chat completion of about 800 characters of content."""
    return json.dumps(
        {
            "id": "chatcmpl-benchmark",
            "object": "chat.completion",
            "created": 1_700_000_000,
            "model": "gpt-4o-mini-2024-07-18",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": ANSWER},
                    "finish_reason": "stop",
                    "logprobs": None,
                }
            ],
            "usage": {
                "prompt_tokens": 620,
                "completion_tokens": 180,
                "total_tokens": 800,
                "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 12, "audio_tokens": 0},
            },
            "service_tier": "default",
            "system_fingerprint": "fp_benchmark",
        }
    ).encode()


def stream(chunks: int) -> bytes:
    """Returns the body of a streamed answer of that many content chunks, as server-sent events."""
    head = {
        "id": "chatcmpl-benchmark",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "gpt-4o-mini-2024-07-18",
        "system_fingerprint": "fp_benchmark",
    }
    words = itertools.islice(itertools.cycle(ANSWER.split()), chunks)
    events = [
        {**head, "choices": [{"index": 0, "delta": {"content": f" {word}"}, "finish_reason": None}]}
        for word in words
    ]
    events.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    return (
        b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + b"data: [DONE]\n\n"
    )


class Http(asyncio.Protocol):
    """Reads requests with a content length and answers each by ``reply``."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Is called by the event loop."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._received = b""

    def data_received(self, data: bytes) -> None:
        """Is called by the event loop."""
        self._received += data
        while True:
            head, found, rest = self._received.partition(b"\r\n\r\n")
            if not found:
                return
            length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
            size = int(length[1]) if length else 0
            if len(rest) < size:
                return
            self._received = rest[size:]
            kind, body = self.reply(head, rest[:size])
            self._transport.write(
                b"HTTP/1.1 200 OK\r\nx-spanwise: benchmark\r\n"
                b"content-type: %b\r\ncontent-length: %d\r\n\r\n%b" % (kind, len(body), body)
            )

    def reply(self, head: bytes, body: bytes) -> tuple[bytes, bytes]:
        """Returns content type and body of the answer."""
        raise NotImplementedError


class Model(Http):
    """Answers chat completions; the length of a stream is the request's ``max_tokens``."""

    _answer = answer()
    _streams: dict[int, bytes] = {}  # noqa: RUF012 - a cache shared by all connections

    def reply(self, head: bytes, body: bytes) -> tuple[bytes, bytes]:
        """Answers a chat completion."""
        if b'"stream":true' not in body and b'"stream": true' not in body:
            return b"application/json", self._answer
        found = _STREAM_LENGTH.search(body)
        chunks = int(found[1]) if found else 20
        if chunks not in self._streams:
            self._streams[chunks] = stream(chunks)
        return b"text/event-stream", self._streams[chunks]


class Sink(Http):
    """Accepts every span; ``GET`` answers how many there were and how many of them had content."""

    spans = 0
    with_content = 0

    def reply(self, head: bytes, body: bytes) -> tuple[bytes, bytes]:
        """Counts spans, or tells how many there were."""
        if head.startswith(b"POST"):
            Sink.spans += body.count(b"gen_ai.request.model")
            Sink.with_content += body.count(b"gen_ai.input.messages")
            return b"application/x-protobuf", b""
        return b"application/json", json.dumps({"spans": Sink.spans, "content": Sink.with_content}).encode()


async def serve() -> None:
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(kind, "127.0.0.1", 0) for kind in (Model, Sink)]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve())
