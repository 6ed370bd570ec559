"""The query parameters that all lists share, as one typed dependency."""

import re
from datetime import datetime, timezone
from typing import Annotated

from fastapi import Depends, Query
from pydantic import BeforeValidator, Field

from spanwise_collector.errors import BadRequest
from spanwise_collector.model import STATUSES, TraceFilter

_NS = 1_000_000_000
_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9})\d*)?)?(Z|[+-]\d\d:?\d\d)?$", re.IGNORECASE
)
_DIGITS_OF_UNIT = ((11, _NS), (14, 1_000_000), (17, 1_000))

Exact = Annotated[str | None, Query(max_length=1024)]
Time = Annotated[
    str | None,
    Query(
        max_length=64,
        description="RFC 3339 (no offset: UTC), a date, or a number of seconds, milliseconds, "
        "microseconds or nanoseconds since 1970.",
        examples=["2026-11-22T10:00:00Z"],
    ),
]


def _absent_when_empty(value: object) -> object:
    """A form sends every field: one that was left blank is not given."""
    return None if value == "" else value


Amount = Annotated[Annotated[float, Field(ge=0)] | None, BeforeValidator(_absent_when_empty), Query()]


def parse_time(text: str | None, name: str) -> int | None:
    """Reads a point in time as nanoseconds since 1970.

    Raises:
        BadRequest: It is none.
    """
    if text is None or not text.strip():
        return None
    text = text.strip().replace(" ", "+") if "T" in text else text.strip()
    if text.isdecimal():
        for digits, unit_ns in _DIGITS_OF_UNIT:
            if len(text) < digits:
                return int(text) * unit_ns
        return int(text[:20])
    match = _RFC3339.match(text)
    try:
        if match is None:
            raise ValueError(text)
        day, clock, fraction, offset = match.groups()
        whole = datetime.fromisoformat(f"{day}T{clock or '00:00'}{(offset or 'Z').upper()}")
    except ValueError as error:
        raise BadRequest(f"{name}={text!r} is not a time", fix="e.g. 2026-11-22T10:00:00Z") from error
    seconds = int(whole.astimezone(timezone.utc).timestamp())
    return seconds * _NS + int((fraction or "").ljust(9, "0"))


def trace_filter(
    from_: Annotated[Time, Query(alias="from")] = None,
    to: Time = None,
    service: Exact = None,
    environment: Exact = None,
    name: Exact = None,
    operation: Exact = None,
    provider: Exact = None,
    model: Annotated[Exact, Query(description="Requested or answering model.")] = None,
    status: Annotated[str | None, Query(description="unset, ok or error")] = None,
    user_id: Exact = None,
    conversation_id: Exact = None,
    tag: Exact = None,
    prompt_name: Exact = None,
    score: Annotated[Exact, Query(description="Name of a score that the trace has.")] = None,
    q: Annotated[Exact, Query(description="Text in names, ids, messages, inputs or outputs.")] = None,
    min_duration_ms: Amount = None,
    max_duration_ms: Amount = None,
    min_cost_usd: Amount = None,
    is_unpriced: Annotated[
        bool | None,
        BeforeValidator(_absent_when_empty),
        Query(description="Only traces with a call of unknown price."),
    ] = None,
) -> TraceFilter:
    """Reads the filter of a request; an empty parameter is "not given".

    Raises:
        BadRequest: A value cannot be read.
    """
    if status and status not in STATUSES:
        raise BadRequest(f"status={status!r} is unknown", fix=f"choose one of {', '.join(STATUSES)}")
    return TraceFilter(
        from_ns=parse_time(from_, "from"),
        to_ns=parse_time(to, "to"),
        service=service or None,
        environment=environment or None,
        name=name or None,
        operation=operation or None,
        provider=provider or None,
        model=model or None,
        status=status or None,
        user_id=user_id or None,
        conversation_id=conversation_id or None,
        tag=tag or None,
        prompt_name=prompt_name or None,
        score=score or None,
        q=q or None,
        min_duration_ms=min_duration_ms,
        max_duration_ms=max_duration_ms,
        min_cost_usd=min_cost_usd,
        is_unpriced=is_unpriced,
    )


FilterDep = Annotated[TraceFilter, Depends(trace_filter)]
LimitParam = Annotated[int, Query(ge=1, le=1000, description="Items of one page.")]
CursorParam = Annotated[str | None, Query(max_length=4096, description="`next_cursor` of the page before.")]
