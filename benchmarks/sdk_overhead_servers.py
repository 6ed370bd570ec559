"""The two servers of ``sdk_overhead``, in a process of their own so that their CPU is not counted.

One speaks OpenAI's and Anthropic's protocols with canned answers, the other takes OTLP and counts the spans.
Both are as small as HTTP/1.1 allows, so that what is measured is the client. Prints both ports, then serves
until killed.
"""

import asyncio
import gzip
import itertools
import json
import re

ANSWER = (
    "A traced call takes a little longer than a bare one: the request is read, a span is started, and when "
    "the answer has come, it is read too. Most of that is done while the network would have been waited for "
    "anyway, and the rest, encoding and sending, happens in the background.\n\n"
) * 3
_STREAM_LENGTH = re.compile(rb'"max_tokens": ?(\d+)')
_SPAN = re.compile(rb"\x0a\x10.{16}\x12\x08.{8}", re.DOTALL)
"""How a span begins: its trace id and its own."""
_PROMPT = b"How long does a call take when it is traced"


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


def message() -> bytes:
    """Returns an answer of Anthropic's with the same text."""
    return json.dumps({**_message_head(), "content": [{"type": "text", "text": ANSWER}]}).encode()


def _message_head() -> dict[str, object]:
    return {
        "id": "msg_benchmark",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-4-5-20251001",
        "content": [],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 556,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 64,
            "output_tokens": 180,
            "service_tier": "standard",
        },
    }


def message_stream(chunks: int) -> bytes:
    """Returns the body of a streamed answer of Anthropic's of that many deltas."""
    words = itertools.islice(itertools.cycle(ANSWER.split()), chunks)
    events: list[dict[str, object]] = [
        {"type": "message_start", "message": {**_message_head(), "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    ]
    events += [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": f" {word}"}}
        for word in words
    ]
    events += [
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": chunks},
        },
        {"type": "message_stop"},
    ]
    return b"".join(
        b"event: %b\ndata: %b\n\n" % (str(e["type"]).encode(), json.dumps(e).encode()) for e in events
    )


def embeddings() -> bytes:
    """Returns four vectors of 256 numbers."""
    vector = [round(0.001 * place, 3) for place in range(256)]
    return json.dumps(
        {
            "object": "list",
            "model": "text-embedding-3-small",
            "data": [{"object": "embedding", "index": place, "embedding": vector} for place in range(4)],
            "usage": {"prompt_tokens": 480, "total_tokens": 480},
        }
    ).encode()


def failure() -> bytes:
    """Returns the body of an answer with status 400, which both clients can read."""
    error = {"type": "invalid_request_error", "message": "no such model", "code": None, "param": "model"}
    return json.dumps({"type": "error", "error": error}).encode()


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
            status = b"400 Bad Request" if body is _FAILURE else b"200 OK"
            self._transport.write(
                b"HTTP/1.1 %b\r\nx-spanwise: benchmark\r\n"
                b"content-type: %b\r\ncontent-length: %d\r\n\r\n%b" % (status, kind, len(body), body)
            )

    def reply(self, head: bytes, body: bytes) -> tuple[bytes, bytes]:
        """Returns content type and body of the answer."""
        raise NotImplementedError


_FAILURE = failure()


class Model(Http):
    """Answers calls; the length of a stream is the request's ``max_tokens``."""

    _chat, _message, _embeddings = answer(), message(), embeddings()
    _streams: dict[tuple[bool, int], bytes] = {}  # noqa: RUF012 - a cache shared by all connections

    def reply(self, head: bytes, body: bytes) -> tuple[bytes, bytes]:
        """Answers a call, by its path and its model's name."""
        if b'-error"' in body or b'"error"' in body:
            return b"application/json", _FAILURE
        if b"/embeddings" in head[:100]:
            return b"application/json", self._embeddings
        is_anthropic = b"/v1/messages" in head[:100]
        if b'"stream":true' not in body and b'"stream": true' not in body:
            return b"application/json", self._message if is_anthropic else self._chat
        found = _STREAM_LENGTH.search(body)
        key = is_anthropic, int(found[1]) if found else 20
        if key not in self._streams:
            self._streams[key] = message_stream(key[1]) if is_anthropic else stream(key[1])
        return b"text/event-stream", self._streams[key]


class Sink(Http):
    """Accepts every span; ``GET`` answers how many there were and how many requests had a prompt in them."""

    spans = 0
    prompts = 0

    def reply(self, head: bytes, body: bytes) -> tuple[bytes, bytes]:
        """Counts spans, or tells how many there were."""
        if head.startswith(b"POST"):
            if b"content-encoding: gzip" in head.lower():
                body = gzip.decompress(body)
            Sink.spans += len(_SPAN.findall(body))
            Sink.prompts += body.count(_PROMPT) > 0
            return b"application/x-protobuf", b""
        return b"application/json", json.dumps({"spans": Sink.spans, "prompts": Sink.prompts}).encode()


async def serve() -> None:
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(kind, "127.0.0.1", 0) for kind in (Model, Sink)]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve())
