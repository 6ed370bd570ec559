"""A loopback server that speaks OpenAI's protocol and behaves like a model: it calls tools, streams, embeds.

What the last message says decides: with tools on offer and no tool's answer yet, the first tool is called;
``hold`` stops a stream after its first piece until the client is gone. The model ``missing`` answers 404.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WORDS = ("Two ", "plus ", "two ", "is ", "four.")
TEXT = "".join(WORDS)
USAGE = {
    "prompt_tokens": 20,
    "completion_tokens": 5,
    "total_tokens": 25,
    "prompt_tokens_details": {"cached_tokens": 8},
    "completion_tokens_details": {"reasoning_tokens": 2},
}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that stop reading reset their connection."""


class ModelServer:
    """Runs while its context lasts; ``requests`` are the bodies that were sent."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.may_go_on = threading.Event()
        self._server = _Server(("127.0.0.1", 0), type("BoundHandler", (_Handler,), {"model": self}))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @contextmanager
    def running(self) -> "Iterator[ModelServer]":
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.may_go_on.set()
            self._server.shutdown()
            self._server.server_close()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    model: ModelServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        """Keeps test output quiet."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.model.requests.append(body)
        if body.get("model") == "missing":
            self._json(404, {"error": {"message": "no such model", "code": "model_not_found"}})
        elif self.path.endswith("/embeddings"):
            texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
            data = [{"object": "embedding", "index": n, "embedding": [0.5, 1.0]} for n, _ in enumerate(texts)]
            usage = {"prompt_tokens": 3, "total_tokens": 3}
            self._json(200, {"object": "list", "model": body["model"], "data": data, "usage": usage})
        elif self.path.endswith("/chat/completions"):
            (self._stream if body.get("stream") else self._whole)(body)
        else:
            choices = [
                {"index": n, "text": TEXT, "finish_reason": "stop"} for n, _ in enumerate(body["prompt"])
            ]
            self._json(200, _envelope(body, "text_completion") | {"choices": choices, "usage": USAGE})

    def _whole(self, body: dict[str, Any]) -> None:
        message: dict[str, Any] = {"role": "assistant", "content": TEXT}
        call = _tool_call(body)
        if call:
            message = {"role": "assistant", "content": None, "tool_calls": [call]}
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if call else "stop"}
        self._json(200, _envelope(body, "chat.completion") | {"choices": [choice], "usage": USAGE})

    def _stream(self, body: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        call = _tool_call(body)
        deltas = [{"tool_calls": [{"index": 0, **call}]}] if call else [{"content": word} for word in WORDS]
        for number, delta in enumerate(deltas):
            self._event(body, [{"index": 0, "delta": {"role": "assistant"} | delta, "finish_reason": None}])
            if not number and "hold" in str(body["messages"][-1].get("content")):
                self.model.may_go_on.wait(10)
        self._event(body, [{"index": 0, "delta": {}, "finish_reason": "tool_calls" if call else "stop"}])
        if (body.get("stream_options") or {}).get("include_usage"):
            self._event(body, [], usage=USAGE)
        self._chunk(b"data: [DONE]\n\n")
        self._chunk(b"")

    def _event(self, body: dict[str, Any], choices: list[Any], **more: Any) -> None:
        event = _envelope(body, "chat.completion.chunk") | {"choices": choices} | more
        self._chunk(b"data: " + json.dumps(event).encode() + b"\n\n")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _json(self, status: int, answer: Any) -> None:
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _envelope(body: dict[str, Any], kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-7", "object": kind, "created": 1_700_000_000, "model": body["model"] + "-0806"}


def _tool_call(body: dict[str, Any]) -> dict[str, Any] | None:
    tools = body.get("tools")
    if not tools or body["messages"][-1]["role"] == "tool":
        return None
    name = tools[0]["function"]["name"]
    arguments = json.dumps({"a": 2, "b": 2})
    return {"id": "call_1", "type": "function", "function": {"name": name, "arguments": arguments}}
