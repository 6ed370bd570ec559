"""One span as the detail panel shows it: facts, content by kind, errors, attributes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from markupsafe import Markup

from spanwise import semconv
from spanwise_collector.model import Span, SpanEvent
from spanwise_dashboards import chat, jsonview
from spanwise_dashboards import format as fmt
from spanwise_dashboards.kinds import EMBEDDING, RETRIEVER, TOOL, kind_of, short_name
from spanwise_dashboards.score_view import ScoreView
from spanwise_dashboards.text import Passage, passage, plain
from spanwise_dashboards.usage import Usage, usage_of

_PARAMETERS = {
    semconv.REQUEST_TEMPERATURE: "temperature",
    semconv.REQUEST_TOP_P: "top_p",
    semconv.REQUEST_TOP_K: "top_k",
    semconv.REQUEST_MAX_TOKENS: "max_tokens",
    semconv.REQUEST_SEED: "seed",
    semconv.REQUEST_CHOICE_COUNT: "choices",
    semconv.REQUEST_FREQUENCY_PENALTY: "frequency_penalty",
    semconv.REQUEST_PRESENCE_PENALTY: "presence_penalty",
    semconv.REQUEST_STOP_SEQUENCES: "stop",
    semconv.REQUEST_REASONING_LEVEL: "reasoning",
    semconv.OUTPUT_TYPE: "output",
    semconv.EMBEDDINGS_DIMENSION_COUNT: "dimensions",
    semconv.RETRIEVAL_TOP_K: "top_k",
}


@dataclass(frozen=True)
class Document:
    """One retrieved document, in the order of its rank from 1."""

    rank: int
    title: str
    score: str
    score_width: float
    """Percent of the highest score."""
    content: Passage | None
    details: Markup | None


@dataclass(frozen=True)
class Failure:
    """An exception or a failed status."""

    type: str
    message: Passage
    stacktrace: Passage | None


@dataclass(frozen=True)
class EventLine:
    """A span event and its offset from the span's start."""

    name: str
    offset: str
    time: str
    attributes: Markup | None


@dataclass
class SpanView:
    """Everything the panel draws of one span."""

    span: Span
    kind: str
    facts: list[tuple[str, str]]
    usage: Usage | None
    failures: list[Failure]
    inputs: list[chat.Turn] = field(default_factory=list)
    outputs: list[chat.Turn] = field(default_factory=list)
    tools: list[tuple[str, str, Markup]] = field(default_factory=list)
    arguments: Markup | None = None
    result: Passage | None = None
    result_json: Markup | None = None
    query: Passage | None = None
    documents: list[Document] = field(default_factory=list)
    texts: list[Passage] = field(default_factory=list)
    input: Passage | None = None
    input_json: Markup | None = None
    output: Passage | None = None
    output_json: Markup | None = None
    attributes: list[tuple[str, Markup]] = field(default_factory=list)
    resource: list[tuple[str, Markup]] = field(default_factory=list)
    events: list[EventLine] = field(default_factory=list)
    variables: list[tuple[str, Passage]] = field(default_factory=list)
    """What the prompt's template was filled with: name and text."""
    scores: list[ScoreView] = field(default_factory=list)

    @property
    def title(self) -> str:
        """The span's name as plain text."""
        return plain(short_name(self.span.name, self.span.operation), 160)

    @property
    def content_label(self) -> str:
        """The name of the first tab."""
        if self.inputs or self.outputs:
            return "Messages"
        if self.kind == TOOL:
            return "Call"
        if self.documents:
            return "Documents"
        return "Texts" if self.texts else "Input and output"

    @property
    def content_count(self) -> int:
        """How many messages, documents or texts the first tab holds; 0 for none or uncounted."""
        return len(self.inputs) + len(self.outputs) or len(self.documents) or len(self.texts)

    @property
    def has_content(self) -> bool:
        """False when there is nothing to show on the first tab."""
        held = (self.inputs, self.outputs, self.arguments, self.result, self.result_json, self.query)
        return any(held) or any((self.documents, self.texts, self.input, self.input_json)) or self._has_output

    @property
    def _has_output(self) -> bool:
        return self.output is not None or self.output_json is not None


def view_span(span: Span) -> SpanView:
    """Returns the panel's view of a span."""
    kind = kind_of(span.operation)
    view = SpanView(span, kind, _facts(span), usage_of(span), _failures(span))
    view.inputs = chat.transcript(span.input_messages, "input_messages")
    view.outputs = chat.transcript(span.output_messages, "output_messages")
    view.tools = _tool_definitions(span.tool_definitions)
    if span.tool_arguments:
        view.arguments = jsonview.markup(jsonview.loads(span.tool_arguments))
    if span.tool_result:
        view.result, view.result_json = _text_or_json(span.tool_result, "tool_result")
    view.documents = _documents(span.documents)
    _read_texts(span, kind, view)
    view.attributes = _attributes(span.attributes)
    view.resource = _attributes({**span.resource, **span.scope_attributes})
    view.events = [_event(event, span.start_ns) for event in span.events]
    view.variables = _variables(span.attributes)
    return view


def _variables(attributes: Mapping[str, object]) -> list[tuple[str, Passage]]:
    prefix = semconv.PROMPT_VARIABLE_PREFIX
    return [
        (plain(key.removeprefix(prefix), 80), _item(attributes[key], key))
        for key in sorted(attributes)
        if key.startswith(prefix)
    ]


def _read_texts(span: Span, kind: str, view: SpanView) -> None:
    inputs = jsonview.loads(span.input_text)
    if kind == EMBEDDING and isinstance(inputs, list):
        view.texts = [_item(item, f"input_text/{index}") for index, item in enumerate(inputs)]
    elif kind == RETRIEVER and isinstance(inputs, str):
        view.query = passage(inputs, "input_text")
    elif span.input_text:
        view.input, view.input_json = _text_or_json(span.input_text, "input_text")
    if span.output_text:
        view.output, view.output_json = _text_or_json(span.output_text, "output_text")


def _item(item: object, path: str) -> Passage:
    return passage(item if isinstance(item, str) else jsonview.dumps(item), path)


def _text_or_json(document: str, path: str) -> tuple[Passage | None, Markup | None]:
    value = jsonview.loads(document)
    if isinstance(value, str):
        return passage(value, path), None
    return None, jsonview.markup(value)


def _facts(span: Span) -> list[tuple[str, str]]:
    """The pills under the name: (label, value)."""
    facts = [("", fmt.duration(span.duration_ns))]
    first = span.time_to_first_chunk_ns
    if first is not None:
        facts.append(("first token", fmt.duration(first)))
        rest = span.duration_ns - first
        if span.output_tokens and rest > 1_000_000:
            facts.append(("", f"{span.output_tokens / rest * 1e9:,.0f} tokens/s"))
    if span.cost_usd is not None:
        facts.append(("", fmt.money(span.cost_usd)))
    elif span.cost_status == "unpriced":
        facts.append(("cost", "unpriced"))
    model = span.response_model or span.request_model
    facts += [("model", model)] if model else []
    facts += [("provider", span.provider)] if span.provider else []
    facts += [("agent", span.agent_name)] if span.agent_name else []
    facts += [("tool", span.tool_name)] if span.tool_name else []
    facts += [("stream", "yes")] if span.is_stream else []
    facts += [("finish", ", ".join(span.finish_reasons))] if span.finish_reasons else []
    facts += [
        (label, plain(_short(span.attributes[key]), 60))
        for key, label in _PARAMETERS.items()
        if key in span.attributes
    ]
    return [(label, plain(value, 80)) for label, value in facts]


def _short(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return fmt.count(value)
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return str(value)


def _failures(span: Span) -> list[Failure]:
    failures = [_exception(event) for event in span.events if event.name == semconv.EXCEPTION_EVENT]
    if span.status == "error" and not failures:
        message = span.status_message or "The span ended with status error and no message."
        failures.append(
            Failure(plain(span.error_type or "error", 120), passage(message, "status_message"), None)
        )
    return failures


def _exception(event: SpanEvent) -> Failure:
    held = event.attributes
    trace = str(held.get(semconv.EXCEPTION_STACKTRACE) or "")
    return Failure(
        type=plain(str(held.get(semconv.EXCEPTION_TYPE) or "exception"), 160),
        message=passage(str(held.get(semconv.EXCEPTION_MESSAGE) or "")),
        stacktrace=passage(trace) if trace else None,
    )


def _tool_definitions(document: str) -> list[tuple[str, str, Markup]]:
    definitions = jsonview.loads(document)
    tools: list[tuple[str, str, Markup]] = []
    for definition in definitions if isinstance(definitions, list) else []:
        held = definition if isinstance(definition, dict) else {"definition": definition}
        function = held.get("function")
        inner = function if isinstance(function, dict) else held
        name = plain(str(inner.get("name") or held.get("type") or "tool"), 120)
        about = plain(str(inner.get("description") or ""), 400)
        tools.append((name, about, jsonview.markup(held)))
    return tools


def _documents(document: str) -> list[Document]:
    values = jsonview.loads(document)
    found = [v if isinstance(v, dict) else {"content": v} for v in values] if isinstance(values, list) else []
    scores = [float(v["score"]) for v in found if isinstance(v.get("score"), int | float)]
    best = max(scores, default=0.0)
    return [_document(rank, held, best) for rank, held in enumerate(found, 1)]


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _document(rank: int, held: dict[str, Any], best: float) -> Document:
    score, distance = _number(held.get("score")), _number(held.get("distance"))
    shown = "none" if distance is None else f"distance {distance:.3f}"  # no bar: the least is the best
    body = held.get("content")
    content = body if isinstance(body, str) else jsonview.dumps(body) if body is not None else ""
    rest = {key: value for key, value in held.items() if key not in ("content", "score", "title")}
    title = str(held.get("title") or held.get("id") or f"document {rank}")
    return Document(
        rank=rank,
        title=plain(title, 160),
        score=f"{score:.3f}" if score is not None else shown,
        score_width=round(100 * max(0.0, score) / best, 1) if score is not None and best > 0 else 0.0,
        content=passage(content, f"documents/{rank - 1}/content") if content else None,
        details=jsonview.markup(rest) if len(rest) > ("title" not in held) else None,
    )


def _attributes(values: Mapping[str, object]) -> list[tuple[str, Markup]]:
    return [(plain(key, 160), _attribute(values[key])) for key in sorted(values)]


def _attribute(value: object) -> Markup:
    if isinstance(value, str):
        return passage(value[:4000]).markup
    if isinstance(value, bytes):
        return passage(value[:2000].hex()).markup
    return jsonview.markup(value)


def _event(event: SpanEvent, start_ns: int) -> EventLine:
    offset = event.time_ns - start_ns
    sign = "+" if offset >= 0 else fmt.MINUS
    attributes = {k: v for k, v in event.attributes.items() if k != semconv.EXCEPTION_STACKTRACE}
    return EventLine(
        name=plain(event.name, 160),
        offset=sign + fmt.duration(abs(offset)),
        time=fmt.iso(event.time_ns),
        attributes=jsonview.markup(attributes) if attributes else None,
    )


def span_document(span: Span) -> dict[str, Any]:
    """Returns a span as the JSON tab shows it: every field, times as RFC 3339, embedded JSON unfolded."""
    held = asdict(span)
    held["start"], held["end"] = fmt.iso(held.pop("start_ns")), fmt.iso(held.pop("end_ns"))
    held["duration_ns"] = span.duration_ns
    for key in ("input_messages", "output_messages", "tool_definitions", "tool_arguments", "tool_result"):
        held[key] = jsonview.loads(held[key])
    held["documents"] = jsonview.loads(held["documents"])
    return {key: value for key, value in held.items() if value not in (None, "", [], {})}


def text_at(span: Span, path: str) -> str | None:
    """Returns the whole text at an address (``input_messages/3/parts/0/content``); ``None`` if nowhere."""
    field_name, *steps = path.split("/")
    if field_name not in _TEXT_FIELDS:
        return None
    raw: str = getattr(span, field_name)
    value: Any = raw if field_name == "status_message" else jsonview.loads(raw)
    for step in steps:
        if isinstance(value, list) and step.isascii() and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        elif isinstance(value, dict) and step in value:
            value = value[step]
        else:
            return None
    return value if isinstance(value, str) else None


_TEXT_FIELDS = frozenset(
    {
        "input_messages",
        "output_messages",
        "tool_result",
        "documents",
        "input_text",
        "output_text",
        "status_message",
    }
)
