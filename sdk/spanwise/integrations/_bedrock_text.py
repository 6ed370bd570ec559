"""Readers of the text models on Bedrock that take a prompt: Titan, Llama, Mistral, Cohere, AI21, DeepSeek.

Each family has its own names for the same things, so one reader looks for all of them; a model that nobody
knew when this was written is read as far as it uses any of these names. An answer and the chunks of its
stream have one shape in nearly all families.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from spanwise import messages, semconv
from spanwise.integrations._openai_parameters import first_count, read_failure
from spanwise.integrations._stainless_fields import (
    as_count,
    as_number,
    as_text,
    as_texts,
    fields,
    given,
    items,
    plain,
)
from spanwise.messages import Message, Part
from spanwise.operation import AttributeValue, Request, Response, Usage

_LIMITS = (
    "max_tokens",
    "max_gen_len",
    "maxTokenCount",
    "maxTokens",
    "max_new_tokens",
    "max_completion_tokens",
)
_COHERE_ROLES = {"USER": "user", "CHATBOT": "assistant", "SYSTEM": "system", "TOOL": "tool"}


def read_request(body: Mapping[str, Any], wants_content: bool) -> Request:
    """Reads a body with ``prompt``, ``inputText`` or Cohere's ``message``."""
    is_chat = "message" in body
    request = Request(semconv.OP_CHAT if is_chat else semconv.OP_TEXT_COMPLETION, semconv.PROVIDER_BEDROCK)
    request.attributes = _sampling(body)
    if wants_content:
        request.input_messages = _history(body) if is_chat else _prompts(body)
        preamble = as_text(body.get("preamble"))
        request.system_instructions = [messages.text(preamble)] if preamble else None
        request.tool_definitions = [_tool(each) for each in items(body.get("tools"))] or None
    return request


def _sampling(body: Mapping[str, Any]) -> dict[str, AttributeValue]:
    further = fields(body.get("textGenerationConfig")) or fields(body.get("parameters"))
    config = {**body, **further}

    def first(*names: str) -> Any:
        return next((config[name] for name in names if config.get(name) is not None), None)

    choices = as_count(first("num_generations", "numResults", "n"))
    return given(
        [
            (semconv.REQUEST_MAX_TOKENS, as_count(first(*_LIMITS))),
            (semconv.REQUEST_TEMPERATURE, as_number(first("temperature"))),
            (semconv.REQUEST_TOP_P, as_number(first("top_p", "topP", "p"))),
            (semconv.REQUEST_TOP_K, as_count(first("top_k", "topK", "k"))),
            (semconv.REQUEST_STOP_SEQUENCES, as_texts(first("stop", "stop_sequences", "stopSequences"))),
            (semconv.REQUEST_SEED, as_count(first("seed"))),
            (semconv.REQUEST_CHOICE_COUNT, choices if choices != 1 else None),
            (semconv.REQUEST_FREQUENCY_PENALTY, _penalty(first("frequency_penalty", "frequencyPenalty"))),
            (semconv.REQUEST_PRESENCE_PENALTY, _penalty(first("presence_penalty", "presencePenalty"))),
        ]
    )


def _penalty(value: Any) -> float | None:
    return as_number(fields(value).get("scale")) if fields(value) else as_number(value)


def _prompts(body: Mapping[str, Any]) -> list[Message] | None:
    for name in ("prompt", "inputText", "inputs", "text_prompts"):
        sent = [sent for each in _listed(body.get(name)) if (sent := as_text(each) or _text_in(each))]
        if sent:
            return [{"role": "user", "parts": [messages.text(prompt)]} for prompt in sent]
    drawn = as_text(fields(body.get("textToImageParams")).get("text"))
    return [{"role": "user", "parts": [messages.text(drawn)]}] if drawn else None


def _listed(value: Any) -> Any:
    return items(value) or (value,)


def _text_in(value: Any) -> str | None:
    return as_text(fields(value).get("text"))


def _history(body: Mapping[str, Any]) -> list[Message]:
    """Cohere's chat: what was said before, what tools answered, and the message."""
    history = [_turn(fields(each)) for each in items(body.get("chat_history"))]
    results = _results(body.get("tool_results"))
    if results:
        history.append({"role": "tool", "parts": results})
    message = as_text(body.get("message"))
    if message:
        history.append({"role": "user", "parts": [messages.text(message)]})
    return history


def _turn(turn: Mapping[str, Any]) -> Message:
    role, message = str(turn.get("role")), as_text(turn.get("message"))
    parts = [messages.text(message)] if message else []
    parts += [*_calls(turn.get("tool_calls")), *_results(turn.get("tool_results"))]
    return {"role": _COHERE_ROLES.get(role.upper(), role.lower()), "parts": parts}


def _calls(calls: Any) -> list[Part]:
    held = [fields(call) for call in items(calls)]
    return [
        messages.tool_call(
            as_text(call.get("id")),
            str(call.get("name")),
            plain(call.get("parameters", call.get("arguments"))),
        )
        for call in held
    ]


def _results(results: Any) -> list[Part]:
    """What tools answered. Cohere's first API names a call by its tool."""
    held = [fields(result) for result in items(results)]
    return [
        messages.tool_call_response(
            as_text(fields(result.get("call")).get("name")), plain(result.get("outputs"))
        )
        for result in held
    ]


def _tool(sent: Any) -> dict[str, Any]:
    tool = fields(sent)
    found: dict[str, Any] = {"type": "function", "name": str(tool.get("name"))}
    if as_text(tool.get("description")):
        found["description"] = tool["description"]
    if tool.get("parameter_definitions") is not None:
        found["parameters"] = plain(tool["parameter_definitions"])
    return found


def read_response(answer: Any, wants_content: bool) -> Response:
    """Reads a whole answer."""
    fold = TextFold(wants_content)
    fold.add(answer)
    return fold.response()


class TextFold:
    """The fold of a stream of chunks, or of the one answer."""

    def __init__(self, wants_content: bool) -> None:
        self._wants_content = wants_content
        self._head: dict[str, Any] = {}
        self._counts: dict[str, int] = {}
        self._texts: dict[int, list[str]] = {}
        self._parts: dict[int, list[Part]] = {}
        self._reasons: dict[int, str] = {}

    def add(self, chunk: Any) -> None:
        """Adds one chunk, or the whole answer."""
        held = items(chunk)
        body: Mapping[str, Any] = {"outputs": held} if held else fields(chunk)
        final = fields(body.get("response"))  # Cohere's last event repeats the whole answer
        is_repeated = bool(self._texts) and (bool(final) or body.get("is_finished") is True)
        for source in (final, body):
            self._head |= {key: value for key, value in source.items() if value is not None}
        self._count(body)
        for index, choice in _choices(final or body):
            texts = self._texts.setdefault(index, [])
            if self._wants_content:
                if not is_repeated:
                    texts.append(_text_of(choice))
                parts = _further_parts(choice)
                if parts:
                    self._parts[index] = parts
            reason = _reason_of(choice) or _reason_of(body)
            if reason:
                self._reasons[index] = semconv.fold_finish_reason(reason)

    def _count(self, body: Mapping[str, Any]) -> None:
        """Counts that a stream reports in its first chunk, or in each of them as totals so far."""
        usage, billed = fields(body.get("usage")), fields(fields(body.get("meta")).get("billed_units"))
        results = [as_count(fields(each).get("tokenCount")) for each in items(body.get("results"))]
        drafts = [fields(fields(each).get("data")) for each in items(body.get("completions"))]
        sent = first_count(
            (body, "inputTextTokenCount"),
            (body, "prompt_token_count"),
            (usage, "prompt_tokens"),
            (billed, "input_tokens"),
        )
        made = first_count(
            (body, "totalOutputTextTokenCount"),
            (body, "generation_token_count"),
            (usage, "completion_tokens"),
            (billed, "output_tokens"),
        )
        known = [count for count in results if count is not None]
        listed = [len(items(draft["tokens"])) for draft in drafts if "tokens" in draft]
        prompt = fields(body.get("prompt"))
        if sent is None and "tokens" in prompt:
            sent = len(items(prompt["tokens"]))
        if made is None and (known or listed):
            made = sum(known or listed)
        self._counts |= {key: count for key, count in (("sent", sent), ("made", made)) if count is not None}

    def response(self) -> Response:
        """Returns the answer so far."""
        head = self._head
        usage = Usage(self._counts.get("sent"), self._counts.get("made")) if self._counts else None
        model = as_text(head.get("model"))
        response = Response(
            id=as_text(head.get("id"))
            or as_text(head.get("response_id"))
            or as_text(head.get("generation_id")),
            model=model,
            finish_reasons=[self._reasons[index] for index in sorted(self._reasons)] or None,
            usage=usage,
        )
        read_failure(response, head.get("error"))
        if self._wants_content and self._texts:
            response.output_messages = [self._message(index) for index in sorted(self._texts)]
        return response

    def _message(self, index: int) -> Message:
        content = "".join(self._texts[index])
        parts = [messages.text(content)] if content else []
        message: Message = {"role": "assistant", "parts": [*parts, *self._parts.get(index, [])]}
        if index in self._reasons:
            message["finish_reason"] = self._reasons[index]
        return message


def _choices(body: Mapping[str, Any]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yields each alternative that an answer or a chunk holds, with its place."""
    for name in ("results", "outputs", "generations", "completions", "choices", "artifacts"):
        held = items(body.get(name))
        for place, each in enumerate(held):
            choice = fields(each)
            index = as_count(choice.get("index"))
            yield (place if index is None else index), choice
        if held:
            return
    if any(
        name in body for name in ("outputText", "generation", "text", "tool_calls", "images", "finish_reason")
    ):
        yield as_count(body.get("index")) or 0, body


def _text_of(choice: Mapping[str, Any]) -> str:
    for name in ("outputText", "generation", "text", "generated_text"):
        if isinstance(choice.get(name), str):
            return str(choice[name])
    inner = fields(choice.get("data")) or fields(choice.get("message")) or fields(choice.get("delta"))
    return as_text(inner.get("text")) or as_text(inner.get("content")) or ""


def _further_parts(choice: Mapping[str, Any]) -> list[Part]:
    drawn = [*items(choice.get("images")), choice.get("base64")]
    return [
        *_calls(choice.get("tool_calls")),
        *(messages.blob("image", image) for image in drawn if isinstance(image, str)),
    ]


def _reason_of(choice: Mapping[str, Any]) -> str | None:
    for name in ("completionReason", "stop_reason", "finish_reason", "finishReason"):
        reason = as_text(choice.get(name)) or as_text(fields(choice.get(name)).get("reason"))
        if reason:
            return reason
    return None
