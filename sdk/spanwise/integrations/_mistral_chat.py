"""Readers of Mistral's chat, agents and fill-in-the-middle: OpenAI's format with words of its own."""

from collections.abc import Mapping
from typing import Any

from spanwise import messages, semconv
from spanwise.integrations import _openai_chat
from spanwise.integrations._stainless import Endpoint
from spanwise.integrations._stainless_fields import as_count, as_text, given
from spanwise.operation import Request


def read_chat(body: Mapping[str, Any], wants_content: bool) -> Request:
    """Reads the body of ``POST /v1/chat/completions`` and ``/v1/agents/completions``."""
    if "messages" not in body and "prompt" in body:
        return read_fim(body, wants_content)
    request = _openai_chat.read_request(body, wants_content)
    return _own(request, body)


def read_fim(body: Mapping[str, Any], wants_content: bool) -> Request:
    """Reads the body of ``POST /v1/fim/completions``: a text, and what shall follow the gap."""
    request = _openai_chat.read_request(body, False)
    request.operation = semconv.OP_TEXT_COMPLETION
    prompt, suffix = as_text(body.get("prompt")), as_text(body.get("suffix"))
    if wants_content and prompt:
        parts = [messages.text(prompt)]
        if suffix:
            parts.append({"type": "suffix", "content": suffix})
        request.input_messages = [{"role": "user", "parts": parts}]
    return _own(request, body)


def _own(request: Request, body: Mapping[str, Any]) -> Request:
    request.provider = semconv.PROVIDER_MISTRAL
    request.attributes.pop(semconv.OPENAI_API_TYPE, None)
    request.attributes |= given(
        [
            (semconv.REQUEST_SEED, as_count(body.get("random_seed"))),
            (semconv.AGENT_ID, as_text(body.get("agent_id"))),
        ]
    )
    return request


ENDPOINTS = (
    Endpoint(
        "POST",
        r".*/fim/completions",
        read_fim,
        _openai_chat.read_response,
        _openai_chat.ChatFold,
    ),
    Endpoint(
        "POST",
        r".*/(?:chat|agents)/completions|.*:(?:streamR|r)awPredict",
        read_chat,
        _openai_chat.read_response,
        _openai_chat.ChatFold,
    ),
)
