"""The trace page, the panel of one span, and the pieces of a span that load on demand."""

import base64
import binascii
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from markupsafe import Markup

from spanwise_collector.errors import NotFound
from spanwise_collector.model import ScoreFilter, Span, SpanOutline
from spanwise_dashboards import jsonview, trace_view
from spanwise_dashboards.chat import IMAGE_TYPES
from spanwise_dashboards.markup import SECURITY_HEADERS
from spanwise_dashboards.pages.shell import PROJECT, PageRoute, render, store_of
from spanwise_dashboards.score_view import MAX_PILLS, ScoreView, scores_of, view_scores
from spanwise_dashboards.span_view import SpanView, span_document, text_at, view_span
from spanwise_dashboards.text import visible
from spanwise_dashboards.tool_results import find_results
from spanwise_dashboards.tree import Row, arrange, columns, roll_up

router = APIRouter(route_class=PageRoute, include_in_schema=False)
PAGE_ROWS = 200
"""Rows written into the page itself: all of a small trace, the beginning of a large one."""
PEEK_ROWS = 14
JSON_CHARACTERS = 200_000
TEXT_CHARACTERS = 4_000_000


@router.get("/traces/{trace_id}")
def trace_page(request: Request, trace_id: str, span: str = "") -> Response:
    """The whole trace; ``span`` chooses the one whose panel is open."""
    rows, spans = _read_rows(request, trace_id)
    rollup = roll_up(spans)
    known = {row.span.span_id for row in rows}
    selected = span if span in known else rows[0].span.span_id
    scores = _read_scores(request, trace_id)
    view = _view(request, trace_id, selected, spans, scores)
    root = (
        view.span if selected == rows[0].span.span_id else _read_span(request, trace_id, rows[0].span.span_id)
    )
    shown = rows[:PAGE_ROWS]
    return render(
        request,
        "trace.html",
        section="traces",
        trace_id=trace_id,
        selected=selected,
        view=view,
        rollup=rollup,
        rows=trace_view.tree_rows(shown, rollup, trace_id, selected),
        hidden_count=len(rows) - len(shown),
        scores=scores[:MAX_PILLS],
        more_scores=max(0, len(scores) - MAX_PILLS),
        tree_json=_script_json(columns(rows, rollup.start_ns)),
        **trace_view.header(rows, root, rollup),
    )


@router.get("/traces/{trace_id}/peek")
def trace_peek(request: Request, trace_id: str) -> Response:
    """The side panel over the list: headline numbers, the first rows of the tree, the most telling span."""
    rows, spans = _read_rows(request, trace_id)
    rollup = roll_up(spans)
    telling = trace_view.telling_span(rows)
    shown = rows[:PEEK_ROWS]
    return render(
        request,
        "_peek.html",
        trace_id=trace_id,
        href=f"/traces/{trace_id}",
        rollup=rollup,
        view=_view(request, trace_id, telling.span_id, spans, _read_scores(request, trace_id)),
        rows=trace_view.tree_rows(shown, rollup, trace_id, telling.span_id),
        hidden_count=len(rows) - len(shown),
        **trace_view.title(rows, rollup),
    )


@router.get("/traces/{trace_id}/spans/{span_id}")
def span_panel(request: Request, trace_id: str, span_id: str) -> Response:
    """The panel of one span."""
    spans = store_of(request).read_outline(PROJECT, trace_id)
    scores = _read_scores(request, trace_id)
    return render(request, "_span.html", view=_view(request, trace_id, span_id, spans, scores))


@router.get("/traces/{trace_id}/spans/{span_id}/json")
def span_json(request: Request, trace_id: str, span_id: str) -> Response:
    """Every field of a span as coloured JSON, with its beginning when it is very long."""
    document = span_document(_read_span(request, trace_id, span_id))
    return _markup(Markup('<pre class="code" tabindex="0">{}</pre>').format(jsonview.markup(document)))


@router.get("/traces/{trace_id}/spans/{span_id}/text")
def span_text(request: Request, trace_id: str, span_id: str, path: str = "") -> Response:
    """The whole of a text that the page only began."""
    held = text_at(_read_span(request, trace_id, span_id), path)
    if held is None:
        raise NotFound(f"this span has no text at path={path!r}")
    return _markup(visible(held[:TEXT_CHARACTERS]))


@router.get("/traces/{trace_id}/spans/{span_id}/image")
def span_image(request: Request, trace_id: str, span_id: str, path: str = "") -> Response:
    """A raster image out of a message. Its type is decided by its bytes, never by what the message claims."""
    held = text_at(_read_span(request, trace_id, span_id), path)
    try:
        content = base64.b64decode(held or "", validate=False)
    except (binascii.Error, ValueError):
        content = b""
    kind = _image_type(content)
    if kind not in IMAGE_TYPES:
        raise NotFound(f"there is no PNG, JPEG, GIF or WebP image at path={path!r}")
    return Response(content, media_type=kind, headers={**SECURITY_HEADERS, "content-disposition": "inline"})


def _image_type(content: bytes) -> str:
    for start, kind in (
        (b"\x89PNG\r\n", "image/png"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"GIF8", "image/gif"),
    ):
        if content.startswith(start):
            return kind
    return "image/webp" if content[:4] == b"RIFF" and content[8:12] == b"WEBP" else ""


def _read_rows(request: Request, trace_id: str) -> tuple[list[Row], Sequence[SpanOutline]]:
    spans = store_of(request).read_outline(PROJECT, trace_id)
    if not spans:
        raise NotFound(
            f"there is no trace {trace_id[:64]}",
            fix="It may have passed its retention, or its spans are still on their way.",
        )
    return arrange(spans), spans


def _read_span(request: Request, trace_id: str, span_id: str) -> Span:
    span = store_of(request).read_span(PROJECT, trace_id, span_id)
    if span is None:
        raise NotFound(f"the trace {trace_id[:64]} has no span {span_id[:64]}")
    return span


def _read_scores(request: Request, trace_id: str) -> list[ScoreView]:
    return view_scores(store_of(request).read_scores(PROJECT, ScoreFilter(trace_ids=(trace_id,)), limit=1000))


def _view(
    request: Request, trace_id: str, span_id: str, spans: Sequence[SpanOutline], scores: list[ScoreView]
) -> SpanView:
    view = view_span(_read_span(request, trace_id, span_id))
    # Which span is the root is worth asking only when the whole trace was scored.
    is_of_root = any(not score.span_id for score in scores) and arrange(spans)[0].span.span_id == span_id
    view.scores = scores_of(scores, span_id, is_root=is_of_root)

    def read(wanted: str) -> Span | None:
        return store_of(request).read_span(PROJECT, trace_id, wanted)

    find_results(view, spans, read)
    return view


def _script_json(value: Any) -> Markup:
    """JSON for a data block: no character of it can end the block or start a tag."""
    import orjson

    written = orjson.dumps(value).decode()
    for character, escaped in (("&", "\\u0026"), ("<", "\\u003c"), (">", "\\u003e")):
        written = written.replace(character, escaped)
    return Markup(written)  # noqa: S704 - made safe on the line above


def _markup(body: Markup) -> HTMLResponse:
    return HTMLResponse(str(body).encode("utf-8", "replace"), headers=SECURITY_HEADERS)
