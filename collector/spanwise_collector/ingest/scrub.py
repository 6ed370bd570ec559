"""Takes secrets out of content on every way in: the sender's own scrubbing may be off, old or another's.

Content is JSON text, and a replacement inside it must leave it JSON: when it does not (a card number written
as a number), the value is scrubbed piece by piece instead.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson

from spanwise import redact
from spanwise_collector.ingest.json_text import dumps, loads
from spanwise_collector.ingest.normalise import is_content_key
from spanwise_collector.ingest.suspects import suspects
from spanwise_collector.model import AnyValue, Span

Scrub = Callable[[str], str]
_JSON_FIELDS = ("input_messages", "output_messages", "documents")
"""Always JSON."""
_TEXT_FIELDS = ("tool_arguments", "tool_result", "input_text", "output_text", "status_message")
"""JSON or plain text."""
_FIELDS = _JSON_FIELDS + _TEXT_FIELDS


def scrub_spans(spans: Sequence[Span], scrub: Scrub) -> None:
    """Replaces secrets in content of spans and events, and in what attributes still hold of it; in place."""
    places = [
        (span, field, content) for span in spans for field in _FIELDS if (content := getattr(span, field))
    ]
    found: Iterable[int] = range(len(places))
    if scrub is redact.scrub:
        found = suspects([content for _, _, content in places])
    for place in found:
        span, field, content = places[place]
        scrubbed = scrub(content)
        if scrubbed != content:
            is_json = field in _JSON_FIELDS or content[:1] in "{["
            setattr(span, field, _still_json(content, scrubbed, scrub) if is_json else scrubbed)
    # Content was moved out of the attributes; most batches have no key left that may hold some.
    keys = set(filter(is_content_key, set().union(*(span.attributes for span in spans))))
    for span in spans:
        if keys and not keys.isdisjoint(span.attributes):
            _scrub_attributes(span.attributes, scrub)
        for event in span.events:
            _scrub_attributes(event.attributes, scrub)


def _scrub_attributes(attributes: dict[str, AnyValue], scrub: Scrub) -> None:
    for key, value in attributes.items():
        if is_content_key(key):
            attributes[key] = _scrub_value(value, scrub)


def _still_json(content: str, scrubbed: str, scrub: Scrub) -> str:
    try:
        orjson.loads(scrubbed)
    except orjson.JSONDecodeError:
        try:
            return dumps(_scrub_value(loads(content), scrub))
        except ValueError:  # it was not JSON before either
            return scrubbed
    return scrubbed


def _scrub_value(value: Any, scrub: Scrub) -> Any:
    # Any: a JSON value of unknown shape.
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, list):
        return [_scrub_value(item, scrub) for item in value]
    if isinstance(value, dict):
        return {key: _scrub_value(item, scrub) for key, item in value.items()}
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**9:
        written = str(value)
        scrubbed = scrub(written)
        return value if scrubbed == written else scrubbed
    return value
