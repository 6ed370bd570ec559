"""The template engine and what every page knows: icons, formats, static addresses, headers."""

import hashlib
from collections.abc import Mapping
from datetime import timezone, tzinfo
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from spanwise._version import __version__
from spanwise_dashboards import format as fmt
from spanwise_dashboards import jsonview, kinds, text

HERE = Path(__file__).parent
STATIC = HERE / "static"
ZONE_COOKIE = "spanwise_zone"
THEME_COOKIE = "spanwise_theme"
SECURITY_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}


@cache
def static_version() -> str:
    """Returns a short hash of all static files; it stands in their addresses, to be cached for ever."""
    digest = hashlib.sha256()
    for path in sorted(STATIC.rglob("*")):
        if path.is_file():
            digest.update(path.name.encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def static_url(name: str) -> str:
    """Returns the address of a static file."""
    return f"/static/{static_version()}/{name}"


def icon(name: str, css_class: str = "i") -> Markup:
    """Returns an icon of the sprite, hidden from screen readers: the word stands beside it."""
    return Markup('<svg class="{}" aria-hidden="true"><use href="{}#{}"/></svg>').format(
        css_class, static_url("icons.svg"), name
    )


def kind_badge(kind: str, is_large: bool = False) -> Markup:
    """Returns the coloured badge of a span kind."""
    css_class = f"kind k-{kind}" + (" kind--lg" if is_large else "")
    return Markup('<span class="{}" title="{}">{}</span>').format(
        css_class, kinds.label_of(kind), icon(f"k-{kind}")
    )


def duration_markup(nanoseconds: int) -> Markup:
    """Returns a duration with its units set small."""
    return Markup(" ").join(
        Markup('{}<span class="unit">{}</span>').format(number, unit)
        for number, unit in fmt.duration_parts(nanoseconds)
    )


def money_markup(usd: Any) -> Markup:
    """Returns US dollars with the sign set small."""
    written = fmt.money(usd)
    head, _, digits = written.partition("$")
    return Markup('{}<span class="unit unit--pre">$</span>{}').format(head, digits)


def zone_of(cookies: Mapping[str, str]) -> tzinfo:
    """Returns the reader's time zone from its cookie; UTC when there is none or it is unknown."""
    name = cookies.get(ZONE_COOKIE, "").replace("%2F", "/")
    try:
        return ZoneInfo(name) if name else timezone.utc
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return timezone.utc


@cache
def environment() -> Environment:
    """Returns the template environment: everything escaped, undefined names are errors."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals.update(
        icon=icon,
        kind_badge=kind_badge,
        kind_of=kinds.kind_of,
        label_of=kinds.label_of,
        all_kinds=kinds.KINDS,
        static_url=static_url,
        version=__version__,
        plural=fmt.plural,
        ARROW=fmt.ARROW,
    )
    made.filters.update(
        duration=duration_markup,
        duration_text=fmt.duration,
        money=money_markup,
        money_text=fmt.money,
        exact_money=fmt.exact_money,
        count=fmt.count,
        short_count=fmt.short_count,
        size=fmt.size,
        iso=fmt.iso,
        visible=text.visible,
        plain=text.plain,
        json=jsonview.markup,
        quote_path=partial(quote, safe=""),
    )
    return made
