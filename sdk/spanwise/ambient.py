"""Attributes that every span below a point carries: conversation, user, prompt, tags, metadata.

They live in OpenTelemetry's context, so tasks inherit them by themselves, ``threads`` carries them into
threads and executors, and they never leave the process (baggage would send them to model providers).
"""

from collections.abc import Mapping
from typing import cast

from opentelemetry import context as otel
from opentelemetry.context import Context

from spanwise import semconv
from spanwise.operation import AttributeValue

Attributes = Mapping[str, AttributeValue]

_KEY = otel.create_key("spanwise-attributes")
_NONE: Attributes = {}


def attributes_of(context: Context) -> Attributes:
    """Returns the attributes that ``spanwise.context()`` put into a context; do not change them."""
    return cast("Attributes", context.get(_KEY, _NONE))


def with_attributes(context: Context, added: Attributes) -> Context:
    """Returns ``context`` carrying further attributes. Tags add up; of anything else the inner value wins."""
    merged = {**attributes_of(context), **added}
    outer_tags = attributes_of(context).get(semconv.TAGS)
    if outer_tags and semconv.TAGS in added:
        tags = [*cast("list[str]", outer_tags), *cast("list[str]", added[semconv.TAGS])]
        merged[semconv.TAGS] = list(dict.fromkeys(tags))
    return otel.set_value(_KEY, merged, context)


def without_attribute(context: Context, key: str) -> Context:
    """Returns ``context`` without one attribute that ``spanwise.context()`` may have put there."""
    held = attributes_of(context)
    if key not in held:
        return context
    return otel.set_value(_KEY, {name: value for name, value in held.items() if name != key}, context)


_PRIVATE = otel.create_key("spanwise-private")


def is_private(context: Context) -> bool:
    """Tells whether nothing that people or models wrote may be recorded in a context."""
    return _PRIVATE in context


def as_private(context: Context) -> Context:
    """Returns ``context`` marked so that no content is recorded in it or below."""
    return otel.set_value(_PRIVATE, True, context)
