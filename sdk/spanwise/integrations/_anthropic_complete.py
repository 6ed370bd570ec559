"""Readers of Anthropic's legacy text completions, which the client has had up to 1.x."""

from collections.abc import Mapping
from typing import Any

from spanwise import messages, semconv
from spanwise.integrations._openai_parameters import read_failure
from spanwise.integrations._stainless import Endpoint
from spanwise.integrations._stainless_fields import as_count, as_number, as_text, as_texts, fields, given
from spanwise.messages import Message
from spanwise.operation import Request, Response


def read_request(body: Mapping[str, Any], wants_content: bool) -> Request:
    """Reads the body of ``POST /v1/complete``."""
    request = Request(semconv.OP_TEXT_COMPLETION, semconv.PROVIDER_ANTHROPIC, as_text(body.get("model")))
    request.attributes = given(
        [
            (semconv.REQUEST_MAX_TOKENS, as_count(body.get("max_tokens_to_sample"))),
            (semconv.REQUEST_TEMPERATURE, as_number(body.get("temperature"))),
            (semconv.REQUEST_TOP_P, as_number(body.get("top_p"))),
            (semconv.REQUEST_TOP_K, as_count(body.get("top_k"))),
            (semconv.REQUEST_STOP_SEQUENCES, as_texts(body.get("stop_sequences"))),
        ]
    )
    prompt = as_text(body.get("prompt"))
    if wants_content and prompt:
        request.input_messages = [{"role": "user", "parts": [messages.text(prompt)]}]
    return request


def read_response(answer: Any, wants_content: bool) -> Response:
    """Reads a ``Completion``, or the JSON it is made from."""
    fold = CompleteFold(wants_content)
    fold.add(answer)
    return fold.response()


class CompleteFold:
    """The fold of a stream of ``Completion``: its chunks and the whole answer have one shape."""

    def __init__(self, wants_content: bool) -> None:
        self._wants_content = wants_content
        self._head: dict[str, Any] = {}
        self._texts: list[str] = []

    def add(self, chunk: Any) -> None:
        """Adds one chunk, or the whole answer."""
        body = fields(chunk)
        self._head |= {key: value for key, value in body.items() if value and key != "completion"}
        if self._wants_content:
            self._texts.append(as_text(body.get("completion")) or "")

    def response(self) -> Response:
        """Returns the answer so far."""
        stop = as_text(self._head.get("stop_reason"))
        reason = semconv.fold_finish_reason(stop) if stop else None
        response = Response(
            id=as_text(self._head.get("id")),
            model=as_text(self._head.get("model")),
            finish_reasons=[reason] if reason else None,
        )
        read_failure(response, self._head.get("error"))
        if self._texts:
            message: Message = {"role": "assistant", "parts": [messages.text("".join(self._texts))]}
            if reason:
                message["finish_reason"] = reason
            response.output_messages = [message]
        return response


ENDPOINT = Endpoint(
    method="POST",
    path=r".*/complete",
    read_request=read_request,
    read_response=read_response,
    new_fold=CompleteFold,
)
