"""Sampling by OpenTelemetry's standard variables, with its probability written down in ``tracestate``.

OpenTelemetry's own ratio sampler tells nobody how many traces one stands for; a store could not count. Ours
writes the rejection threshold (``ot=th:…``), which every span of the trace carries, through other services
too, and by which Spanwise weighs tokens, cost and volume. Only a TracerProvider of ours uses it: where the
app has its own, the app's sampler stands.

A sampler may decide by conversation instead of trace. The conversation's id then gives the randomness, which
is written too (``ot=rv:…``), so that every sampler that keeps to the specification decides alike, with
whatever share, in whatever process.

Source: OpenTelemetry specification, "TraceState: Probability Sampling" (consistent probability sampling).
"""

import hashlib
import logging
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState, get_current_span
from opentelemetry.util.types import Attributes

from spanwise import semconv
from spanwise.ambient import attributes_of
from spanwise.suppression import get_current

if TYPE_CHECKING:
    from spanwise.config import Config

logger = logging.getLogger("spanwise")

SAMPLER_VARIABLE = "OTEL_TRACES_SAMPLER"
ARGUMENT_VARIABLE = "OTEL_TRACES_SAMPLER_ARG"
_BITS = 56
_FULL = 1 << _BITS
_DIGITS = _BITS // 4
_PRECISION = 4
"""Hexadecimal digits of a threshold behind its leading ``f``s: an error of the weight below 0.01 %."""


class ThresholdSampler(Sampler):
    """Keeps a share of the traces, the same ones in every process, and says which share.

    A trace is kept when its randomness, 56 bits of the trace id (or ``ot=rv`` of the caller), is not below
    the threshold.

    Args:
        probability: The share, from 0 to 1.
        by: ``"trace"``, or ``"conversation"``: all traces that begin in one conversation are kept, or none of
            them. Those that begin in none are decided by their trace id.
        records_rest: True records the spans that are not kept too, so that processors see them.
    """

    def __init__(self, probability: float, by: str = "trace", *, records_rest: bool = False) -> None:
        self._probability = probability
        self._is_by_conversation = by == "conversation"
        self._rest = Decision.RECORD_ONLY if records_rest else Decision.DROP
        self._threshold = _rounded(round((1 - probability) * _FULL))
        self._written = f"{self._threshold:014x}".rstrip("0") or "0"

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Decides about one span; called by the provider."""
        parent = get_current_span(parent_context).get_span_context()
        state = parent.trace_state if parent.is_valid else trace_state
        members = _members(state)
        if self._is_by_conversation and not parent.is_valid:
            conversation = _conversation_of(attributes, parent_context)
            if conversation:
                members["rv"] = hashlib.sha256(conversation.encode("utf-8", "replace")).hexdigest()[:_DIGITS]
        randomness = _randomness(members.get("rv", ""))
        if randomness is None:
            randomness = trace_id & (_FULL - 1)
        is_kept = self._probability > 0 and randomness >= self._threshold
        if is_kept:
            members["th"] = self._written
        else:
            members.pop("th", None)  # the caller's, which says nothing about a span that is not kept
        return SamplingResult(
            Decision.RECORD_AND_SAMPLE if is_kept else self._rest,
            None if not is_kept and self._rest is Decision.DROP else attributes,
            _with_members(state, members),
        )

    def get_description(self) -> str:
        """Returns the sampler's name for logs."""
        return f"SpanwiseThreshold{{{self._probability:g}}}"


class _RecordOnly(Sampler):
    """Records what the trace's own sampler has left out, without keeping it."""

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Decides about one span below an unsampled one; called by the provider."""
        state = get_current_span(parent_context).get_span_context().trace_state
        return SamplingResult(Decision.RECORD_ONLY, attributes, state)

    def get_description(self) -> str:
        """Returns the sampler's name for logs."""
        return "SpanwiseRecordOnly"


def sampler_of(config: "Config") -> Sampler | None:
    """Returns the sampler that a set-up asks for, by argument or else by environment.

    ``None`` leaves it to OpenTelemetry's SDK.
    """
    if config.sample_ratio is not None:
        return _following_parents(config.sample_ratio, config.sample_by, records_rest=config.keep_errors)
    return sampler_from_env(config.sample_by, records_rest=config.keep_errors)


def settings_without_effect(config: "Config", sampler: object) -> list[str]:
    """Returns the names of the settings that an app's own sampler makes useless."""
    if isinstance(sampler, ThresholdSampler):
        return []
    found = ["sample_ratio"] if config.sample_ratio is not None else []
    describe = getattr(sampler, "get_description", str)
    keeps_all = "AlwaysOn" in describe().partition(",")[0]
    return found + (["keep_errors"] if config.keep_errors and not keeps_all else [])


def sampler_from_env(by: str = "trace", *, records_rest: bool = False) -> Sampler | None:
    """Returns the sampler that the environment asks for; ``None`` leaves it to OpenTelemetry's SDK.

    Args:
        by: See ``ThresholdSampler``.
        records_rest: See there.
    """
    name = os.environ.get(SAMPLER_VARIABLE, "").strip().lower()
    if name == "always_on":
        return ThresholdSampler(1.0)  # whatever share the caller kept: all of these are
    if name == "traceidratio":
        return ThresholdSampler(_argument(), by, records_rest=records_rest)
    if name == "parentbased_traceidratio":
        return _following_parents(_argument(), by, records_rest=records_rest)
    if not records_rest:
        return None
    if name == "always_off":
        return ThresholdSampler(0.0, records_rest=True)
    if name in ("", "parentbased_always_on", "parentbased_always_off"):
        return _following_parents(0.0 if name.endswith("off") else 1.0, records_rest=True)
    logger.warning("spanwise: keep_errors does nothing with %s=%s", SAMPLER_VARIABLE, name)
    return None


def _following_parents(share: float, by: str = "trace", *, records_rest: bool = False) -> Sampler:
    root = ThresholdSampler(share, by, records_rest=records_rest)
    if not records_rest:
        return ParentBased(root)
    rest = _RecordOnly()
    return ParentBased(root, remote_parent_not_sampled=rest, local_parent_not_sampled=rest)


def is_whole(state: TraceState | None) -> bool:
    """Tells whether a sampled span stands for itself alone, by its trace state."""
    return _members(state).get("th", "0").strip("0") == ""


def as_whole(state: TraceState | None) -> TraceState:
    """Returns the trace state of a span that is kept whatever sampling says: it stands for itself alone."""
    return _with_members(state, {**_members(state), "th": "0"})


def _conversation_of(attributes: Attributes, parent_context: Context | None) -> str:
    found = (attributes or {}).get(semconv.CONVERSATION_ID)
    if found is None:
        held = attributes_of(get_current() if parent_context is None else parent_context)
        found = held.get(semconv.CONVERSATION_ID)
    return found if isinstance(found, str) else ""


def _argument() -> float:
    text = os.environ.get(ARGUMENT_VARIABLE, "").strip()
    try:
        share = float(text or "1")
    except ValueError:
        share = -1.0
    if 0 <= share <= 1:
        return share
    logger.warning(
        "spanwise: %s=%s ignored: it must be a share from 0 to 1; all traces are kept",
        ARGUMENT_VARIABLE,
        text,
    )
    return 1.0


def _rounded(threshold: int) -> int:
    """Returns the threshold with as many digits as are worth their bytes; never rounded up to "none"."""
    digits = f"{threshold:014x}"
    if threshold >= _FULL:
        return _FULL
    kept = len(digits) - len(digits.lstrip("f")) + _PRECISION
    unit = 1 << 4 * max(0, _DIGITS - kept)
    return threshold // unit * unit


def _members(state: TraceState | None) -> dict[str, str]:
    """Returns the members of OpenTelemetry's own entry of a trace state."""
    entry = (state.get("ot") if state else None) or ""
    pairs = (member.partition(":") for member in entry.split(";") if member)
    return {key: value for key, _, value in pairs}


def _with_members(state: TraceState | None, members: dict[str, str]) -> TraceState:
    state = TraceState() if state is None else state
    entry = ";".join(f"{key}:{value}" for key, value in members.items())
    if not entry:
        return state.delete("ot") if "ot" in state else state
    return state.update("ot", entry)


def _randomness(text: str) -> int | None:
    if len(text) != _DIGITS:
        return None
    try:
        return int(text, 16)
    except ValueError:
        return None
