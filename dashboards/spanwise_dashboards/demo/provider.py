"""A small server that speaks OpenAI's protocol on loopback, for running the demo without a key.

It has no model: chat answers are sentences extracted from the passages in the prompt, embeddings are hashed
words. Streams, tool calls, usage with cached and reasoning tokens, and errors come as the real API sends
them.
"""

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from spanwise_dashboards.demo.texts import count_tokens, embed, extract

CHUNK_WORDS = 3
SECONDS_PER_WORD = 0.012
FIRST_TOKEN_S = 0.12
CACHE_BLOCK = 128
RATE_LIMITED = "rate-limited-model"
UNKNOWN = "retired-model"
_NO_ANSWER = "The help pages do not say. I can hand this over to a person."


class Provider:
    """The server; a context manager whose ``url`` is an OpenAI base URL."""

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="demo-provider", daemon=True)

    @property
    def url(self) -> str:
        """The base URL to give to a client."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> "Provider":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answers chat completions and embeddings."""
        length = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(length) or b"{}")
        refusal = _refusal(body)
        if refusal:
            self._send(*refusal)
        elif self.path.endswith("/embeddings"):
            self._send(200, embeddings(body))
        elif body.get("stream"):
            self._stream(body)
        else:
            answer = chat(body)
            time.sleep(FIRST_TOKEN_S + SECONDS_PER_WORD * answer["usage"]["completion_tokens"] / 2)
            self._send(200, answer)

    def _send(self, status: int, document: dict[str, Any]) -> None:
        payload = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(payload)))
        self.send_header("x-request-id", f"req_{time.time_ns():x}")
        self.end_headers()
        self.wfile.write(payload)

    def _stream(self, body: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        time.sleep(FIRST_TOKEN_S * 2)
        for chunk in stream(body):
            self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
            self.wfile.flush()
            time.sleep(SECONDS_PER_WORD * CHUNK_WORDS)
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Keeps the demo's screen quiet."""


def _refusal(body: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
    model = body.get("model")
    if model == RATE_LIMITED:
        return 429, _error(
            "Rate limit reached for this model. Please try again later.", "rate_limit_exceeded"
        )
    if model == UNKNOWN:
        return 404, _error(f"The model `{model}` does not exist.", "model_not_found")
    return None


def _error(message: str, code: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}


def embeddings(body: dict[str, Any]) -> dict[str, Any]:
    """Returns the answer to an embeddings request."""
    given = body.get("input", [])
    texts = [given] if isinstance(given, str) else list(given)
    used = sum(count_tokens(text) for text in texts)
    data = [{"object": "embedding", "index": i, "embedding": embed(text)} for i, text in enumerate(texts)]
    return {
        "object": "list",
        "model": body.get("model"),
        "data": data,
        "usage": {"prompt_tokens": used, "total_tokens": used},
    }


def chat(body: dict[str, Any]) -> dict[str, Any]:
    """Returns the answer to a chat request that is not streamed."""
    message, reason = answer_of(body)
    return {
        "id": _answer_id(body),
        "object": "chat.completion",
        "created": int(time.time()),
        "model": body.get("model"),
        "choices": [{"index": 0, "message": message, "finish_reason": reason, "logprobs": None}],
        "usage": usage_of(body, message),
    }


def stream(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yields the chunks of a streamed answer; usage comes last when ``stream_options`` asks for it."""
    message, reason = answer_of(body)
    head = {
        "id": _answer_id(body),
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": body.get("model"),
    }
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    if message.get("tool_calls"):
        deltas += [{"tool_calls": [{"index": i, **call}]} for i, call in enumerate(message["tool_calls"])]
    else:
        parts = (message["content"] or "").split(" ")
        for start in range(0, len(parts), CHUNK_WORDS):
            piece = " ".join(parts[start : start + CHUNK_WORDS])
            deltas.append({"content": piece if start == 0 else f" {piece}"})
    for delta in deltas:
        yield {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}
    if (body.get("stream_options") or {}).get("include_usage"):
        yield {**head, "choices": [], "usage": usage_of(body, message)}


def answer_of(body: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Returns the assistant's message and its finish reason: a tool call, or an extract of the passages."""
    messages = body.get("messages", [])
    last = messages[-1] if messages else {}
    if last.get("role") == "tool":
        return {"role": "assistant", "content": _from_tool(messages), "refusal": None}, "stop"
    question = str(last.get("content") or "")
    wanted = _tool_for(question, body.get("tools") or [])
    if wanted:
        return {"role": "assistant", "content": None, "tool_calls": [wanted], "refusal": None}, "tool_calls"
    context = "\n".join(
        str(m.get("content") or "") for m in messages if m.get("role") in ("system", "developer")
    )
    passages = context.partition("Passages:")[2]
    text = extract(question, passages) or _NO_ANSWER
    limit = body.get("max_tokens") or body.get("max_completion_tokens")
    if limit and count_tokens(text) > limit:
        return {"role": "assistant", "content": text[: limit * 4], "refusal": None}, "length"
    return {"role": "assistant", "content": text, "refusal": None}, "stop"


def _tool_for(question: str, tools: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Returns a call of the first tool whose keywords, at the end of its description, are in the question."""
    lowered = question.lower()
    for tool in tools:
        held = tool.get("function", {})
        keywords = str(held.get("description", "")).partition("Keywords:")[2].strip(" .").split(", ")
        if any(word and word in lowered for word in keywords):
            arguments = {
                name: _argument(name, spec, lowered)
                for name, spec in held.get("parameters", {}).get("properties", {}).items()
            }
            digest = hashlib.sha256(question.encode()).hexdigest()[:20]
            call = {"name": held.get("name"), "arguments": json.dumps(arguments)}
            return {"id": f"call_{digest}", "type": "function", "function": call}
    return None


def _argument(name: str, spec: dict[str, Any], question: str) -> Any:
    for choice in spec.get("enum", []):
        if str(choice) in question:
            return choice
    if spec.get("type") in ("integer", "number"):
        digits = "".join(c if c.isdigit() else " " for c in question).split()
        return int(digits[0]) if digits else spec.get("default", 1000)
    return spec.get("default", spec.get("enum", [""])[0])


def _from_tool(messages: list[dict[str, Any]]) -> str:
    result = str(messages[-1].get("content") or "")
    try:
        held = json.loads(result)
    except ValueError:
        return f"The tool answered: {result}"
    if isinstance(held, dict) and "error" in held:
        return f"I could not look that up: {held['error']}"
    if isinstance(held, dict):
        facts = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in held.items())
        return f"I looked it up: {facts}."
    return f"I looked it up: {held}."


def usage_of(body: dict[str, Any], message: dict[str, Any]) -> dict[str, Any]:
    """Returns the usage of an answer; a long constant system prompt counts as cached, as providers do."""
    messages = body.get("messages", [])
    sent = sum(count_tokens(json.dumps(item)) for item in [*messages, *(body.get("tools") or [])])
    said = count_tokens(str(message.get("content") or json.dumps(message.get("tool_calls"))))
    first = count_tokens(str(messages[0].get("content") or "")) if messages else 0
    cached = first // CACHE_BLOCK * CACHE_BLOCK if len(messages) > 2 else 0
    thought = 3 * said if str(body.get("model", "")).startswith("o") else 0
    return {
        "prompt_tokens": sent,
        "completion_tokens": said + thought,
        "total_tokens": sent + said + thought,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": thought, "audio_tokens": 0},
    }


def _answer_id(body: dict[str, Any]) -> str:
    seed = json.dumps(body, sort_keys=True, default=str) + str(time.time_ns())
    return f"chatcmpl-{hashlib.sha256(seed.encode()).hexdigest()[:24]}"
