"""``huggingface_hub``'s InferenceClient and AsyncInferenceClient, with every inference provider.

Traced: chat, text generation and embeddings in full, every other task by its name, model and time. Both
clients send each request through one method, with its task, address and JSON; answers are bytes there, and
streams lines.
"""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from spanwise import messages, semconv
from spanwise.integrations import _openai_chat, _openai_completions, _openai_embeddings
from spanwise.integrations._declaration import Call, Integration, Reader, Recording, Target
from spanwise.integrations._hosts import server_of
from spanwise.integrations._stainless_fields import as_count, as_text, fields, given, items, loaded
from spanwise.messages import Message
from spanwise.operation import Request, Response, Usage
from spanwise.runtime import current

_OPERATIONS = {
    "conversational": semconv.OP_CHAT,
    "text-generation": semconv.OP_TEXT_COMPLETION,
    "feature-extraction": semconv.OP_EMBEDDINGS,
}
_ROUTER = "router.huggingface.co"
_PARAMETERS = (
    ("max_new_tokens", semconv.REQUEST_MAX_TOKENS),
    ("temperature", semconv.REQUEST_TEMPERATURE),
    ("top_p", semconv.REQUEST_TOP_P),
    ("top_k", semconv.REQUEST_TOP_K),
    ("seed", semconv.REQUEST_SEED),
    ("frequency_penalty", semconv.REQUEST_FREQUENCY_PENALTY),
)
_REASONS = {"eos_token": "stop"}


@dataclass(frozen=True, slots=True)
class _Address:
    """What ``server_of`` reads of an address that is text here."""

    host: str | None
    port: int | None
    scheme: str
    path: str


def _sent(call: Call) -> Any:
    """Returns the ``RequestParameters`` of a request (a foreign type, hence ``Any``)."""
    return call.args[0] if call.args else call.kwargs["request_parameters"]


def read_request(call: Call) -> Request:
    """Reads one request of either client."""
    sent = _sent(call)
    body = fields(sent.json)
    task = sent.task or "unknown"
    operation = _OPERATIONS.get(task, task.replace("-", "_"))
    wants = call.wants_content
    if operation == semconv.OP_CHAT:
        request = _openai_chat.read_request(body, wants)
    elif operation == semconv.OP_TEXT_COMPLETION:
        is_openai = "prompt" in body
        request = _openai_completions.read_request(body, wants) if is_openai else _generation(body, wants)
    elif operation == semconv.OP_EMBEDDINGS:
        request = _embedding(body, wants)
    else:
        request = Request(operation, semconv.PROVIDER_HUGGINGFACE)
    given_model = getattr(call.instance, "model", None)
    request.model = request.model or _name(sent.model) or _name(given_model)
    request.is_stream = bool(call.kwargs.get("stream"))
    _add_server(request, sent.url)
    call.memo = operation
    return request


def _name(model: Any) -> str | None:
    """Returns a model's name; an endpoint of one's own is given by its address, which is none."""
    name = as_text(model)
    return None if name is None or "://" in name else name


def _add_server(request: Request, url: str) -> None:
    """Adds who answers: Hugging Face's router, the provider behind it by itself, or a server of one's own."""
    parts = urlsplit(url)
    server = server_of(_Address(parts.hostname, parts.port, parts.scheme, parts.path))
    request.provider = server.provider or semconv.PROVIDER_HUGGINGFACE
    request.server_address, request.server_port = server.address, server.port
    if parts.hostname == _ROUTER:
        first = parts.path.strip("/").partition("/")[0]
        if first and first not in ("v1", "models"):
            request.attributes[semconv.INFERENCE_PROVIDER] = first


def _generation(body: Mapping[str, Any], wants_content: bool) -> Request:
    """Reads the body of text generation as Hugging Face's own servers take it."""
    request = Request(semconv.OP_TEXT_COMPLETION, semconv.PROVIDER_HUGGINGFACE)
    parameters = fields(body.get("parameters"))
    request.attributes = given((key, parameters.get(name)) for name, key in _PARAMETERS)
    stops = [stop for stop in items(parameters.get("stop")) if isinstance(stop, str)]
    if stops:
        request.attributes[semconv.REQUEST_STOP_SEQUENCES] = stops
    prompt = as_text(body.get("inputs"))
    if wants_content and prompt:
        request.input_messages = [{"role": "user", "parts": [messages.text(prompt)]}]
    return request


def _embedding(body: Mapping[str, Any], wants_content: bool) -> Request:
    texts = body.get("inputs", body.get("input"))
    return _openai_embeddings.read_request({**body, "input": texts}, wants_content)


def read_response(answer: Any, call: Call) -> Response:
    """Reads the bytes of an answer."""
    operation = call.memo
    if operation == semconv.OP_EMBEDDINGS:
        return _embeddings(answer, call.wants_content)
    if operation not in (semconv.OP_CHAT, semconv.OP_TEXT_COMPLETION):
        return Response()
    body = loaded(answer) if isinstance(answer, bytes) else answer
    if operation == semconv.OP_CHAT:
        return _openai_chat.read_response(body, call.wants_content)
    first = items(body)[0] if items(body) else body
    if "choices" in fields(first):
        return _openai_completions.read_response(first, call.wants_content)
    return _generated(fields(first), call.wants_content)


def _embeddings(answer: Any, wants_content: bool) -> Response:
    """Reads how long the vectors are: of nested lists from the first of them, the rest is not parsed."""
    start = bytes(answer[:64]).lstrip()
    if start[:1] == b"{":
        return _openai_embeddings.read_response(loaded(answer), wants_content)
    end = answer.find(b"]")
    length = answer.count(b",", 0, end) + 1 if end > 0 and start[:1] == b"[" else None
    response = Response(attributes=given([(semconv.EMBEDDINGS_DIMENSION_COUNT, length)]))
    runtime = current()
    if runtime is not None and runtime.config.capture_embeddings:
        parsed = items(loaded(answer))
        vectors = [parsed] if parsed and not items(parsed[0]) else list(parsed)
        if vectors and not items(vectors[0][0]):  # else a vector for each token
            response.vectors = vectors
    return response


def _generated(body: Mapping[str, Any], wants_content: bool) -> Response:
    """Reads generated text, with the details that are there when they were asked for."""
    details = fields(body.get("details"))
    reason = as_text(details.get("finish_reason"))
    folded = semconv.fold_finish_reason(_REASONS.get(reason, reason)) if reason else None
    output = as_count(details.get("generated_tokens"))
    prompt = as_count(details.get("input_length"))
    if prompt is None:
        prompt = len(items(details.get("prefill"))) or None
    response = Response(
        finish_reasons=[folded] if folded else None,
        usage=None if output is None else Usage(input_tokens=prompt, output_tokens=output),
    )
    text = as_text(body.get("generated_text"))
    if wants_content and text is not None:
        message: Message = {"role": "assistant", "parts": [messages.text(text)]}
        if folded:
            message["finish_reason"] = folded
        response.output_messages = [message]
    return response


class _Generation:
    """The fold of text generation streamed by Hugging Face's own servers: tokens, then the details."""

    def __init__(self, wants_content: bool) -> None:
        self._wants_content = wants_content
        self._texts: list[str] = []
        self._tokens = 0
        self._last: dict[str, Any] = {}

    def add(self, chunk: Any) -> None:
        """Adds one token; the last one brings the whole text and the details."""
        body = fields(chunk)
        token = fields(body.get("token"))
        self._tokens += bool(token)
        if self._wants_content and not token.get("special"):
            self._texts.append(as_text(token.get("text")) or "")
        if body.get("details") or body.get("generated_text"):
            self._last = dict(body)

    def response(self) -> Response:
        """Returns the answer so far."""
        body = dict(self._last)
        if not body.get("generated_text"):
            body["generated_text"] = "".join(self._texts)
        if not body.get("details") and self._tokens:
            body["details"] = {"generated_tokens": self._tokens}
        return _generated(body, self._wants_content)


class _Lines:
    """The fold of a stream's lines, in the format that its first event shows."""

    def __init__(self, operation: str, wants_content: bool) -> None:
        self._operation = operation
        self._wants_content = wants_content
        self._fold: Any = None

    def add(self, line: Any) -> None:
        """Adds one line of server-sent events; only those with data say something."""
        text = line.decode("utf-8", "replace") if isinstance(line, bytes) else str(line)
        if not text.startswith("data:"):
            return
        data = text[5:].strip()
        if not data or data == "[DONE]":
            return
        event = json.loads(data)
        if self._fold is None:
            self._fold = self._start(fields(event))
        self._fold.add(event)

    def _start(self, event: Mapping[str, Any]) -> Any:
        if self._operation == semconv.OP_CHAT:
            return _openai_chat.ChatFold(self._wants_content)
        if "choices" in event:
            return _openai_completions.CompletionFold(self._wants_content)
        return _Generation(self._wants_content)

    def response(self) -> Response:
        """Returns the answer so far."""
        return Response() if self._fold is None else self._fold.response()


def read_error(error: BaseException, call: Call) -> Response | None:
    """Reads the status of a refused request."""
    answer = getattr(error, "response", None)
    status = as_count(getattr(answer, "status_code", None)) or as_count(getattr(error, "status", None))
    return Response(attributes=given([(semconv.HTTP_RESPONSE_STATUS_CODE, status)]))


def _is_end(line: Any) -> bool:
    return line in (b"data: [DONE]", "data: [DONE]", b"data:[DONE]", "data:[DONE]")


def _to_end(lines: "Iterator[Any]") -> "Iterator[Any]":
    """Yields the lines up to the one that says that all is said.

    The client stops reading there without asking for more, so that the span would end only as garbage.
    """
    for line in lines:
        if _is_end(line):
            return
        yield line


async def _ato_end(lines: "AsyncIterator[Any]") -> "AsyncIterator[Any]":
    async for line in lines:
        if _is_end(line):
            return
        yield line


def observe(result: Any, recording: Recording) -> Any:
    """Follows a stream of lines; anything else is a whole answer."""
    if recording.call.kwargs.get("stream"):
        if isinstance(result, AsyncIterator):
            return recording.aiterate(_ato_end(result))
        if isinstance(result, Iterator):
            return recording.iterate(_to_end(result))
    recording.respond(result)
    return result


_READER = Reader(
    read_request,
    read_response,
    new_state=lambda call: _Lines(call.memo, call.wants_content),
    fold=_Lines.add,
    finish=_Lines.response,
    read_error=read_error,
    is_fresh=True,
)
_WHY = "sends every request of the client, whatever its task"

INTEGRATION = Integration(
    name="huggingface_hub",
    module="huggingface_hub",
    distribution="huggingface_hub",
    versions=">=0.31.4,<3",
    targets=(
        Target("huggingface_hub.inference._client:InferenceClient._inner_post", _READER, False, _WHY),
        Target(
            "huggingface_hub.inference._generated._async_client:AsyncInferenceClient._inner_post",
            _READER,
            True,
            _WHY,
        ),
    ),
    observe=observe,
    operations=(semconv.OP_CHAT, semconv.OP_TEXT_COMPLETION, semconv.OP_EMBEDDINGS),
    captures="messages, tools, parameters, finish reasons, tokens, the inference provider; of other tasks "
    "the name, model and time",
)
