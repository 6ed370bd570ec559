"""The URL is the state: a page's query string as a time range and a store filter, and back again.

Source: the parameter names are those of ``GET /api/v1/traces``; ``range`` is a preset the pages add.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone, tzinfo
from urllib.parse import urlencode

from spanwise_collector.model import TraceFilter
from spanwise_dashboards import format as fmt
from spanwise_dashboards.search import split_search

NS_PER_S = 1_000_000_000
PRESETS: dict[str, tuple[str, int]] = {
    "15m": ("Last 15 minutes", 15 * 60),
    "1h": ("Last hour", 3_600),
    "6h": ("Last 6 hours", 6 * 3_600),
    "24h": ("Last 24 hours", 86_400),
    "7d": ("Last 7 days", 7 * 86_400),
    "30d": ("Last 30 days", 30 * 86_400),
}
"""Preset: label and seconds. ``all`` stands beside them and has no bounds."""
ALL_TIME = "all"
DEFAULT_RANGE = "24h"

TEXT_FIELDS: dict[str, str] = {
    "status": "status",
    "service": "service",
    "environment": "environment",
    "model": "model",
    "provider": "provider",
    "operation": "operation",
    "prompt_name": "prompt",
    "user_id": "user",
    "conversation_id": "session",
    "tag": "tag",
    "score": "score",
    "name": "name",
}
"""Filters that match one value exactly, with their names on chips, in the order of the facets."""
NUMBER_FIELDS: dict[str, tuple[str, str, str]] = {
    "min_duration_ms": ("latency", "≥", "ms"),
    "max_duration_ms": ("latency", "≤", "ms"),
    "min_cost_usd": ("cost", "≥", "$"),
}
ICONS = {"model": "models", "user_id": "user", "conversation_id": "sessions", "prompt_name": "prompts"}


class BadQuery(ValueError):
    """A query parameter that cannot be read; the message names it, its value and what would be right."""


@dataclass(frozen=True)
class Chip:
    """One active filter as a sentence: field, operator, value; ``without`` is the page's URL without it."""

    key: str
    field: str
    operator: str
    value: str
    without: str


@dataclass(frozen=True)
class PageQuery:
    """What a list page was asked for. ``parameters`` are the filters as strings, by name in the URL."""

    path: str
    parameters: dict[str, str] = field(default_factory=dict)
    range: str = DEFAULT_RANGE
    is_range_given: bool = False
    from_ns: int | None = None
    to_ns: int | None = None
    where: TraceFilter = field(default_factory=TraceFilter)
    cursor: str | None = None
    offset: int = 0
    is_live: bool = False

    @property
    def has_filters(self) -> bool:
        """True when anything but the time range narrows the list."""
        return bool(self.parameters)

    @property
    def range_label(self) -> str:
        """The range's name for people."""
        if self.range in PRESETS:
            return PRESETS[self.range][0]
        return "All time" if self.range == ALL_TIME else "Custom range"

    def with_range(self, preset: str) -> "PageQuery":
        """Returns the same query over another preset, its bounds left open (``all``)."""
        where = replace(self.where, from_ns=None, to_ns=None)
        return replace(self, range=preset, from_ns=None, to_ns=None, where=where)

    def url(self, *, drop: Iterable[str] = (), path: str | None = None, **changes: str | None) -> str:
        """Returns this page's URL with parameters changed or dropped; the cursor never survives a change."""
        dropped = set(drop)
        values = self._state()
        values.update(changes)
        kept = {key: value for key, value in values.items() if value and key not in dropped}
        target = path or self.path
        return f"{target}?{urlencode(kept)}" if kept else target

    def _state(self) -> dict[str, str | None]:
        values: dict[str, str | None] = dict(self.parameters)
        if self.range == "custom":
            values["from"] = fmt.iso(self.from_ns) if self.from_ns is not None else None
            values["to"] = fmt.iso(self.to_ns) if self.to_ns is not None else None
        elif self.is_range_given or self.range != DEFAULT_RANGE:
            values["range"] = self.range
        if self.is_live:
            values["live"] = "1"
        return values

    def hidden_fields(self, *, drop: Iterable[str] = ()) -> list[tuple[str, str]]:
        """Returns the state as (name, value) pairs for a form that must keep it."""
        dropped = set(drop)
        return [(key, value) for key, value in self._state().items() if value and key not in dropped]

    def chips(self) -> list[Chip]:
        """Returns the active filters in the order they stand in the URL."""
        return [self._chip(key, value) for key, value in self.parameters.items()]

    def _chip(self, key: str, value: str) -> Chip:
        without = self.url(drop=[key])
        if key == "q":
            return Chip(key, "text", "contains", value, without)
        if key == "unpriced":
            return Chip(key, "cost", "is", "unpriced" if value == "1" else "priced", without)
        if key in NUMBER_FIELDS:
            name, operator, unit = NUMBER_FIELDS[key]
            return Chip(key, name, operator, f"${value}" if unit == "$" else f"{value} {unit}", without)
        return Chip(key, TEXT_FIELDS[key], "is", value, without)


def read_query(path: str, given: Mapping[str, str], now_ns: int, zone: tzinfo = timezone.utc) -> PageQuery:
    """Returns a page's query from its query string.

    Args:
        path: the page's path, for the URLs it makes.
        given: the query parameters; unknown ones are ignored, empty ones are absent.
        now_ns: UTC nanoseconds, the end of the presets.
        zone: the zone of instants that name none, as a browser's date field sends them.

    Raises:
        BadQuery: a number or an instant that cannot be read.
    """
    values = {key: value.strip() for key, value in given.items() if value.strip()}
    if "q" in values:
        filters, rest = split_search(values.pop("q"))
        values.update(filters)
        values.update({"q": rest} if rest else {})
    parameters = {
        key: values[key] for key in values if key in TEXT_FIELDS or key in NUMBER_FIELDS or key == "q"
    }
    if values.get("unpriced") in ("0", "1"):
        parameters["unpriced"] = values["unpriced"]
    preset, from_ns, to_ns = _range(values, now_ns, zone)
    where = TraceFilter(
        from_ns=from_ns,
        to_ns=to_ns,
        q=parameters.get("q"),
        is_unpriced={"1": True, "0": False}.get(parameters.get("unpriced", "")),
        **{key: parameters.get(key) for key in TEXT_FIELDS},  # type: ignore[arg-type]
        **{key: _number(key, parameters.get(key)) for key in NUMBER_FIELDS},  # type: ignore[arg-type]
    )
    return PageQuery(
        path=path,
        parameters=parameters,
        range=preset,
        is_range_given="range" in values or preset == "custom",
        from_ns=from_ns,
        to_ns=to_ns,
        where=where,
        cursor=values.get("cursor"),
        offset=_offset(values.get("at", "")),
        is_live=values.get("live") == "1",
    )


def _offset(value: str) -> int:
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else 0


def _number(key: str, value: str | None) -> float | None:
    if value is None:
        return None
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1e15:
        raise BadQuery(f"{key}={value} is not a number from 0; write it like {key}=250 or {key}=0.05")
    return number


def _range(values: Mapping[str, str], now_ns: int, zone: tzinfo) -> tuple[str, int | None, int | None]:
    if "from" in values or "to" in values:
        return "custom", _instant("from", values.get("from"), zone), _instant("to", values.get("to"), zone)
    preset = values.get("range", DEFAULT_RANGE)
    if preset == ALL_TIME:
        return ALL_TIME, None, None
    if preset not in PRESETS:
        known = ", ".join([*PRESETS, ALL_TIME])
        raise BadQuery(f"range={preset} is not one of {known}; for other ranges use from= and to=")
    return preset, now_ns - PRESETS[preset][1] * NS_PER_S, None


def _instant(key: str, value: str | None, zone: tzinfo) -> int | None:
    if value is None:
        return None
    try:
        if value.isascii() and value.isdigit():
            return int(value) * 1_000_000
        seconds, _, digits = value.removesuffix("Z").partition(".")
        if digits.isdigit():
            moment = datetime.fromisoformat(seconds).replace(tzinfo=timezone.utc)
            return int(moment.timestamp()) * NS_PER_S + int(digits[:9].ljust(9, "0"))
        moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone)
        return round(moment.timestamp() * 1000) * 1_000_000
    except (ValueError, OverflowError):
        raise BadQuery(f"{key}={value} is not a time; write it like {key}=2026-11-21T14:00:00Z") from None
