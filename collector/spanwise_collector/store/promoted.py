"""Attributes that say what a column of the span says: kept once, in the column, and put back when it is read.

Normalisation copies names and numbers out of the attributes into columns. Where the copy is the same value of
the same type, the raw attribute is not stored again; the column ``promoted`` lists the keys, so that reading
gives back what was sent, whichever dialect it came from. Where the two differ (a folded provider, a corrected
count) the attribute stays raw beside the column.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import Any

from spanwise import semconv
from spanwise_collector.model import AnyValue, Span

_TEXTS = {
    semconv.OPERATION_NAME: "operation",
    semconv.PROVIDER_NAME: "provider",
    "gen_ai.system": "provider",
    semconv.REQUEST_MODEL: "request_model",
    "llm.model_name": "request_model",
    "llm.request.model_name": "request_model",
    semconv.RESPONSE_MODEL: "response_model",
    "llm.response.model_name": "response_model",
    semconv.RESPONSE_ID: "response_id",
    semconv.CONVERSATION_ID: "conversation_id",
    semconv.SESSION_ID: "conversation_id",
    semconv.USER_ID: "user_id",
    "enduser.id": "user_id",
    semconv.AGENT_NAME: "agent_name",
    semconv.WORKFLOW_NAME: "workflow_name",
    "traceloop.workflow.name": "workflow_name",
    semconv.TOOL_NAME: "tool_name",
    "tool.name": "tool_name",
    semconv.TOOL_CALL_ID: "tool_call_id",
    semconv.PROMPT_NAME: "prompt_name",
    semconv.PROMPT_VERSION: "prompt_version",
    semconv.ERROR_TYPE: "error_type",
}
_COUNTS = {
    semconv.USAGE_INPUT_TOKENS: "input_tokens",
    "gen_ai.usage.prompt_tokens": "input_tokens",
    "llm.token_count.prompt": "input_tokens",
    semconv.USAGE_OUTPUT_TOKENS: "output_tokens",
    "gen_ai.usage.completion_tokens": "output_tokens",
    "llm.token_count.completion": "output_tokens",
    semconv.USAGE_CACHE_READ_INPUT_TOKENS: "cached_input_tokens",
    "gen_ai.usage.cache_read_input_tokens": "cached_input_tokens",
    semconv.USAGE_CACHE_WRITE_INPUT_TOKENS: "cache_write_input_tokens",
    "gen_ai.usage.cache_creation_input_tokens": "cache_write_input_tokens",
    semconv.USAGE_REASONING_OUTPUT_TOKENS: "reasoning_output_tokens",
}
_FLAGS = {semconv.REQUEST_STREAM: "is_stream"}
_LISTS = {semconv.RESPONSE_FINISH_REASONS: "finish_reasons", semconv.TAGS: "tags"}
_SECONDS = {semconv.RESPONSE_TIME_TO_FIRST_CHUNK: "time_to_first_chunk_ns"}
"""Attributes in seconds whose column holds nanoseconds."""
_PLACES: dict[str, tuple[str, type]] = {
    **{key: (field, str) for key, field in _TEXTS.items()},
    **{key: (field, int) for key, field in _COUNTS.items()},
    **{key: (field, bool) for key, field in _FLAGS.items()},
    **{key: (field, list) for key, field in _LISTS.items()},
    **{key: (field, float) for key, field in _SECONDS.items()},
}
_MAX_PLANS = 2048
_MAX_PLANNED_KEYS = 128
_NS = 1_000_000_000

Attributes = dict[str, AnyValue]


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """How the attributes of spans with one set of keys are divided."""

    promoted: tuple[str, ...]
    raw: tuple[str, ...]
    text: str
    """The promoted keys as the column holds them."""
    raw_values: Callable[[Attributes], Sequence[AnyValue]]
    _sent: Callable[[Attributes], Sequence[AnyValue]]
    _held: Callable[[Span], Sequence[Any]]
    _types: tuple[type, ...]

    def fits(self, span: Span) -> bool:
        """Tells whether every promoted attribute of a span is what its column holds, type included."""
        sent = self._sent(span.attributes)
        return sent == self._held(span) and tuple(map(type, sent)) == self._types


_plans: dict[tuple[str, ...], Plan] = {}
_partial_plans: dict[tuple[tuple[str, ...], tuple[str, ...]], Plan] = {}


def plan_of(span: Span) -> Plan:
    """Returns how a span's attributes are divided."""
    keys = tuple(span.attributes)
    plan = _plans.get(keys)
    if plan is None:
        plan = _plan(keys, [key for key in keys if key in _PLACES])
        _remember(_plans, keys, plan, len(keys))
    if not plan.promoted or plan.fits(span):
        return plan
    equal = tuple(key for key in plan.promoted if _is_held(span, key))
    partial = _partial_plans.get((keys, equal))
    if partial is None:
        partial = _plan(keys, equal)
        _remember(_partial_plans, (keys, equal), partial, len(keys))
    return partial


def restore(texts: Sequence[str], columns: Mapping[str, Sequence[Any]], rows: Sequence[Attributes]) -> None:
    """Puts the promoted attributes back into the raw ones of the same spans, in place.

    ``texts`` is the column ``promoted``, ``columns`` holds the spans' fields by name.
    """
    known = {text: _restored(text, columns) for text in set(texts) if text}
    for number, text in enumerate(texts):
        if text:
            attributes = rows[number]
            for key, column, convert in known[text]:
                value = column[number]
                attributes[key] = value if convert is None else convert(value)


def _restored(
    text: str, columns: Mapping[str, Sequence[Any]]
) -> list[tuple[str, Sequence[Any], Callable[[Any], AnyValue] | None]]:
    converters: dict[type, Callable[[Any], AnyValue]] = {float: _seconds, list: list}
    return [
        (key, columns[_PLACES[key][0]], converters.get(_PLACES[key][1]))
        for key in text.split("\n")
        if key in _PLACES
    ]


def _seconds(nanoseconds: int) -> float:
    return nanoseconds / _NS


def _is_held(span: Span, key: str) -> bool:
    return _plan((key,), (key,)).fits(span)


def _remember(plans: dict[Any, Plan], key: object, plan: Plan, size: int) -> None:
    if size > _MAX_PLANNED_KEYS:
        return
    if len(plans) >= _MAX_PLANS:
        plans.clear()
    plans[key] = plan


def _plan(keys: tuple[str, ...], promoted: Iterable[str]) -> Plan:
    # Seconds last: they are computed, the others only read.
    chosen = tuple(sorted(promoted, key=_SECONDS.__contains__))
    raw = tuple(key for key in keys if key not in chosen)
    return Plan(
        promoted=chosen,
        raw=raw,
        text="\n".join(chosen),
        raw_values=_members(raw),
        _sent=_members(chosen),
        _held=_fields(chosen),
        _types=tuple(_PLACES[key][1] for key in chosen),
    )


def _members(keys: tuple[str, ...]) -> Callable[[Attributes], Sequence[AnyValue]]:
    if len(keys) > 1:
        return itemgetter(*keys)
    return lambda attributes: tuple(attributes[key] for key in keys)


def _fields(keys: tuple[str, ...]) -> Callable[[Span], Sequence[Any]]:
    plain = [_PLACES[key][0] for key in keys if key not in _SECONDS]
    timed = [_SECONDS[key] for key in keys if key in _SECONDS]
    if len(plain) > 1 and not timed:
        return attrgetter(*plain)
    read: Callable[[Span], tuple[Any, ...]] = (
        attrgetter(*plain) if len(plain) > 1 else lambda span: tuple(getattr(span, name) for name in plain)
    )

    def held(span: Span) -> tuple[Any, ...]:
        times = [getattr(span, name) for name in timed]
        return (*read(span), *[None if time is None else time / _NS for time in times])

    return held
