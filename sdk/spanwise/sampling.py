"""Sampling by OpenTelemetry's standard variables, with its probability written down in ``tracestate``.

OpenTelemetry's own ratio sampler tells nobody how many traces one stands for; a store could not count. Ours
writes the rejection threshold (``ot=th:…``), which every span of the trace carries, through other services
too, and by which Spanwise weighs tokens, cost and volume. Only a TracerProvider of ours uses it: where the
app has its own, the app's sampler stands.

Source: OpenTelemetry specification, "TraceState: Probability Sampling" (consistent probability sampling).
"""

import logging
import os
from collections.abc import Sequence

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState, get_current_span
from opentelemetry.util.types import Attributes

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
    """

    def __init__(self, probability: float) -> None:
        self._probability = probability
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
        randomness = _randomness(members.get("rv", ""))
        if randomness is None:
            randomness = trace_id & (_FULL - 1)
        is_kept = self._probability > 0 and randomness >= self._threshold
        if is_kept:
            members["th"] = self._written
        else:
            members.pop("th", None)  # the caller's, which says nothing about a span that is not kept
        return SamplingResult(
            Decision.RECORD_AND_SAMPLE if is_kept else Decision.DROP,
            attributes if is_kept else None,
            _with_members(state, members),
        )

    def get_description(self) -> str:
        """Returns the sampler's name for logs."""
        return f"SpanwiseThreshold{{{self._probability:g}}}"


def sampler_from_env() -> Sampler | None:
    """Returns the sampler that the environment asks for; ``None`` leaves it to OpenTelemetry's SDK."""
    name = os.environ.get(SAMPLER_VARIABLE, "").strip().lower()
    if name == "always_on":
        return ThresholdSampler(1.0)  # whatever share the caller kept: all of these are
    if name == "traceidratio":
        return ThresholdSampler(_argument())
    if name == "parentbased_traceidratio":
        return ParentBased(ThresholdSampler(_argument()))
    return None


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
