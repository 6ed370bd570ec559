"""Summaries of traces whose ids are known: sums over their spans, their root, a line of their text."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from spanwise_collector.model import TraceSummary
from spanwise_collector.store.connection import Engine
from spanwise_collector.store.places import Place, hours_of, locate
from spanwise_collector.store.previews import Preview, preview_of
from spanwise_collector.store.statements import statement

_TRACES_A_STATEMENT = 500
# Longer texts are cut before they are read: a preview is 200 characters of a prompt that may be 2 MB.
_LONGEST_TEXT_BYTES = 65_536


def summarise(
    engine: Engine, project_id: str, trace_ids: Sequence[str], *, with_previews: bool
) -> dict[str, TraceSummary]:
    """Summarise some traces, by id; those that do not exist are absent."""
    found: dict[str, TraceSummary] = {}
    for first in range(0, len(trace_ids), _TRACES_A_STATEMENT):
        found |= _summarise(engine, project_id, trace_ids[first : first + _TRACES_A_STATEMENT], with_previews)
    return found


def _summarise(
    engine: Engine, project_id: str, trace_ids: Sequence[str], with_previews: bool
) -> dict[str, TraceSummary]:
    places = locate(engine, project_id, trace_ids)
    if not places:
        return {}
    bounds, hours = hours_of(places.values())
    rows = engine.read(
        statement("summarise_traces"),
        {"project_id": project_id, "trace_ids": list(places), **hours},
        traces=statement("trace_set").text(),
        bounds=bounds,
    )
    summaries = {row[0]: _summary(row[:-2]) for row in rows}
    if with_previews:
        calls = {row[0]: (row[-2], row[-1]) for row in rows}
        _add_previews(engine, project_id, places, summaries, calls)
    return summaries


def _summary(row: tuple[Any, ...]) -> TraceSummary:
    (
        trace_id,
        root,
        start_ns,
        duration_ns,
        errors,
        spans,
        calls,
        tokens_in,
        tokens_out,
        cost,
        unpriced,
        *rest,
    ) = row
    name, service, environment, operation, status, root_span_id = root
    is_estimated, models, user_id, conversation_id, tags = rest
    return TraceSummary(
        trace_id=trace_id,
        name=name,
        service=service,
        environment=environment,
        operation=operation,
        start_ns=start_ns,
        duration_ns=duration_ns,
        status="error" if errors else status,
        error_count=errors,
        span_count=spans,
        llm_call_count=calls,
        input_tokens=tokens_in,
        output_tokens=tokens_out,
        cost_usd=cost,
        unpriced_count=unpriced,
        is_estimated=bool(is_estimated),
        models=list(models),
        user_id=user_id,
        conversation_id=conversation_id,
        tags=list(tags),
        root_span_id=root_span_id,
        input_preview="",
        output_preview="",
    )


def _add_previews(
    engine: Engine,
    project_id: str,
    places: dict[str, Place],
    summaries: dict[str, TraceSummary],
    calls: dict[str, tuple[str, str]],
) -> None:
    """Fill in previews: the root's own texts, else its first call's input and its last call's output."""
    wanted = {summary.root_span_id for summary in summaries.values()}
    wanted |= {span_id for pair in calls.values() for span_id in pair if span_id}
    bounds, hours = hours_of(places.values())
    rows = engine.read(
        statement("preview_spans"),
        {
            "project_id": project_id,
            "trace_ids": list(places),
            "span_ids": sorted(wanted),
            "longest": _LONGEST_TEXT_BYTES,
            **hours,
        },
        is_by_key=True,
        traces=statement("trace_set").text(),
        bounds=bounds,
    )
    previews = {(row[0], row[1]): preview_of(*row[2:]) for row in rows}
    for trace_id, summary in summaries.items():
        first_call, last_call = calls[trace_id]
        root = previews.get((trace_id, summary.root_span_id), Preview("", ""))
        summaries[trace_id] = replace(
            summary,
            input_preview=root.given or previews.get((trace_id, first_call), root).given,
            output_preview=root.returned or previews.get((trace_id, last_call), root).returned,
        )
