"""Readers of legacy text completions, in OpenAI's format and in Anthropic's."""

from collections.abc import Mapping
from typing import Any

from spanwise import messages, semconv
from spanwise.integrations._openai_parameters import answer_attributes, chat_usage, read_failure, sampling
from spanwise.integrations._stainless import Endpoint
from spanwise.integrations._stainless_fields import as_count, as_text, fields, given, items, plain
from spanwise.messages import Message, Part
from spanwise.operation import Request, Response


def read_request(body: Mapping[str, Any], wants_content: bool) -> Request:
    """Reads the body of ``POST /completions``."""
    request = Request(semconv.OP_TEXT_COMPLETION, semconv.PROVIDER_OPENAI, as_text(body.get("model")))
    limit = as_count(body.get("max_tokens"))
    request.attributes = sampling(body) | given([(semconv.REQUEST_MAX_TOKENS, limit)])
    if wants_content:
        request.input_messages = [
            {"role": "user", "parts": [_part(prompt)]} for prompt in _prompts(body.get("prompt"))
        ]
    return request


def read_response(answer: Any, wants_content: bool) -> Response:
    """Reads a ``Completion``, or the JSON it is made from."""
    fold = CompletionFold(wants_content)
    fold.add(answer)
    return fold.response()


class CompletionFold:
    """The fold of a stream of ``Completion``: its chunks and the whole answer have one shape."""

    def __init__(self, wants_content: bool) -> None:
        self._wants_content = wants_content
        self._head: dict[str, Any] = {}
        self._texts: dict[int, list[str]] = {}
        self._reasons: dict[int, str] = {}

    def add(self, chunk: Any) -> None:
        """Adds one chunk, or the whole answer."""
        body = fields(chunk)
        self._head |= {key: value for key, value in body.items() if value and key != "choices"}
        for each in items(body.get("choices")):
            choice = fields(each)
            index = as_count(choice.get("index")) or 0
            texts = self._texts.setdefault(index, [])
            if self._wants_content:
                texts.append(as_text(choice.get("text")) or "")
            reason = as_text(choice.get("finish_reason"))
            if reason:
                self._reasons[index] = semconv.fold_finish_reason(reason)

    def response(self) -> Response:
        """Returns the answer so far."""
        response = Response(
            id=as_text(self._head.get("id")),
            model=as_text(self._head.get("model")),
            finish_reasons=[self._reasons[index] for index in sorted(self._reasons)] or None,
            usage=chat_usage(self._head.get("usage")),
            attributes=answer_attributes(self._head),
        )
        read_failure(response, self._head.get("error"))
        if self._wants_content and self._texts:
            response.output_messages = [self._message(index) for index in sorted(self._texts)]
        return response

    def _message(self, index: int) -> Message:
        content = "".join(self._texts[index])
        message: Message = {"role": "assistant", "parts": [messages.text(content)] if content else []}
        if index in self._reasons:
            message["finish_reason"] = self._reasons[index]
        return message


def _prompts(prompt: Any) -> list[Any]:
    """Returns the prompts of a request: one text, many, one list of token ids, or many."""
    if isinstance(prompt, str):
        return [prompt]
    parts = items(prompt)
    return [parts] if parts and as_count(parts[0]) is not None else list(parts)


def _part(prompt: Any) -> Part:
    return (
        messages.text(prompt) if isinstance(prompt, str) else {"type": "token_ids", "content": plain(prompt)}
    )


ENDPOINT = Endpoint(
    method="POST",
    path=r"(?!.*/chat/completions).*/completions",
    read_request=read_request,
    read_response=read_response,
    new_fold=CompletionFold,
)
