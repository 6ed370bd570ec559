"""Which family's format a body of ``invoke_model`` has, and how to read it.

The body decides where it can: the model's name may be hidden behind an ARN. Claude's and OpenAI's formats are
those of their own APIs, and read by the same readers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from spanwise import semconv
from spanwise.integrations import (
    _anthropic_complete,
    _anthropic_messages,
    _bedrock_converse,
    _bedrock_embeddings,
    _bedrock_text,
    _openai_chat,
    _rerank,
)
from spanwise.integrations import _bedrock_guardrail as guardrail
from spanwise.integrations._openai_parameters import first_count
from spanwise.integrations._stainless import Fold
from spanwise.integrations._stainless_fields import as_count, fields, items
from spanwise.operation import Request, Response, Usage

_OF_BEDROCK = "amazon-bedrock-"


@dataclass(frozen=True, slots=True)
class Family:
    """One format of bodies. The flag is ``wants_content``."""

    read_request: Callable[[Mapping[str, Any], bool], Request]
    read_response: Callable[[Any, bool], Response]
    new_fold: Callable[[bool], Fold]


class _ChatFold(_openai_chat.ChatFold):
    """The fold of chunks in OpenAI's format, in which Mistral calls some things differently."""

    def add(self, chunk: Any) -> None:
        super().add(_as_openai(chunk, "delta"))


def _read_chat(answer: Any, wants_content: bool) -> Response:
    return _openai_chat.read_response(_as_openai(answer, "message"), wants_content)


def _read_chat_request(body: Mapping[str, Any], wants_content: bool) -> Request:
    request = _openai_chat.read_request(body, wants_content)
    request.attributes.pop(semconv.OPENAI_API_TYPE, None)
    return request


def _as_openai(answer: Any, place: str) -> dict[str, Any]:
    """Returns an answer with OpenAI's names for why a choice ended and for where its content is."""
    body = fields(answer)
    choices = [dict(fields(choice)) for choice in items(body.get("choices"))]
    for choice in choices:
        choice["finish_reason"] = choice.get("finish_reason") or choice.get("stop_reason")
        choice[place] = choice.get(place) or choice.get("message")
    return {**body, "choices": choices}


CLAUDE = Family(
    _anthropic_messages.read_request, _anthropic_messages.read_response, _anthropic_messages.MessageFold
)
CLAUDE_TEXT = Family(
    _anthropic_complete.read_request, _anthropic_complete.read_response, _anthropic_complete.CompleteFold
)
NOVA = Family(_bedrock_converse.read_request, _bedrock_converse.read_response, _bedrock_converse.ConverseFold)
CHAT = Family(_read_chat_request, _read_chat, _ChatFold)
TEXT = Family(_bedrock_text.read_request, _bedrock_text.read_response, _bedrock_text.TextFold)
EMBEDDINGS = Family(
    _bedrock_embeddings.read_request, _bedrock_embeddings.read_response, _bedrock_embeddings.EmbeddingsFold
)
RERANK = Family(_rerank.read_request, _rerank.read_response, _rerank.RerankFold)


def family_of(body: Mapping[str, Any], model: str) -> Family:
    """Returns the format of a request's body."""
    if "max_tokens_to_sample" in body:
        return CLAUDE_TEXT
    if "messages" in body:
        return _chat_family(body, model)
    if "query" in body and "documents" in body:
        return RERANK
    if _bedrock_embeddings.is_embedding(body, model):
        return EMBEDDINGS
    return TEXT


def _chat_family(body: Mapping[str, Any], model: str) -> Family:
    if "anthropic_version" in body or "anthropic" in model:
        return CLAUDE
    if "schemaVersion" in body or "inferenceConfig" in body or "nova" in model:
        return NOVA
    first = next((fields(message) for message in items(body["messages"])), {})
    blocks = [fields(block) for block in items(first.get("content"))]
    return NOVA if blocks and not any("type" in block for block in blocks) else CHAT


class InvokeFold:
    """The fold of a stream of a family's chunks, with what Bedrock adds to them."""

    def __init__(self, family: Family, wants_content: bool) -> None:
        self._fold = family.new_fold(wants_content)
        self._added: dict[str, Any] = {}

    def add(self, chunk: Any) -> None:
        """Adds one chunk."""
        self._added |= {key: value for key, value in fields(chunk).items() if key.startswith(_OF_BEDROCK)}
        self._fold.add(chunk)

    def response(self) -> Response:
        """Returns the answer so far."""
        return with_additions(self._fold.response(), self._added)


def with_additions(response: Response, body: Mapping[str, Any]) -> Response:
    """Returns a response with what Bedrock adds to any family's body: its guardrail and its own counts."""
    action = body.get(f"{_OF_BEDROCK}guardrailAction")
    response.attributes |= guardrail.answer_attributes(action, guardrail.trace_of(body))
    metrics = fields(body.get(f"{_OF_BEDROCK}invocationMetrics"))
    if metrics:
        add_counts(
            response,
            as_count(metrics.get("inputTokenCount")),
            as_count(metrics.get("outputTokenCount")),
            first_count((metrics, "cacheReadInputTokenCount")),
            first_count((metrics, "cacheWriteInputTokenCount")),
        )
        latency = as_count(metrics.get("invocationLatency"))
        if latency is not None:
            response.attributes[semconv.BEDROCK_LATENCY_MS] = latency
    return response


def add_counts(
    response: Response, uncached: int | None, made: int | None, read: int | None, written: int | None
) -> None:
    """Adds token counts that the body itself did not report; what it did report stands."""
    known = [count for count in (uncached, read, written) if count is not None]
    usage = response.usage = response.usage or Usage()
    if usage.input_tokens is None and known:
        usage.input_tokens = sum(known)
    if usage.output_tokens is None:
        usage.output_tokens = made
    if usage.cache_read_input_tokens is None:
        usage.cache_read_input_tokens = read
    if usage.cache_write_input_tokens is None:
        usage.cache_write_input_tokens = written
