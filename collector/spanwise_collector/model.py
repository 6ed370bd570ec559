"""The canonical span: what every dialect is normalised to, and what the store keeps and returns.

Field names are those of the JSON API. Times are UTC nanoseconds since 1970; money is USD.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Generic, TypeVar

AnyValue = str | bool | int | float | bytes | None | list[Any] | dict[str, Any]
"""An OTLP AnyValue as a Python value: kvlists are dictionaries, arrays are lists, empty is ``None``."""

T = TypeVar("T")
STATUSES = ("unset", "ok", "error")
COST_STATUSES = ("priced", "unpriced", "reported", "not_billable")


@dataclass(slots=True)
class SpanEvent:
    """A span event."""

    name: str
    time_ns: int
    attributes: dict[str, AnyValue] = field(default_factory=dict)


@dataclass(slots=True)
class SpanLink:
    """A link to another span; ids are lower-case hex."""

    trace_id: str
    span_id: str
    trace_state: str = ""
    attributes: dict[str, AnyValue] = field(default_factory=dict)


@dataclass(slots=True)
class Span:
    """One span in canonical form. Ids are lower-case hex; "none" is ``""`` for text, ``None`` for numbers.

    The first block is what OTLP delivers; the second is what normalisation promotes out of ``attributes``
    (which keeps everything that was not promoted); the third is the cost.
    """

    project_id: str
    trace_id: str
    span_id: str
    name: str
    start_ns: int
    end_ns: int
    parent_span_id: str = ""
    trace_state: str = ""
    flags: int = 0
    kind: str = "internal"
    status: str = "unset"
    status_message: str = ""
    scope_name: str = ""
    scope_version: str = ""
    attributes: dict[str, AnyValue] = field(default_factory=dict)
    resource: dict[str, AnyValue] = field(default_factory=dict)
    scope_attributes: dict[str, AnyValue] = field(default_factory=dict)
    resource_schema_url: str = ""
    scope_schema_url: str = ""
    events: list[SpanEvent] = field(default_factory=list)
    links: list[SpanLink] = field(default_factory=list)
    dropped_attributes_count: int = 0
    dropped_events_count: int = 0
    dropped_links_count: int = 0
    received_ns: int = 0

    service: str = ""
    service_version: str = ""
    environment: str = ""
    dialect: str = ""
    """``otel_genai``, ``openinference``, ``openllmetry`` or ``""`` for a span of none of them."""
    operation: str = ""
    """An OpenTelemetry GenAI operation name, or ``""`` for a span that is not about GenAI."""
    provider: str = ""
    request_model: str = ""
    response_model: str = ""
    response_id: str = ""
    conversation_id: str = ""
    user_id: str = ""
    agent_name: str = ""
    workflow_name: str = ""
    tool_name: str = ""
    tool_call_id: str = ""
    prompt_name: str = ""
    prompt_version: str = ""
    tags: list[str] = field(default_factory=list)
    error_type: str = ""
    finish_reasons: list[str] = field(default_factory=list)
    is_stream: bool = False
    time_to_first_chunk_ns: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None
    reasoning_output_tokens: int | None = None
    input_messages: str = ""
    """JSON array of OTel GenAI messages, system instructions first as role ``system``; ``""`` is none."""
    output_messages: str = ""
    tool_definitions: str = ""
    tool_arguments: str = ""
    tool_result: str = ""
    documents: str = ""
    """JSON array of retrieved documents (``id``, ``score``, ``content``, ...)."""
    input_text: str = ""
    """Retrieval query, embedding input (JSON array) or the JSON a step was called with."""
    output_text: str = ""
    warnings: list[str] = field(default_factory=list)
    """What normalisation had to correct or could not read, e.g. ``usage_excluded_cached_tokens``."""
    normaliser_version: int = 0
    sample_weight: float = 1.0

    is_billable: bool = False
    cost_usd: Decimal | None = None
    reported_cost_usd: Decimal | None = None
    cost_status: str = "not_billable"
    price_source: str = ""
    """Where the price came from and of which date, e.g. ``genai-prices 0.2.3, gpt-4o since 2024-05-13``."""

    @property
    def duration_ns(self) -> int:
        """Nanoseconds from start to end; 0 when the sender's clock ran backwards."""
        return max(0, self.end_ns - self.start_ns)


@dataclass(slots=True)
class Score:
    """One judgement of a trace or span."""

    project_id: str
    trace_id: str
    span_id: str
    """``""`` for the whole trace."""
    name: str
    score_id: str
    """The sender's own, or made of all the fields: the same score sent again is the same row."""
    time_ns: int
    kind: str
    """``number``, ``boolean`` or ``category``."""
    value: float | None
    """1 and 0 of a boolean; ``None`` of a category."""
    label: str = ""
    comment: str = ""
    source: str = ""
    """``api``, or the instrumentation scope that sent it."""
    user_id: str = ""
    service: str = ""
    environment: str = ""
    attributes: dict[str, AnyValue] = field(default_factory=dict)
    """What else was sent."""
    received_ns: int = 0


@dataclass(frozen=True, slots=True)
class ScoreFilter:
    """Which scores to read; ``None`` is any. ``from_ns`` (included) and ``to_ns`` (not) bound their time."""

    trace_ids: tuple[str, ...] | None = None
    span_id: str | None = None
    name: str | None = None
    from_ns: int | None = None
    to_ns: int | None = None


@dataclass(slots=True)
class Vector:
    """The embedding of one text."""

    project_id: str
    embedder: str
    """``model/dimensions``: vectors of different embedders cannot be compared."""
    content_hash: str
    """BLAKE2b of the text, 32 hex digits; of the vector where no text was recorded."""
    trace_id: str
    span_id: str
    item: int
    """Which text of that call, from 0."""
    numbers: Any
    """A NumPy array of float32, of shape (dimensions,); kept to three decimal digits."""
    received_ns: int


@dataclass(frozen=True, slots=True)
class TraceFilter:
    """Which traces to show: a condition on spans holds for a trace when it holds for any of its spans.

    Conditions that describe one call (``name``, ``operation``, ``provider``, ``model``, ``prompt_name``)
    must hold together on one span. ``status``, durations, cost and ``is_unpriced`` are those the list shows
    for the trace. ``from_ns`` (included) and ``to_ns`` (not) bound the trace's start. Text fields match
    exactly; ``q`` is a case-insensitive substring of name, messages, inputs or outputs, or a whole id.
    """

    from_ns: int | None = None
    to_ns: int | None = None
    service: str | None = None
    environment: str | None = None
    name: str | None = None
    operation: str | None = None
    provider: str | None = None
    model: str | None = None
    status: str | None = None
    user_id: str | None = None
    conversation_id: str | None = None
    tag: str | None = None
    prompt_name: str | None = None
    score: str | None = None
    """The name of a score that the trace or one of its spans has."""
    q: str | None = None
    min_duration_ms: float | None = None
    max_duration_ms: float | None = None
    min_cost_usd: float | None = None
    is_unpriced: bool | None = None


@dataclass(frozen=True, slots=True)
class TraceSummary:
    """One row of the trace list. Tokens and cost are sums over billable spans; ``None`` is unknown."""

    trace_id: str
    name: str
    service: str
    environment: str
    operation: str
    """The root span's."""
    start_ns: int
    duration_ns: int
    status: str
    """``error`` when any span failed, else the root's."""
    error_count: int
    span_count: int
    llm_call_count: int
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: Decimal | None
    """``None`` when nothing was billable or nothing could be priced; see ``unpriced_count``."""
    unpriced_count: int
    is_estimated: bool
    """True when sampling weights other than 1 went into the sums."""
    models: list[str]
    user_id: str
    conversation_id: str
    tags: list[str]
    root_span_id: str
    input_preview: str
    output_preview: str


@dataclass(frozen=True, slots=True)
class SpanOutline:
    """What a tree row needs of a span: no messages, no raw attributes, so that 20,000 of them are light."""

    span_id: str
    parent_span_id: str
    name: str
    operation: str
    start_ns: int
    duration_ns: int
    time_to_first_chunk_ns: int | None
    status: str
    service: str
    model: str
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: Decimal | None
    cost_status: str
    is_billable: bool


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """One conversation: everything that shares a ``conversation_id``."""

    conversation_id: str
    user_ids: list[str]
    start_ns: int
    end_ns: int
    trace_count: int
    error_count: int
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: Decimal | None
    unpriced_count: int
    models: list[str]
    input_preview: str
    output_preview: str


@dataclass(frozen=True, slots=True)
class FacetValue:
    """One value of a facet and the number of traces that have it."""

    value: str
    count: int


@dataclass(frozen=True, slots=True)
class HistogramBucket:
    """Traces that started in ``[start_ns, start_ns + width)``."""

    start_ns: int
    trace_count: int
    error_count: int


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over the traces of a filter; every span once, however often it was sent."""

    trace_count: int
    error_count: int
    span_count: int
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int
    reasoning_output_tokens: int
    cost_usd: Decimal
    unpriced_count: int
    is_estimated: bool


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list; ``next_cursor`` is ``None`` on the last."""

    items: list[T]
    next_cursor: str | None = None
