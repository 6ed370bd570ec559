"""Readers of Gemini's ``generateContent``: the request, the answer, and the fold of its stream."""

from collections.abc import Iterator, Mapping
from typing import Any

from spanwise import semconv
from spanwise.integrations._google_parts import (
    get,
    held,
    merged,
    message_of,
    parts_of,
    role_of,
    tool_definitions,
)
from spanwise.integrations._openai_parameters import read_failure
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

THINKING_BUDGET = "gcp.gen_ai.thinking.budget_tokens"
CACHED_CONTENT = "gcp.gen_ai.cached_content"
FINISH_REASONS = "gcp.gen_ai.finish_reasons"
"""Gemini's own words, where OpenTelemetry's say less: why content was withheld, or what was malformed."""
BLOCK_REASON = "gcp.gen_ai.prompt.block_reason"
BLOCKED_CATEGORIES = "gcp.gen_ai.safety.blocked"
SERVICE_TIER = "gcp.gen_ai.service_tier"

_ENDS = (
    "FINISH_REASON_UNSPECIFIED",
    "STOP",
    "MAX_TOKENS",
    "SAFETY",
    "RECITATION",
    "OTHER",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MALFORMED_FUNCTION_CALL",
)
"""By the numbers that stand for them where a client asks for numbers."""
_PLAIN_ENDS = ("STOP", "MAX_TOKENS", "FINISH_REASON_UNSPECIFIED")
_OUTPUT_TYPES = {"application/json": "json", "text/x.enum": "text", "text/plain": "text"}


def read_request(body: Mapping[str, Any], wants_content: bool) -> Request:
    """Reads the body of ``generateContent``."""
    request = Request(semconv.OP_GENERATE_CONTENT, semconv.PROVIDER_GEMINI)
    request.attributes = _parameters(held(body, "generationConfig")) | given(
        [
            (CACHED_CONTENT, as_text(get(body, "cachedContent"))),
            (SERVICE_TIER, as_text(get(body, "serviceTier"))),
        ]
    )
    if wants_content:
        contents = body.get("contents")
        sent = items(contents) or ([contents] if contents else [])
        request.input_messages = [message_of(each) for each in sent]
        request.system_instructions = parts_of(get(body, "systemInstruction")) or None
        request.tool_definitions = tool_definitions(body.get("tools")) or None
    return request


def _parameters(config: Mapping[str, Any]) -> dict[str, AttributeValue]:
    thinking, choices = held(config, "thinkingConfig"), as_count(get(config, "candidateCount"))
    level = as_text(get(thinking, "thinkingLevel"))
    return given(
        [
            (semconv.REQUEST_TEMPERATURE, as_number(config.get("temperature"))),
            (semconv.REQUEST_TOP_P, as_number(get(config, "topP"))),
            (semconv.REQUEST_TOP_K, as_count(get(config, "topK"))),
            (semconv.REQUEST_MAX_TOKENS, as_count(get(config, "maxOutputTokens"))),
            (semconv.REQUEST_STOP_SEQUENCES, as_texts(get(config, "stopSequences"))),
            (semconv.REQUEST_FREQUENCY_PENALTY, as_number(get(config, "frequencyPenalty"))),
            (semconv.REQUEST_PRESENCE_PENALTY, as_number(get(config, "presencePenalty"))),
            (semconv.REQUEST_SEED, as_count(config.get("seed"))),
            (semconv.REQUEST_CHOICE_COUNT, choices if choices != 1 else None),
            (semconv.REQUEST_REASONING_LEVEL, level.lower() if level else None),
            (semconv.OUTPUT_TYPE, _output_type(config)),
            (THINKING_BUDGET, as_count(get(thinking, "thinkingBudget"))),
        ]
    )


def _output_type(config: Mapping[str, Any]) -> str | None:
    asked = [str(each).upper() for each in items(get(config, "responseModalities"))]
    if "IMAGE" in asked:
        return "image"
    if "AUDIO" in asked:
        return "speech"
    return _OUTPUT_TYPES.get(str(get(config, "responseMimeType")))


def read_response(answer: Any, wants_content: bool) -> Response:
    """Reads a whole answer."""
    fold = ContentFold(wants_content)
    fold.add(answer)
    return fold.response()


class _Candidate:
    """One alternative, whole or as far as it has come."""

    __slots__ = ("blocked", "grounding", "parts", "reason", "role")

    def __init__(self) -> None:
        self.role = "assistant"
        self.parts: list[Part] = []
        self.reason: str | None = None
        self.grounding: dict[str, Any] = {}
        self.blocked: set[str] = set()

    def add(self, candidate: Mapping[str, Any], wants_content: bool) -> None:
        self.reason = _end(get(candidate, "finishReason")) or self.reason
        self.blocked |= set(_blocked(get(candidate, "safetyRatings")))
        if not wants_content:
            return
        content = fields(candidate.get("content"))
        self.role = role_of(content.get("role") or "model")
        self.parts += parts_of(content)
        for name in ("groundingMetadata", "citationMetadata", "urlContextMetadata"):
            told = get(candidate, name)
            if told:
                self.grounding[name] = plain(told)

    def message(self) -> Message:
        parts = merged(self.parts)
        texts = [part for part in parts if part["type"] == "text"]
        if texts and self.grounding:
            texts[-1]["citations"] = self.grounding
        message: Message = {"role": self.role, "parts": parts}
        if self.reason:
            message["finish_reason"] = semconv.fold_finish_reason(self.reason)
        return message


class ContentFold:
    """The fold of a stream of answers, each of which brings some more of the parts."""

    def __init__(self, wants_content: bool) -> None:
        self._wants_content = wants_content
        self._head: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._candidates: dict[int, _Candidate] = {}

    def add(self, chunk: Any) -> None:
        """Adds one chunk, or the whole answer. Counts are totals so far, of which the last ones stand."""
        body = fields(chunk)
        self._usage |= {key: value for key, value in held(body, "usageMetadata").items() if value is not None}
        for name in ("responseId", "modelVersion", "promptFeedback", "error"):
            value = get(body, name)
            if value:
                self._head[name] = value
        for place, each in enumerate(items(body.get("candidates"))):
            candidate = fields(each)
            index = as_count(candidate.get("index"))
            index = place if index is None else index
            self._candidates.setdefault(index, _Candidate()).add(candidate, self._wants_content)

    def response(self) -> Response:
        """Returns the answer so far."""
        candidates = [self._candidates[index] for index in sorted(self._candidates)]
        feedback = fields(self._head.get("promptFeedback"))
        block = as_text(get(feedback, "blockReason"))
        reasons = [candidate.reason for candidate in candidates if candidate.reason]
        finished = [semconv.fold_finish_reason(reason) for reason in reasons]
        blocked = {each for candidate in candidates for each in candidate.blocked}
        blocked |= set(_blocked(get(feedback, "safetyRatings")))
        own = reasons if any(reason not in _PLAIN_ENDS for reason in reasons) else None
        response = Response(
            id=as_text(self._head.get("responseId")),
            model=as_text(self._head.get("modelVersion")),
            finish_reasons=finished or (["content_filter"] if block else None),
            usage=usage_of(self._usage),
            attributes=given(
                [
                    (FINISH_REASONS, own),
                    (BLOCK_REASON, block),
                    (BLOCKED_CATEGORIES, sorted(blocked) or None),
                    (SERVICE_TIER, as_text(self._usage.get("serviceTier"))),
                ]
            ),
        )
        read_failure(response, self._head.get("error"))
        if self._wants_content and candidates:
            response.output_messages = [candidate.message() for candidate in candidates]
        return response


def _end(reason: Any) -> str | None:
    number = as_count(reason)
    return as_text(reason) if number is None else dict(enumerate(_ENDS)).get(number, str(number))


def _blocked(ratings: Any) -> Iterator[str]:
    for rating in map(fields, items(ratings)):
        category = as_text(rating.get("category"))
        if rating.get("blocked") and category:
            yield category


def usage_of(usage: Mapping[str, Any]) -> Usage | None:
    """Returns the token counts of ``usageMetadata``.

    The prompt's count includes what the cache held, but not what Google's own tools added to it; thoughts are
    counted beside the candidates.
    """
    if not usage:
        return None
    sent = _sum(get(usage, "promptTokenCount"), get(usage, "toolUsePromptTokenCount"))
    thoughts = as_count(get(usage, "thoughtsTokenCount"))
    return Usage(
        input_tokens=sent,
        output_tokens=_sum(get(usage, "candidatesTokenCount"), get(usage, "responseTokenCount"), thoughts),
        cache_read_input_tokens=as_count(get(usage, "cachedContentTokenCount")),
        reasoning_output_tokens=thoughts,
        audio_input_tokens=_of_modality(get(usage, "promptTokensDetails"), "AUDIO"),
        audio_output_tokens=_of_modality(get(usage, "candidatesTokensDetails"), "AUDIO"),
        image_input_tokens=_of_modality(get(usage, "promptTokensDetails"), "IMAGE"),
    )


def _sum(*values: Any) -> int | None:
    counts = [count for value in values if (count := as_count(value)) is not None]
    return sum(counts) if counts else None


def _of_modality(details: Any, modality: str) -> int | None:
    held_ = [fields(detail) for detail in items(details)]
    return _sum(*(get(each, "tokenCount") for each in held_ if each.get("modality") == modality))
