"""The trace list: the page, and the parts of it that load after the rows."""

from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from spanwise_collector.model import Page, TraceFilter, TraceSummary
from spanwise_collector.store import Store
from spanwise_dashboards import empty
from spanwise_dashboards.markup import zone_of
from spanwise_dashboards.pages.shell import PROJECT, PageRoute, clock_of, render, store_of
from spanwise_dashboards.query import ALL_TIME, NUMBER_FIELDS, TEXT_FIELDS, PageQuery, read_query
from spanwise_dashboards.trace_list import BUCKETS, PAGE_SIZE, facet_list, list_page, strip

router = APIRouter(route_class=PageRoute, include_in_schema=False)
PLACEHOLDER = "Add a filter, or search prompts and answers"
FACET_LIMIT = 12


def query_of(request: Request, path: str) -> PageQuery:
    """Returns the request's query for the list page at ``path``."""
    clock = clock_of(request)
    return read_query(path, request.query_params, clock.now_ns, zone_of(request.cookies))


@router.get("/")
def front(request: Request) -> Response:
    """Sends the front door to the trace list."""
    return RedirectResponse("/traces", status_code=307)


@router.get("/traces")
def trace_list(request: Request) -> Response:
    """The list. Rows come with the page; facets, histogram and totals follow, or come too with ``full=1``."""
    store, query = store_of(request), query_of(request, "/traces")
    query, page, notice = _rows(store, query)
    if not page.items and not query.has_filters and query.cursor is None and _is_empty(store):
        return empty.first_run(request)
    context: dict[str, Any] = {"facets": None, "strip": None, "totals": None}
    if request.query_params.get("full") == "1":
        context = {
            "facets": facet_list(store.facets(PROJECT, query.where, limit=FACET_LIMIT), query),
            "strip": _strip(request, store, query),
            "totals": store.trace_totals(PROJECT, query.where),
        }
    return render(
        request,
        "traces.html",
        section="traces",
        query=query,
        page=list_page(page, query, clock_of(request)),
        notice=notice,
        placeholder=PLACEHOLDER,
        clear_url=query.url(drop=query.parameters),
        export_url=_api_url(query),
        **context,
    )


@router.get("/traces/rows")
def trace_rows(request: Request) -> Response:
    """The table alone, for live refresh."""
    query = query_of(request, "/traces")
    query, page, _ = _rows(store_of(request), query)
    return render(
        request,
        "_rows.html",
        query=query,
        page=list_page(page, query, clock_of(request)),
        totals=None,
        clear_url=query.url(drop=query.parameters),
    )


@router.get("/traces/facets")
def trace_facets(request: Request) -> Response:
    """The sidebar's fields, values and counts."""
    query = query_of(request, "/traces")
    found = store_of(request).facets(PROJECT, query.where, limit=FACET_LIMIT)
    return render(request, "_facets.html", facets=facet_list(found, query))


@router.get("/traces/histogram")
def trace_histogram(request: Request) -> Response:
    """The strip over the list."""
    query = query_of(request, "/traces")
    drawn = _strip(request, store_of(request), query)
    if drawn is None:
        return render(request, "_strip_empty.html")
    return render(request, "_strip.html", strip=drawn, query=query)


@router.get("/traces/totals")
def trace_totals(request: Request) -> Response:
    """Count and sums over everything that matches."""
    query = query_of(request, "/traces")
    return render(request, "_totals.html", totals=store_of(request).trace_totals(PROJECT, query.where))


@router.get("/traces/first")
def first_trace(request: Request) -> Response:
    """Where to go once the first trace has come; ``{}`` until then."""
    page = store_of(request).list_traces(PROJECT, TraceFilter(), limit=1)
    held = {"href": f"/traces/{page.items[0].trace_id}"} if page.items else {}
    return JSONResponse(held, headers={"cache-control": "no-store"})


def _rows(store: Store, query: PageQuery) -> tuple[PageQuery, Page[TraceSummary], str]:
    """Reads a page of traces; the default range widens to all time, and says so, when it holds nothing."""
    page = store.list_traces(PROJECT, query.where, limit=PAGE_SIZE, cursor=query.cursor)
    if page.items or query.is_range_given or query.cursor is not None:
        return query, page, ""
    wider = query.with_range(ALL_TIME)
    found = store.list_traces(PROJECT, wider.where, limit=PAGE_SIZE)
    if not found.items:
        return query, page, ""
    label = query.range_label.lower()
    return wider, found, f"Nothing in the {label}, so this shows all time."


def _is_empty(store: Store) -> bool:
    return not store.list_traces(PROJECT, TraceFilter(), limit=1).items


def _strip(request: Request, store: Store, query: PageQuery) -> Any:
    clock = clock_of(request)
    where = query.where
    if where.from_ns is not None and where.to_ns is None:
        where = replace(where, to_ns=clock.now_ns)
    return strip(store.trace_histogram(PROJECT, where, buckets=BUCKETS), query, clock)


def _api_url(query: PageQuery) -> str:
    """The same list as JSON: bounds instead of a preset."""
    keep = {key for key in query.parameters if key in TEXT_FIELDS or key in NUMBER_FIELDS or key == "q"}
    custom = replace(query, range="custom", is_live=False, parameters={k: query.parameters[k] for k in keep})
    unpriced = {"1": "true", "0": "false"}.get(query.parameters.get("unpriced", ""))
    return custom.url(path="/api/v1/traces", limit=str(PAGE_SIZE), cursor=query.cursor, is_unpriced=unpriced)
