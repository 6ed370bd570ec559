"""Readers of Replicate's predictions: a model's input is a form of its own, its output can be anything.

Source: https://replicate.com/docs/reference/http
"""

import json
from collections.abc import Mapping
from typing import Any

from spanwise import messages, semconv
from spanwise.integrations._stainless_fields import (
    Parameters,
    as_count,
    as_number,
    as_text,
    as_texts,
    fields,
    given,
    items,
    parameters,
    plain,
)
from spanwise.messages import Message, Part
from spanwise.operation import Request, Response, Usage

PROVIDER = "replicate"

_PARAMETERS: Parameters = {
    "temperature": (semconv.REQUEST_TEMPERATURE, as_number),
    "top_p": (semconv.REQUEST_TOP_P, as_number),
    "top_k": (semconv.REQUEST_TOP_K, as_count),
    "max_tokens": (semconv.REQUEST_MAX_TOKENS, as_count),
    "max_new_tokens": (semconv.REQUEST_MAX_TOKENS, as_count),
    "max_completion_tokens": (semconv.REQUEST_MAX_TOKENS, as_count),
    "seed": (semconv.REQUEST_SEED, as_count),
    "presence_penalty": (semconv.REQUEST_PRESENCE_PENALTY, as_number),
    "frequency_penalty": (semconv.REQUEST_FREQUENCY_PENALTY, as_number),
    "num_outputs": (semconv.REQUEST_CHOICE_COUNT, as_count),
}
_PROMPTS = ("prompt", "text", "input", "message")
_SYSTEM = ("system_prompt", "system_instruction", "system")
_MODALITIES = {
    "image": ("png", "jpg", "jpeg", "webp", "gif", "svg", "avif"),
    "video": ("mp4", "webm", "mov"),
    "audio": ("wav", "mp3", "flac", "ogg", "m4a"),
}
_REASONS = {"succeeded": "stop", "failed": "error", "canceled": "error", "aborted": "error"}


def request_of(model: str | None, version: str | None, sent: Any, wants_content: bool) -> Request:
    """Returns the request of a prediction.

    Args:
        model: ``owner/name``, where that is known.
        version: The version's id.
        sent: The model's input: a form with fields of its own.
        wants_content: False leaves the input out.
    """
    form = fields(sent)
    request = Request(semconv.OP_GENERATE_CONTENT, PROVIDER, model)
    request.attributes = parameters(form, _PARAMETERS) | given([(semconv.MODEL_REVISION, version)])
    stops = form.get("stop_sequences") or form.get("stop")
    stops = [each for each in stops.split(",") if each] if isinstance(stops, str) else as_texts(stops)
    request.attributes |= given([(semconv.REQUEST_STOP_SEQUENCES, stops or None)])
    if wants_content:
        request.input_messages = _asked(form)
        system = next((text for name in _SYSTEM if (text := as_text(form.get(name)))), None)
        request.system_instructions = [messages.text(system)] if system else None
    return request


def _asked(form: Mapping[str, Any]) -> list[Message]:
    """Returns a chat's history, or the prompt with the files beside it as one message."""
    history = [fields(each) for each in items(form.get("messages"))]
    if history and all("role" in each for each in history):
        return [{"role": str(each["role"]), "parts": parts_of(each.get("content"))} for each in history]
    parts = [messages.text(text) for name in _PROMPTS if (text := as_text(form.get(name)))][:1]
    for name, value in form.items():
        if name not in _PROMPTS:
            parts += [_file(each) for each in (items(value) or [value]) if _is_file(each)]
    return [{"role": "user", "parts": parts or [messages.text(json.dumps(plain(form)))]}]


def response_of(prediction: Any, output: Any, wants_content: bool) -> Response:
    """Returns what is known of a prediction.

    Args:
        prediction: Its JSON or object in the last state that was seen, if any.
        output: What the app got, which may be more than the prediction holds.
        wants_content: False leaves the output out.
    """
    told = fields(prediction)
    metrics = fields(told.get("metrics"))
    status = as_text(told.get("status"))
    reason = _REASONS.get(status or "", None if told or output is None else "stop")
    response = Response(id=as_text(told.get("id")), model=as_text(told.get("model")), usage=_usage(metrics))
    response.attributes = given([(semconv.MODEL_REVISION, as_text(told.get("version")))])
    if reason:
        response.finish_reasons = [reason]
    if status == "failed":
        response.error_type, response.error_message = "failed", as_text(told.get("error"))
    if output is None:
        output = told.get("output")
    if wants_content and output is not None:
        message: Message = {"role": "assistant", "parts": parts_of(output)}
        if reason:
            message["finish_reason"] = reason
        response.output_messages = [message]
    return response


def _usage(metrics: Mapping[str, Any]) -> Usage | None:
    sent = as_count(metrics.get("input_token_count", metrics.get("token_input_count")))
    received = as_count(metrics.get("output_token_count", metrics.get("token_output_count")))
    return None if sent is None and received is None else Usage(input_tokens=sent, output_tokens=received)


def parts_of(output: Any) -> list[Part]:
    """Returns a model's output as parts: text, files by address, anything else as JSON."""
    parts: list[Part] = []
    words: list[str] = []
    for each in output if isinstance(output, (list, tuple)) else [output]:
        if isinstance(each, str) and not _is_file(each):
            words.append(each)
            continue
        if words:
            parts.append(messages.text("".join(words)))
            words = []
        parts.append(_file(each) if _is_file(each) else messages.text(json.dumps(plain(each))))
    return [*parts, messages.text("".join(words))] if words else parts


def _is_file(value: Any) -> bool:
    """Tells whether a value is a file: its address, one with its bytes in it, or the client's object."""
    if isinstance(value, str):
        return value.startswith(("https://", "http://", "data:")) and not any(map(str.isspace, value))
    return type(value).__name__ == "FileOutput"


def _file(value: Any) -> Part:
    address = value if isinstance(value, str) else str(getattr(value, "url", ""))
    if address.startswith("data:"):
        head, _, data = address.partition(",")
        mime = head.removeprefix("data:").partition(";")[0] or None
        return messages.blob((mime or "file").partition("/")[0], data, mime)
    ending = address.partition("?")[0].rpartition(".")[2].lower()
    found = (kind for kind, endings in _MODALITIES.items() if ending in endings)
    return messages.uri(next(found, "file"), address)
