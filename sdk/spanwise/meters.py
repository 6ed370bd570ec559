"""OpenTelemetry's GenAI metrics of each call, for apps that have a MeterProvider; nothing at all otherwise.

Recorded for unsampled calls too: sums of tokens must not depend on which traces are kept.

Source: OpenTelemetry GenAI semantic conventions 1.41.1, client metrics and their advised buckets.
"""

import os
import time
from typing import Any

from opentelemetry import metrics
from opentelemetry.context import Context
from opentelemetry.environment_variables import OTEL_PYTHON_METER_PROVIDER
from opentelemetry.metrics import Histogram, MeterProvider, NoOpMeterProvider

from spanwise import semconv
from spanwise._version import __version__
from spanwise.operation import AttributeValue, Request, Response, Usage

DURATION = "gen_ai.client.operation.duration"
USAGE = "gen_ai.client.token.usage"
TIME_TO_FIRST_CHUNK = "gen_ai.client.operation.time_to_first_chunk"
TIME_PER_OUTPUT_CHUNK = "gen_ai.client.operation.time_per_output_chunk"
SECONDS_BUCKETS = tuple(0.01 * 2**n for n in range(14))
TOKEN_BUCKETS = tuple(4**n for n in range(14))
USAGE_KIND = "gen_ai.token.type"
_SCOPE = "spanwise"

Attributes = dict[str, AttributeValue]

_api = getattr(metrics, "_internal", None)
_is_named = OTEL_PYTHON_METER_PROVIDER in os.environ


class _Instruments:
    """The histograms of one MeterProvider."""

    __slots__ = ("duration", "first_chunk", "per_chunk", "tokens")

    def __init__(self, provider: MeterProvider) -> None:
        meter = provider.get_meter(_SCOPE, __version__, schema_url=semconv.SCHEMA_URL)

        def seconds(name: str, description: str) -> Histogram:
            return meter.create_histogram(
                name, "s", description, explicit_bucket_boundaries_advisory=SECONDS_BUCKETS
            )

        self.duration = seconds(DURATION, "Duration of a GenAI operation")
        self.first_chunk = seconds(TIME_TO_FIRST_CHUNK, "Time from the request to the first chunk")
        self.per_chunk = seconds(TIME_PER_OUTPUT_CHUNK, "Time from one chunk to the next")
        self.tokens = meter.create_histogram(
            USAGE,
            "{token}",
            "Tokens of a GenAI operation",
            explicit_bucket_boundaries_advisory=TOKEN_BUCKETS,
        )


_known: tuple[object, _Instruments | None] = (None, None)
"""The provider seen last, and its instruments; ``None`` for one that records nothing."""


def meter_for(request: Request, started: float) -> "CallMeter | None":
    """Returns what measures one call; ``None``, within a microsecond, when the app has no MeterProvider.

    Args:
        request: The call.
        started: When it began, in terms of ``time.perf_counter()``.
    """
    provider = getattr(_api, "_METER_PROVIDER", _api)  # three times as fast as asking for it
    if provider is None and not _is_named:
        return None
    provider = metrics.get_meter_provider()
    seen, instruments = _known
    if provider is not seen:
        instruments = _remembered(provider)
    return None if instruments is None else CallMeter(instruments, request, started)


def _remembered(provider: MeterProvider) -> _Instruments | None:
    global _known
    is_real = not isinstance(provider, NoOpMeterProvider) and "Proxy" not in type(provider).__name__
    instruments = _Instruments(provider) if is_real else None
    _known = (provider, instruments)
    return instruments


class CallMeter:
    """The measurements of one call."""

    __slots__ = (
        "_attributes",
        "_first_chunk_s",
        "_instruments",
        "_is_billable",
        "_last",
        "_started",
        "_usage",
        "error_type",
    )

    def __init__(self, instruments: _Instruments, request: Request, started: float) -> None:
        self._instruments = instruments
        self._started = self._last = started
        self._first_chunk_s: float | None = None
        self._usage: Usage | None = None
        self.error_type: str | None = None
        self._is_billable = request.operation in semconv.BILLABLE_OPERATIONS
        self._attributes: Attributes = {
            semconv.OPERATION_NAME: request.operation,
            semconv.PROVIDER_NAME: request.provider,
        }
        if request.model:
            self._attributes[semconv.REQUEST_MODEL] = request.model
        if request.server_address:
            self._attributes[semconv.SERVER_ADDRESS] = request.server_address
            if request.server_port:
                self._attributes[semconv.SERVER_PORT] = request.server_port

    def first_chunk(self) -> None:
        """Notes the first chunk of a stream."""
        self._last = time.perf_counter()
        self._first_chunk_s = self._last - self._started

    def timed(self, fold: Any) -> Any:
        """Returns a stream's fold that also measures the time since the chunk before."""
        record, attributes = self._instruments.per_chunk.record, self._attributes
        is_first = True

        def timing(state: Any, chunk: Any) -> None:
            nonlocal is_first
            if is_first:
                is_first = False
            else:
                now = time.perf_counter()
                record(now - self._last, attributes)
                self._last = now
            fold(state, chunk)

        return timing

    def note(self, response: Response) -> None:
        """Takes from an answer what measurements need."""
        if response.model:
            # A new dictionary: the one before belongs to measurements that were made with it.
            self._attributes = {**self._attributes, semconv.RESPONSE_MODEL: response.model}
        self._usage = response.usage or self._usage
        self.error_type = response.error_type or self.error_type

    def end(self, context: Context) -> None:
        """Records the call; ``context`` holds its span, for exemplars."""
        elapsed_s = time.perf_counter() - self._started
        attributes, instruments = self._attributes, self._instruments
        if self._first_chunk_s is not None:
            instruments.first_chunk.record(self._first_chunk_s, attributes, context)
        usage = self._usage
        if usage is not None and self._is_billable:
            for kind, count in (("input", usage.input_tokens), ("output", usage.output_tokens)):
                if count is not None:
                    instruments.tokens.record(count, {**attributes, USAGE_KIND: kind}, context)
        if self.error_type:
            attributes = {**attributes, semconv.ERROR_TYPE: self.error_type}
        instruments.duration.record(elapsed_s, attributes, context)
