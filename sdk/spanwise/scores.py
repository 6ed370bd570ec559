"""Scores of what a model did: ``spanwise.score()``, and the ids to keep for a score that comes later.

    with spanwise.span("answer"):
        reply = ask_model(question)
        spanwise.score("grounded", 0.93)
        keep(reply, trace_id=spanwise.current_trace_id())

    spanwise.score("helpful", True, trace=kept_trace_id)  # hours later, in any process

A score becomes OpenTelemetry's evaluation event. It is sent like a span: in the background, retried, counted.

Source: OpenTelemetry GenAI semantic conventions 1.41.1, event ``gen_ai.evaluation.result``.
"""

import math
import numbers
import re
import time
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Any

from opentelemetry import trace as otel
from opentelemetry.trace import Span, SpanContext

from spanwise import guard, semconv
from spanwise.ambient import attributes_of, is_private
from spanwise.hashing import hasher_of
from spanwise.operation import AttributeValue
from spanwise.runtime import Runtime, current
from spanwise.steps import Step
from spanwise.suppression import get_current

NUMBER, BOOLEAN, CATEGORY = "number", "boolean", "category"
MAX_NAME_CHARS = 256
MAX_COMMENT_CHARS = 16_384

_TRACE_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
_SPAN_ID = re.compile(r"[0-9a-f]{16}", re.ASCII)
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2}).*", re.ASCII)
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16


class _Default(Enum):
    """Stands for "the current one": ``None`` may come out of a database, and must not mean that."""

    CURRENT = "current"


CURRENT = _Default.CURRENT

Target = str | Step | Span | SpanContext | None


@dataclass(frozen=True, slots=True)
class Score:
    """One score, ready to be sent."""

    name: str
    kind: str
    """``number``, ``boolean`` or ``category``."""
    value: float | None
    """1.0 and 0.0 for a boolean, ``None`` for a category."""
    label: str
    """The category, ``true`` or ``false``, or the word given for a number; empty for none."""
    comment: str
    trace_id: str
    """32 hexadecimal digits."""
    span_id: str
    """16 hexadecimal digits; empty for the whole trace."""
    time_ns: int
    """Nanoseconds since 1970."""
    attributes: dict[str, AttributeValue] = field(default_factory=dict)


class _Unusable(ValueError):
    """A score that cannot be recorded because of its data, which is not worth an exception in the app."""


def current_trace_id() -> str | None:
    """Returns the id of the current trace in 32 hexadecimal digits, to keep for a later ``score()``.

    ``None`` outside of a trace.
    """
    context = otel.get_current_span(get_current()).get_span_context()
    return otel.format_trace_id(context.trace_id) if context.is_valid else None


def current_span_id() -> str | None:
    """Returns the id of the current span in 16 hexadecimal digits; ``None`` outside of a trace."""
    context = otel.get_current_span(get_current()).get_span_context()
    return otel.format_span_id(context.span_id) if context.is_valid else None


def score(
    name: str,
    value: float | bool | str,
    *,
    comment: str | None = None,
    label: str | None = None,
    trace: Target | _Default = CURRENT,
    span: str | None = None,
    score_id: str | None = None,
) -> bool:
    """Scores the current span, or a trace or span of earlier.

    Args:
        name: What is judged, such as ``"helpful"``; low in variety, at most 256 characters.
        value: True or False, a number, or the word for a category.
        comment: Why, in words: content, hence subject to the capture policy and scrubbed; at most 16,384
            characters are kept.
        label: A word for a number or truth value, such as ``"pass"``.
        trace: What is scored; default is the current span. A trace id (32 hexadecimal digits, as
            ``current_trace_id()`` and ``step.trace_id`` give them) kept from earlier, also by another
            process; a W3C ``traceparent``; a step or span.
        span: A span id within that trace; without it, a trace id means the whole trace.
        score_id: Names the score: a later one of the same name, trace, span and id replaces it.

    Returns:
        True when the score will be sent. False while Spanwise is off, when the current span is not sampled,
        and when the data cannot be used (a NaN, an id that is none, nothing current): the first of each
        reason is logged, and none of them raises.

    Raises:
        TypeError: an argument of a type that can never be right, or both a word as value and a label.
    """
    _check_types(name, value, comment, label, span, score_id)
    runtime = current()
    if runtime is None:
        return False
    try:
        trace_id, span_id, is_sampled = _place_of(trace, span)
        if not is_sampled:
            return False
        runtime.pipeline.put_score(
            _score(runtime, name, value, comment, label, (trace_id, span_id), score_id)
        )
    except _Unusable as problem:
        guard.say_once(f"score {problem.args[0]}", "spanwise: a score was not recorded: %s", problem)
        return False
    except Exception as error:  # noqa: BLE001  objects of the app are read in here
        guard.fault("recording a score", error)
        return False
    return True


def _score(
    runtime: Runtime,
    name: str,
    value: Any,
    comment: str | None,
    label: str | None,
    place: tuple[str, str],
    score_id: str | None,
) -> Score:
    name = name.strip()
    if not 0 < len(name) <= MAX_NAME_CHARS:
        raise _Unusable(f"its name must have 1 to {MAX_NAME_CHARS} characters, not {len(name)}")
    kind, number, word = _read_value(value, label)
    context = get_current()
    attributes: dict[str, AttributeValue] = {semconv.SCORE_KIND: kind}
    if score_id:
        attributes[semconv.SCORE_ID] = score_id[:MAX_NAME_CHARS]
    if user_id := attributes_of(context).get(semconv.USER_ID):
        attributes[semconv.USER_ID] = user_id
    if comment and (is_private(context) or not runtime.capture.wants_content):
        comment = None
    comment = runtime.capture.text(comment[:MAX_COMMENT_CHARS]) if comment else ""
    if (hasher := hasher_of(runtime.config)) is not None:
        comment = hasher.digest(comment)
    return Score(
        name=name,
        kind=kind,
        value=number,
        label=runtime.capture.text(word[:MAX_NAME_CHARS]),
        comment=comment,
        trace_id=place[0],
        span_id=place[1],
        time_ns=time.time_ns(),
        attributes=attributes,
    )


def _check_types(name: Any, value: Any, comment: Any, label: Any, span: Any, score_id: Any) -> None:
    if not isinstance(name, str):
        raise TypeError(f"score() needs a name of type str, not {type(name).__name__}")
    texts = {"comment": comment, "label": label, "span": span, "score_id": score_id}
    for argument, text in texts.items():
        if text is not None and not isinstance(text, str):
            raise TypeError(f"score({argument}=...) must be a str, not {type(text).__name__}")
    if isinstance(value, str) and label is not None:
        raise TypeError("score() takes a word as value or as label, not both")
    if not isinstance(value, str) and _plain_number(value) is None:
        raise TypeError(f"score() takes True, False, a number or a word as value, not {type(value).__name__}")


def _plain_number(value: Any) -> float | bool | None:
    """Returns a number of any library as a plain one; ``None`` when it is none."""
    if isinstance(value, bool):
        return value
    if isinstance(value, (numbers.Real, Decimal)):
        return float(value)
    if getattr(value, "shape", None) == () and hasattr(value, "item"):  # a numpy or torch scalar
        plain = value.item()
        return plain if isinstance(plain, (bool, float)) else float(plain)
    return None


def _read_value(value: Any, label: str | None) -> tuple[str, float | None, str]:
    """Returns kind, number and word."""
    if isinstance(value, str):
        word = value.strip()
        if not word:
            raise _Unusable("its value is an empty text")
        return CATEGORY, None, word
    number = _plain_number(value)
    if isinstance(number, bool):
        return BOOLEAN, float(number), label or ("true" if number else "false")
    if number is None or not math.isfinite(number):
        raise _Unusable(f"its value is {number}, not a finite number")
    return NUMBER, number, label or ""


def _place_of(target: Any, span: str | None) -> tuple[str, str, bool]:
    """Returns trace id, span id, and False when that span is known to be left out by sampling."""
    if target is CURRENT:
        target = otel.get_current_span(get_current())
        if not target.get_span_context().is_valid:
            raise _Unusable(
                "nothing is being traced here; call score() inside a span, or keep current_trace_id() and "
                "give it as trace=..."
            )
    if isinstance(target, Step):
        target = target.span
    if isinstance(target, Span):
        target = target.get_span_context()
    if isinstance(target, SpanContext):
        trace_id, span_id = otel.format_trace_id(target.trace_id), otel.format_span_id(target.span_id)
        is_sampled = target.trace_flags.sampled
    else:
        trace_id, span_id, is_sampled = _parsed(target)
    if span is not None:
        span_id = span.strip().lower()
    if not _TRACE_ID.fullmatch(trace_id) or trace_id == _NO_TRACE:
        raise _Unusable(f"trace={target!r:.60} is not a trace id of 32 hexadecimal digits")
    if span_id and (not _SPAN_ID.fullmatch(span_id) or span_id == _NO_SPAN):
        raise _Unusable(f"span={span!r:.40} is not a span id of 16 hexadecimal digits")
    return trace_id, span_id, is_sampled


def _parsed(text: Any) -> tuple[str, str, bool]:
    if not isinstance(text, str):
        raise _Unusable(f"trace={text!r:.60} is not a trace id of 32 hexadecimal digits")
    text = text.strip().lower()
    found = _TRACEPARENT.fullmatch(text)
    if found is not None:
        return found[1], found[2], bool(int(found[3], 16) & 1)
    return text, "", True
