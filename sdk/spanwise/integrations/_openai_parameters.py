"""Request parameters and token counts that the APIs in OpenAI's format share."""

from collections.abc import Mapping
from typing import Any

from spanwise import semconv
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
)
from spanwise.operation import AttributeValue, Response, Usage

USAGE_COST = "gen_ai.usage.cost"
"""US dollars that the server says the call cost (OpenRouter). OpenTelemetry has no key for it."""

_TIMES = (
    ("total_time", semconv.SERVER_DURATION_TOTAL),
    ("queue_time", semconv.SERVER_DURATION_QUEUE),
    ("prompt_time", semconv.SERVER_DURATION_INPUT),
    ("completion_time", semconv.SERVER_DURATION_OUTPUT),
)
_OUTPUT_TYPES = {"json_object": "json", "json_schema": "json", "text": "text"}


def sampling(body: Mapping[str, Any]) -> dict[str, AttributeValue]:
    """Returns the attributes of the parameters that chat completions and completions share."""
    return parameters(body, _SAMPLING)


def _unless_one(value: Any) -> int | None:
    count = as_count(value)
    return count if count != 1 else None


def _unless_auto(value: Any) -> str | None:
    tier = as_text(value)
    return None if tier == "auto" else tier


_SAMPLING: Parameters = {
    "temperature": (semconv.REQUEST_TEMPERATURE, as_number),
    "top_p": (semconv.REQUEST_TOP_P, as_number),
    "top_k": (semconv.REQUEST_TOP_K, as_count),
    "frequency_penalty": (semconv.REQUEST_FREQUENCY_PENALTY, as_number),
    "presence_penalty": (semconv.REQUEST_PRESENCE_PENALTY, as_number),
    "seed": (semconv.REQUEST_SEED, as_count),
    "stop": (semconv.REQUEST_STOP_SEQUENCES, as_texts),
    "n": (semconv.REQUEST_CHOICE_COUNT, _unless_one),
    "service_tier": (semconv.OPENAI_REQUEST_SERVICE_TIER, _unless_auto),
}
"""One choice and the tier ``auto`` are the defaults, and not written."""


def output_type(format_: Any, modalities: Any = None) -> str | None:
    """Returns OpenTelemetry's output type for a response format and the modalities asked for."""
    if "audio" in items(modalities):
        return "speech"
    return _OUTPUT_TYPES.get(str(fields(format_).get("type")))


def first_count(*places: tuple[Mapping[str, Any], str]) -> int | None:
    """Returns the first count that is reported, from several fields that mean the same."""
    for holder, key in places:
        count = as_count(holder.get(key))
        if count is not None:
            return count
    return None


def chat_usage(reported: Any) -> Usage | None:
    """Returns the token counts of the ``prompt_tokens`` family, with the dialects of compatible servers."""
    usage = fields(reported)
    if not usage:
        return None
    sent = fields(usage.get("prompt_tokens_details"))
    made = fields(usage.get("completion_tokens_details"))
    cached = as_count(sent.get("cached_tokens"))
    if cached is None:
        cached = first_count(
            (usage, "prompt_cache_hit_tokens"),  # DeepSeek
            (usage, "cached_tokens"),  # Moonshot
            (usage, "num_cached_tokens"),  # Mistral
        )
    reasoning = as_count(made.get("reasoning_tokens"))
    if reasoning is None:
        reasoning = as_count(usage.get("reasoning_tokens"))
    return Usage(
        input_tokens=as_count(usage.get("prompt_tokens")),
        output_tokens=_output_total(usage, reasoning),
        cache_read_input_tokens=cached,
        cache_write_input_tokens=as_count(sent.get("cache_write_tokens")),
        reasoning_output_tokens=reasoning,
        audio_input_tokens=as_count(sent.get("audio_tokens")),
        audio_output_tokens=as_count(made.get("audio_tokens")),
        image_input_tokens=as_count(sent.get("image_tokens")),
    )


def _output_total(usage: Mapping[str, Any], reasoning: int | None) -> int | None:
    """Returns the output tokens with reasoning. xAI counts reasoning apart, as its own total then shows."""
    made = as_count(usage.get("completion_tokens"))
    if not reasoning or made is None or (sent := as_count(usage.get("prompt_tokens"))) is None:
        return made
    return made + reasoning if as_count(usage.get("total_tokens")) == sent + made + reasoning else made


def answer_attributes(body: Mapping[str, Any]) -> dict[str, AttributeValue]:
    """Returns the attributes of an answer that are OpenAI's own, and the cost where the server reports it."""
    found: dict[str, AttributeValue] = {}
    tier, fingerprint = as_text(body.get("service_tier")), as_text(body.get("system_fingerprint"))
    if tier:
        found[semconv.OPENAI_RESPONSE_SERVICE_TIER] = tier
    if fingerprint:
        found[semconv.OPENAI_RESPONSE_SYSTEM_FINGERPRINT] = fingerprint
    usage = fields(body.get("usage"))
    cost = as_number(usage.get("cost"))
    if cost is not None:
        found[USAGE_COST] = cost
    if "total_time" in usage:  # Groq
        found.update(given((key, as_number(usage.get(name))) for name, key in _TIMES))
    return found


def read_failure(response: Response, error: Any) -> None:
    """Notes a failure that the server reports inside of a successful answer."""
    if not error:
        return
    failure = fields(error)
    if not failure and not as_text(error):
        return
    code = failure.get("code")
    kind = failure.get("type") if code is None else code
    response.error_type = semconv.ERROR_OTHER if kind is None else str(kind)
    response.error_message = as_text(error) or as_text(failure.get("message"))
