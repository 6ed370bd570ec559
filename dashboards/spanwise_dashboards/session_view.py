"""A session as a conversation: one turn a trace, with its question, its tools and its answer."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from spanwise_collector.model import Span, TraceSummary
from spanwise_dashboards import chat
from spanwise_dashboards.kinds import LLM, TOOL, answering_first, kind_of
from spanwise_dashboards.text import Passage, passage, plain, preview_text

LABELLED_BARS = 10


@dataclass(frozen=True)
class ToolRun:
    """One tool call of a turn and where its span is."""

    name: str
    duration_ns: int
    is_error: bool
    href: str


@dataclass(frozen=True)
class Exchange:
    """What a trace says of its turn: the question, the answer, the tools between them."""

    question: str
    answer: str
    calls: list[ToolRun]


@dataclass(frozen=True)
class SessionTurn:
    """One turn; ``gap_ns`` is the time since the end of the turn before."""

    number: int
    href: str
    start_ns: int
    duration_ns: int
    gap_ns: int
    question: Passage | None
    answer: Passage | None
    calls: list[ToolRun]
    models: str
    is_error: bool
    error_count: int
    span_count: int
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: Decimal | None
    unpriced_count: int


@dataclass(frozen=True)
class CostBar:
    """A bar of the cost chart in a 284 by 116 box."""

    x: float
    y: float
    width: float
    height: float
    middle: float
    label: str
    number: int


@dataclass(frozen=True)
class CostChart:
    """Cost by turn; bars are labelled while there is room."""

    bars: list[CostBar]
    unit: str
    summary: str

    @property
    def has_labels(self) -> bool:
        """True when every bar can carry its number."""
        return len(self.bars) <= LABELLED_BARS


@dataclass
class SessionView:
    """The session page's data. Sums are over all traces, turns over those that are shown."""

    start_ns: int
    end_ns: int
    trace_count: int
    hidden_count: int
    turns: list[SessionTurn]
    span_count: int
    busy_ns: int
    error_count: int
    failed_turns: int
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: Decimal | None
    unpriced_count: int
    slowest: int
    slowest_ns: int
    chart: CostChart | None
    users: list[str] = field(default_factory=list)
    services: list[str] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)


def exchange(spans: Sequence[Span]) -> Exchange:
    """Returns what a trace's spans say of its turn.

    The question is the last user message of the first model call; the answer is the last text a model wrote.
    """
    calls = [span for span in spans if kind_of(span.operation) == LLM]
    question = chat.last_text(calls[0].input_messages, "user") if calls else ""
    answers = [text for span in calls if (text := chat.last_text(span.output_messages, "assistant"))]
    tools = [
        ToolRun(
            name=plain(span.tool_name or span.name.removeprefix("execute_tool "), 80),
            duration_ns=span.duration_ns,
            is_error=span.status == "error",
            href=f"/traces/{span.trace_id}?span={span.span_id}",
        )
        for span in spans
        if kind_of(span.operation) == TOOL
    ]
    return Exchange(question, answers[-1] if answers else "", tools)


def session_view(
    traces: Sequence[TraceSummary], shown: Sequence[tuple[TraceSummary, Exchange]]
) -> SessionView:
    """Returns the session over all its traces (ascending), with turns for those that were read."""
    hidden = len(traces) - len(shown)
    turns = _turns(traces, shown, hidden)
    costs = [trace.cost_usd for trace in traces if trace.cost_usd is not None]
    inputs = [trace.input_tokens for trace in traces if trace.input_tokens is not None]
    outputs = [trace.output_tokens for trace in traces if trace.output_tokens is not None]
    slowest = max(range(len(traces)), key=lambda index: traces[index].duration_ns)
    return SessionView(
        start_ns=traces[0].start_ns,
        end_ns=max(trace.start_ns + trace.duration_ns for trace in traces),
        trace_count=len(traces),
        hidden_count=hidden,
        turns=turns,
        span_count=sum(trace.span_count for trace in traces),
        busy_ns=sum(trace.duration_ns for trace in traces),
        error_count=sum(trace.error_count for trace in traces),
        failed_turns=sum(trace.error_count > 0 for trace in traces),
        input_tokens=sum(inputs) if inputs else None,
        output_tokens=sum(outputs) if outputs else None,
        cost_usd=sum(costs, Decimal(0)) if costs else None,
        unpriced_count=sum(trace.unpriced_count for trace in traces),
        slowest=slowest + 1,
        slowest_ns=traces[slowest].duration_ns,
        chart=_chart(traces),
        users=_distinct([trace.user_id for trace in traces]),
        services=[plain(name, 80) for name in _distinct([trace.service for trace in traces])],
        models=[plain(name, 80) for name in answering_first(m for trace in traces for m in trace.models)],
        tags=_distinct([tag for trace in traces for tag in trace.tags]),
    )


def _turns(
    traces: Sequence[TraceSummary], shown: Sequence[tuple[TraceSummary, Exchange]], hidden: int
) -> list[SessionTurn]:
    turns: list[SessionTurn] = []
    previous_end = traces[hidden - 1].start_ns + traces[hidden - 1].duration_ns if hidden else None
    for number, (trace, held) in enumerate(shown, hidden + 1):
        question = held.question or preview_text(trace.input_preview)
        answer = held.answer or ("" if trace.error_count else preview_text(trace.output_preview))
        turns.append(
            SessionTurn(
                number=number,
                href=f"/traces/{trace.trace_id}",
                start_ns=trace.start_ns,
                duration_ns=trace.duration_ns,
                gap_ns=max(0, trace.start_ns - previous_end) if previous_end is not None else 0,
                question=passage(question) if question else None,
                answer=passage(answer) if answer else None,
                calls=held.calls,
                models=", ".join(answering_first(trace.models)[:1]),
                is_error=trace.error_count > 0,
                error_count=trace.error_count,
                span_count=trace.span_count,
                input_tokens=trace.input_tokens,
                output_tokens=trace.output_tokens,
                cost_usd=trace.cost_usd,
                unpriced_count=trace.unpriced_count,
            )
        )
        previous_end = trace.start_ns + trace.duration_ns
    return turns


def _chart(traces: Sequence[TraceSummary]) -> CostChart | None:
    costs = [trace.cost_usd for trace in traces]
    most = max((cost for cost in costs if cost is not None), default=Decimal(0))
    if len(traces) < 2 or most <= 0:
        return None
    scale, unit = (Decimal(100), "cents") if most < 1 else (Decimal(1), "US dollars")
    if most < Decimal("0.001"):
        scale, unit = Decimal(1_000_000), "millionths of a dollar"
    slot = 284 / len(traces)
    width = min(34.0, slot * 0.6)
    bars = []
    for index, cost in enumerate(costs):
        height = float((cost or 0) / most) * 74
        middle = slot * (index + 0.5)
        label = "none" if cost is None else f"{cost * scale:.{_digits(most * scale)}f}"
        bars.append(
            CostBar(
                x=round(middle - width / 2, 1),
                y=round(96 - height, 1),
                width=round(width, 1),
                height=round(height, 1),
                middle=round(middle, 1),
                label=label,
                number=index + 1,
            )
        )
    summary = f"Cost by turn in {unit}: " + ", ".join(bar.label for bar in bars[:40])
    return CostChart(bars, unit, summary)


def _digits(most: Decimal) -> int:
    return 0 if most >= 100 else 1 if most >= 1 else 2


def _distinct(values: Sequence[str]) -> list[str]:
    return [value for value in dict.fromkeys(values) if value]
