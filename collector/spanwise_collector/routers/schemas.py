"""The documents of the JSON API, for its OpenAPI description and for tests that hold answers against them.

Answers are rendered by ``routers.render`` without passing through these classes, which would cost more than
reading the rows.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

# JSON of any shape (messages, attributes) is Any below.
Json = Any


class Document(BaseModel):
    """A JSON object with exactly these members."""

    model_config = ConfigDict(extra="forbid")


class Problem(BaseModel):
    """An error, as RFC 9457 has it."""

    type: str
    title: str
    status: int
    detail: str = Field(description="What was wrong, with the offending value.")
    instance: str
    fix: str | None = Field(default=None, description="What to do about it.")


class Trace(Document):
    """One trace of a list. Tokens and cost are sums over spans that a provider charges for."""

    trace_id: str = Field(description="32 hex digits.")
    name: str = Field(description="Name of the root span.")
    service: str
    environment: str
    operation: str = Field(description="Operation of the root span.")
    start: str = Field(description="RFC 3339, UTC, nine digits.", examples=["2026-11-22T10:00:00.123456789Z"])
    duration_ns: int
    status: str = Field(description="`error` when any span failed, else the root's: unset, ok.")
    error_count: int
    span_count: int
    llm_call_count: int
    input_tokens: int | None = Field(description="Cached tokens included; null is unknown.")
    output_tokens: int | None = Field(description="Reasoning tokens included; null is unknown.")
    cost_usd: float | None = Field(description="null when nothing could be priced.")
    unpriced_count: int = Field(description="Calls whose price is unknown and that `cost_usd` leaves out.")
    is_estimated: bool = Field(description="True when sampled spans stand for others in the sums.")
    models: list[str]
    user_id: str
    conversation_id: str
    tags: list[str]
    root_span_id: str
    input_preview: str
    output_preview: str


class TracePage(Document):
    """One page of traces, newest first."""

    items: list[Trace]
    next_cursor: str | None = Field(description="Pass as `cursor` for the next page; null on the last.")


class Event(Document):
    """A span event."""

    name: str
    time: str
    attributes: dict[str, Json]


class Link(Document):
    """A link to another span."""

    trace_id: str
    span_id: str
    trace_state: str
    attributes: dict[str, Json]


class Scope(Document):
    """The instrumentation that made a span."""

    name: str
    version: str
    attributes: dict[str, Json]
    schema_url: str


class Span(Document):
    """One span: canonical columns first, then what was sent."""

    trace_id: str
    span_id: str
    parent_span_id: str | None
    name: str
    kind: str
    service: str
    service_version: str
    environment: str
    dialect: str = Field(description="otel_genai, openinference, openllmetry, or empty.")
    operation: str = Field(description="OpenTelemetry GenAI operation, or empty for an ordinary span.")
    provider: str
    request_model: str
    response_model: str
    response_id: str
    start: str
    duration_ns: int
    time_to_first_chunk_ns: int | None
    is_stream: bool
    status: str
    error_type: str
    status_message: str
    input_tokens: int | None = Field(description="Total, cached tokens included.")
    output_tokens: int | None = Field(description="Total, reasoning tokens included.")
    cached_input_tokens: int | None
    cache_write_input_tokens: int | None
    reasoning_output_tokens: int | None
    is_billable: bool = Field(description="True for operations a provider charges for.")
    cost_usd: float | None
    reported_cost_usd: float | None = Field(description="What the sender said it cost.")
    cost_status: str = Field(description="priced, unpriced, reported or not_billable.")
    price_source: str = Field(description="Which price, from when, from where; or why there is none.")
    sample_weight: float = Field(description="How many spans this one stands for.")
    finish_reasons: list[str]
    input_messages: list[Json] = Field(description="OpenTelemetry GenAI messages, system text first.")
    output_messages: list[Json]
    tool_definitions: list[Json]
    documents: list[Json] = Field(description="Retrieved documents.")
    tool_arguments: Json
    tool_result: Json
    input_text: str = Field(description="Search query, embedded texts, or what a step was called with.")
    output_text: str
    conversation_id: str
    user_id: str
    agent_name: str
    workflow_name: str
    tool_name: str
    tool_call_id: str
    prompt_name: str
    prompt_version: str
    tags: list[str]
    attributes: dict[str, Json] = Field(description="Everything sent that is not a content column above.")
    resource: dict[str, Json]
    events: list[Event]
    links: list[Link]
    trace_state: str
    flags: int
    scope: Scope
    resource_schema_url: str
    dropped_attributes_count: int
    dropped_events_count: int
    dropped_links_count: int
    warnings: list[str] = Field(description="What normalisation corrected or could not read.")
    normaliser_version: int
    received: str


class Score(Document):
    """One judgement of a trace or span."""

    id: str
    trace_id: str
    span_id: str | None = Field(description="null: the whole trace.")
    name: str
    kind: str = Field(description="number, boolean or category.")
    value: float | None = Field(description="1 and 0 of a boolean; null of a category.")
    label: str = Field(description="The category, true or false, or a word for the number.")
    comment: str
    time: str
    source: str = Field(description="api, or the instrumentation that sent it.")
    user_id: str
    service: str
    environment: str
    attributes: dict[str, Json]
    received: str


class NewScore(Document):
    """A score to write."""

    trace_id: str = Field(description="32 hex digits.", pattern="^[0-9a-fA-F]{32}$")
    span_id: str | None = Field(default=None, description="16 hex digits; without it the whole trace.")
    name: str = Field(min_length=1, max_length=256)
    value: float | bool | str | None = Field(default=None, description="A number, a truth value or a word.")
    label: str | None = Field(default=None, description="A word for the value, or a category without one.")
    comment: str | None = None
    id: str | None = Field(
        default=None, description="A later score of the same place, name and id replaces it."
    )
    time: str | None = Field(default=None, description="RFC 3339; default now.")
    user_id: str | None = Field(default=None, description="Who judged.")
    attributes: dict[str, Json] | None = None


class ScoresWritten(Document):
    """The ids of the scores that were written, in order."""

    ids: list[str]


class ScoreList(Document):
    """Scores, newest first."""

    items: list[Score]


class TraceDetail(Document):
    """A trace with all its spans in order of start, and what it was scored."""

    trace_id: str
    spans: list[Span]
    scores: list[Score] = Field(description="Of the trace and its spans, newest first.")
    next_after: str | None = Field(description="Pass as `after` for more spans; null when all are here.")


class OutlineColumns(Document):
    """A tree as columns: the n-th entry of each list belongs to the n-th span."""

    span_id: list[str]
    parent_span_id: list[str]
    name: list[str]
    operation: list[str]
    start_offset_ns: list[int] = Field(description="Nanoseconds since the trace's start.")
    duration_ns: list[int]
    time_to_first_chunk_ns: list[int | None]
    status: list[str]
    service: list[str]
    model: list[str]
    input_tokens: list[int | None]
    output_tokens: list[int | None]
    cost_usd: list[float | None]
    cost_status: list[str]
    is_billable: list[bool]


class Outline(Document):
    """The tree of a trace without payloads."""

    trace_id: str
    start: str
    span_count: int
    columns: OutlineColumns


class Session(Document):
    """One conversation: everything that shares a conversation id."""

    conversation_id: str
    user_ids: list[str]
    start: str
    end: str
    trace_count: int
    error_count: int
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    unpriced_count: int
    models: list[str]
    input_preview: str
    output_preview: str


class SessionPage(Document):
    """One page of conversations, latest first."""

    items: list[Session]
    next_cursor: str | None


class SessionDetail(Document):
    """The traces of one conversation, oldest first."""

    conversation_id: str
    traces: list[Trace]


class Facet(Document):
    """One value of a facet."""

    value: str
    count: int = Field(description="Traces that have it.")


class Facets(Document):
    """The most frequent values of each facet under a filter."""

    facets: dict[str, list[Facet]]


class Bucket(Document):
    """Traces that started in one interval."""

    start: str
    trace_count: int
    error_count: int


class Totals(Document):
    """Sums over the traces of a filter; every span once, however often it was sent."""

    trace_count: int
    error_count: int
    span_count: int
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int
    reasoning_output_tokens: int
    cost_usd: float
    unpriced_count: int
    is_estimated: bool


class Histogram(Document):
    """Traces over time, and their sums."""

    buckets: list[Bucket]
    totals: Totals
