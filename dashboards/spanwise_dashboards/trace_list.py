"""The trace list as its template draws it: rows, facets, histogram."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spanwise_collector.model import FacetValue, HistogramBucket, Page, TraceSummary
from spanwise_dashboards import format as fmt
from spanwise_dashboards.kinds import answering_first, kind_of, short_name
from spanwise_dashboards.query import TEXT_FIELDS, PageQuery
from spanwise_dashboards.text import plain, preview_text

PAGE_SIZE = 50
OPEN_FACETS = 4
CHART_WIDTH, CHART_HEIGHT = 720.0, 56.0
BUCKETS = 72
PREVIEW_CHARACTERS = 240


@dataclass(frozen=True)
class TraceRow:
    """One row: the summary and what is derived for drawing."""

    trace: TraceSummary
    href: str
    name: str
    kind: str
    preview: str
    models: str
    latency_share: float
    """Percent of the page's longest."""
    flag: str
    flag_tone: str


@dataclass(frozen=True)
class ListPage:
    """One page of the list; ``reason`` says in words why it is empty."""

    rows: list[TraceRow]
    first: int
    last: int
    next_url: str | None
    reason: str
    is_today: bool
    """True when the start column needs no day."""


@dataclass(frozen=True)
class FacetEntry:
    """One value of a facet; its URL sets or takes back the filter."""

    value: str
    label: str
    count: int
    share: float
    url: str
    is_selected: bool


@dataclass(frozen=True)
class Facet:
    """One field with its values by count."""

    key: str
    label: str
    entries: list[FacetEntry]
    is_open: bool


@dataclass(frozen=True)
class Strip:
    """The histogram over the list, as SVG paths in a 720 by 56 box."""

    from_ns: int
    to_ns: int
    step: str
    ok_path: str
    error_path: str
    ticks: list[str]
    summary: str


def list_page(page: Page[TraceSummary], query: PageQuery, clock: fmt.Clock) -> ListPage:
    """Returns one page of traces for drawing."""
    longest = max((trace.duration_ns for trace in page.items), default=0)
    rows = [_row(trace, longest) for trace in page.items]
    next_url = None
    if page.next_cursor:
        next_url = query.url(cursor=page.next_cursor, at=str(query.offset + len(rows)))
    return ListPage(
        rows=rows,
        first=query.offset + 1,
        last=query.offset + len(rows),
        next_url=next_url,
        reason=_reason(query),
        is_today=all("," not in clock.moment(trace.start_ns) for trace in page.items),
    )


def _row(trace: TraceSummary, longest: int) -> TraceRow:
    failed = trace.error_count
    return TraceRow(
        trace=trace,
        href=f"/traces/{trace.trace_id}",
        name=plain(short_name(trace.name, trace.operation) or "unnamed", 160),
        kind=kind_of(trace.operation),
        preview=preview_text(trace.input_preview or trace.output_preview)[:PREVIEW_CHARACTERS],
        models=_models(trace.models),
        latency_share=round(100 * trace.duration_ns / longest, 1) if longest else 0.0,
        flag=fmt.plural(failed, "error") if failed else "",
        flag_tone="error" if trace.status == "error" else "warn",
    )


def _models(models: Sequence[str]) -> str:
    """The model that answered first, an embedder only when there is no other, and how many more."""
    ranked = answering_first(models)
    return ranked[0] + (f" +{len(ranked) - 1}" if len(ranked) > 1 else "") if ranked else ""


def _reason(query: PageQuery) -> str:
    where = f"{'with these filters ' if query.has_filters else ''}"
    when = "at any time" if query.range == "all" else f"in the range “{query.range_label.lower()}”"
    return f"There is no trace {where}{when}."


def facet_list(found: Mapping[str, Sequence[FacetValue]], query: PageQuery) -> list[Facet]:
    """Returns the facets in a fixed order; fields without values are left out."""
    facets: list[Facet] = []
    for key, label in TEXT_FIELDS.items():
        values = [value for value in found.get(key, ()) if value.value != ""]
        if values:
            is_open = len(facets) < OPEN_FACETS or key in query.parameters
            facets.append(Facet(key, label, _entries(key, values, query), is_open))
    return facets


def _entries(key: str, values: Sequence[FacetValue], query: PageQuery) -> list[FacetEntry]:
    most = max(value.count for value in values)
    chosen = query.parameters.get(key)
    return [
        FacetEntry(
            value=value.value,
            label="no error (unset)"
            if (key, value.value) == ("status", "unset")
            else plain(value.value, 120),
            count=value.count,
            share=round(100 * value.count / most, 1) if most else 0.0,
            url=query.url(drop=[key]) if value.value == chosen else query.url(**{key: value.value}),
            is_selected=value.value == chosen,
        )
        for value in values
    ]


def strip(buckets: Sequence[HistogramBucket], query: PageQuery, clock: fmt.Clock) -> Strip | None:
    """Returns the histogram, or ``None`` when there is nothing to draw."""
    if not buckets:
        return None
    from_ns = buckets[0].start_ns
    width_ns = buckets[1].start_ns - from_ns if len(buckets) > 1 else fmt.NS_PER_S
    to_ns = buckets[-1].start_ns + width_ns
    total = sum(bucket.trace_count for bucket in buckets)
    errors = sum(bucket.error_count for bucket in buckets)
    ok_path, error_path = _paths(buckets, from_ns, to_ns)
    step = fmt.duration(width_ns)
    return Strip(
        from_ns=from_ns,
        to_ns=to_ns,
        step=step,
        ok_path=ok_path,
        error_path=error_path,
        ticks=_ticks(from_ns, to_ns, clock),
        summary=f"Traces per {step}: {fmt.count(total)} in all, {fmt.count(errors)} with errors",
    )


def _paths(buckets: Sequence[HistogramBucket], from_ns: int, to_ns: int) -> tuple[str, str]:
    most = max((bucket.trace_count for bucket in buckets), default=0) or 1
    slot = CHART_WIDTH / len(buckets)
    bar = max(1.0, slot * 0.82)
    ok: list[str] = []
    failed: list[str] = []
    for bucket in buckets:
        x = CHART_WIDTH * (bucket.start_ns - from_ns) / (to_ns - from_ns) + (slot - bar) / 2
        full = _height(bucket.trace_count, most)
        red = min(full, _height(bucket.error_count, most))
        if full > red:
            ok.append(f"M{x:.1f} {CHART_HEIGHT - full + red:.1f}h{bar:.1f}v{full - red:.1f}h-{bar:.1f}z")
        if red:
            failed.append(f"M{x:.1f} {CHART_HEIGHT - full:.1f}h{bar:.1f}v{red:.1f}h-{bar:.1f}z")
    return "".join(ok), "".join(failed)


def _height(count: int, most: int) -> float:
    return max(1.5, (CHART_HEIGHT - 4) * count / most) if count else 0.0


def _ticks(from_ns: int, to_ns: int, clock: fmt.Clock) -> list[str]:
    """Seven times along the axis; the day is written where it changes."""
    ticks: list[str] = []
    days = 7
    before = ""
    for step in range(days):
        moment = clock.minute(from_ns + (to_ns - from_ns) * step // (days - 1))
        day, _, hour = moment.rpartition(", ")
        is_long = to_ns - from_ns > 2 * 86_400 * fmt.NS_PER_S
        ticks.append(day if is_long else (moment if before and day != before else hour))
        before = day
    return ticks
