"""Sessions: the list of conversations, and one conversation over its traces."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import Response

from spanwise_collector.errors import NotFound
from spanwise_collector.model import Page, SessionSummary, TraceSummary
from spanwise_collector.store import Store
from spanwise_dashboards.pages.shell import PROJECT, PageRoute, render, store_of
from spanwise_dashboards.pages.traces import query_of
from spanwise_dashboards.query import ALL_TIME, PageQuery
from spanwise_dashboards.session_view import Exchange, exchange, session_view
from spanwise_dashboards.text import plain, preview_text

router = APIRouter(route_class=PageRoute, include_in_schema=False)
PAGE_SIZE = 50
SHOWN_TURNS = 40
SPANS_A_TURN = 300


@dataclass(frozen=True)
class SessionRow:
    """One row of the list."""

    session: SessionSummary
    href: str
    name: str
    users: str
    preview: str


@router.get("/sessions")
def session_list(request: Request) -> Response:
    """The list of conversations, the latest first."""
    query, page, notice = _sessions(store_of(request), query_of(request, "/sessions"))
    rows = [_row(session) for session in page.items]
    next_url = None
    if page.next_cursor:
        next_url = query.url(cursor=page.next_cursor, at=str(query.offset + len(rows)))
    return render(
        request,
        "sessions.html",
        section="sessions",
        query=query,
        rows=rows,
        first=query.offset + 1,
        last=query.offset + len(rows),
        next_url=next_url,
        notice=notice,
        placeholder="Search the conversations",
        clear_url=query.url(drop=query.parameters),
    )


@router.get("/sessions/{conversation_id:path}")
def session_page(request: Request, conversation_id: str) -> Response:
    """One conversation: its turns, gaps, tools, tokens and cost."""
    store = store_of(request)
    traces = store.read_session(PROJECT, conversation_id)
    if not traces:
        raise NotFound(f"there is no session {conversation_id[:120]}")
    last = traces[-SHOWN_TURNS:]
    shown = list(zip(last, _exchanges(store, last), strict=True))
    return render(
        request,
        "session.html",
        section="sessions",
        name=plain(conversation_id, 80),
        conversation_id=conversation_id,
        session=session_view(traces, shown),
    )


def _sessions(store: Store, query: PageQuery) -> tuple[PageQuery, Page[SessionSummary], str]:
    page = store.list_sessions(PROJECT, query.where, limit=PAGE_SIZE, cursor=query.cursor)
    if page.items or query.is_range_given or query.cursor is not None:
        return query, page, ""
    wider = query.with_range(ALL_TIME)
    found = store.list_sessions(PROJECT, wider.where, limit=PAGE_SIZE, cursor=None)
    if not found.items:
        return query, page, ""
    return wider, found, f"Nothing in the {query.range_label.lower()}, so this shows all time."


def _exchanges(store: Store, traces: list[TraceSummary]) -> list[Exchange]:
    """Reads the turns side by side: each is a query of its own and they do not wait for one another."""

    def read(trace: TraceSummary) -> Exchange:
        return exchange(store.read_trace(PROJECT, trace.trace_id, limit=SPANS_A_TURN))

    with ThreadPoolExecutor(max_workers=4, thread_name_prefix="session") as pool:
        return list(pool.map(read, traces))


def _row(session: SessionSummary) -> SessionRow:
    return SessionRow(
        session=session,
        href=f"/sessions/{quote(session.conversation_id, safe='')}",
        name=plain(session.conversation_id, 80),
        users=plain(", ".join(session.user_ids), 80) or "none",
        preview=preview_text(session.input_preview)[:240],
    )
