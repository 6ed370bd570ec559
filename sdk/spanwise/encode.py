"""Ended spans and their content as the bytes of an OTLP ``ExportTraceServiceRequest``.

The semantics are those of OpenTelemetry's own encoder (the tests compare the two); the difference is that
content from the side table is merged in, and that bytes are written directly (see ``wire`` for why).

Source: opentelemetry/proto/trace/v1/trace.proto.
"""

import logging
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode, TraceState

from spanwise import semconv
from spanwise.content import Content, to_text
from spanwise.sampling import as_whole
from spanwise.wire import delimited, key_value, text, varint

logger = logging.getLogger("spanwise")

_KINDS = {
    SpanKind.INTERNAL: b"\x30\x01",
    SpanKind.SERVER: b"\x30\x02",
    SpanKind.CLIENT: b"\x30\x03",
    SpanKind.PRODUCER: b"\x30\x04",
    SpanKind.CONSUMER: b"\x30\x05",
}
_UNSET = StatusCode.UNSET
_CONTENT_KEYS = semconv.CONTENT_KEYS
_MAX_CACHED_CHARS = 64
_MAX_CACHED_PAIRS = 2048
_FLAGS_LOCAL, _FLAGS_REMOTE = 0x100, 0x300
"""Whether the parent is remote is known, and whether it is (``SpanFlags``)."""

_pack_times = struct.Struct("<BQBQ").pack
_pack_fixed32 = struct.Struct("<I").pack
_pack_fixed64 = struct.Struct("<Q").pack


class EndedSpan(NamedTuple):
    """A span as it waits for encoding, with its content and the memory that both are taken to use."""

    span: ReadableSpan
    content: Content | None
    size_bytes: int
    is_kept_for_error: bool = False
    """True when sampling had no say: its trace failed, and failing traces are all kept."""


class EncodedSpan(NamedTuple):
    """A span as it waits for sending: less than half the memory, and its content can still be left out."""

    resource: Resource
    scope: InstrumentationScope | None
    body: bytes
    """The fields of a ``Span`` message, without the attributes that may hold content."""
    content: bytes
    """Those attributes. Fields may stand in any order, so that both together are the whole span."""

    @property
    def size_bytes(self) -> int:
        """Memory that the span holds."""
        return len(self.body) + len(self.content) + _ENCODED_OVERHEAD_BYTES


_ENCODED_OVERHEAD_BYTES = 160


@dataclass(slots=True)
class Encoder:
    """Encodes spans and requests; keeps the bytes of resources, which seldom change.

    Attributes:
        resource_attributes: Added to every resource, because the provider may be the app's own.
        failed_attributes: Attributes that could not be encoded and were left out.
    """

    resource_attributes: Mapping[str, str]
    failed_attributes: int = 0
    _resources: dict[int, tuple[Resource, bytes]] = field(default_factory=dict)
    _pairs: dict[tuple[bytes, str, object], bytes] = field(default_factory=dict)
    """Short texts that were encoded before: names of models, providers and the like repeat on every span."""

    def encode(self, item: EndedSpan) -> EncodedSpan:
        """Returns a span in its final form but for the request around it."""
        span = item.span
        attributes = attributes_of(span)
        content: dict[str, object] = {}
        context = span.get_span_context()
        state = None if context is None else context.trace_state
        if item.is_kept_for_error and context is not None and not context.trace_flags.sampled:
            attributes[semconv.KEPT_FOR] = "error"
        if not _CONTENT_KEYS.isdisjoint(attributes):
            # Instrumentations of others keep content in attributes, and so do we when told to.
            for key in _CONTENT_KEYS.intersection(attributes):
                content[key] = attributes.pop(key)
        if item.content:
            for key, value in item.content.items():
                try:
                    content[key] = to_text(value)
                except Exception:  # noqa: BLE001 - one strange value must not cost the span
                    self._count_failure(key)
        return EncodedSpan(
            span.resource,
            span.instrumentation_scope,
            self._span(span, attributes, as_whole(state) if item.is_kept_for_error else state),
            self._attributes(b"\x4a", content),
        )

    def request(self, spans: Sequence[EncodedSpan], *, with_content: bool = True) -> bytes:
        """Returns an ``ExportTraceServiceRequest``; without content, no attribute that may hold some."""
        groups: dict[int, tuple[Resource, dict[int, tuple[InstrumentationScope | None, list[bytes]]]]] = {}
        for span in spans:
            _, scopes = groups.setdefault(id(span.resource), (span.resource, {}))
            _, bodies = scopes.setdefault(id(span.scope), (span.scope, []))
            size = len(span.body) + (len(span.content) if with_content else 0)
            bodies += (b"\x12", varint(size), span.body, span.content if with_content else b"")
        parts: list[bytes] = []
        for resource, scopes in groups.values():
            found = self._resource_spans(resource, scopes.values())
            parts += (b"\x0a", varint(sum(map(len, found))), *found)
        return b"".join(parts)  # copied once: a batch has up to two megabytes

    def _resource_spans(
        self, resource: Resource, scopes: Iterable[tuple[InstrumentationScope | None, list[bytes]]]
    ) -> list[bytes]:
        parts = [self._resource(resource)]
        for scope, spans in scopes:
            head, tail = self._scope(scope), b""
            if scope is not None and scope.schema_url:
                tail = delimited(b"\x1a", text(scope.schema_url))
            size = len(head) + sum(map(len, spans)) + len(tail)
            parts += (b"\x12", varint(size), head, *spans, tail)
        if resource.schema_url:
            parts.append(delimited(b"\x1a", text(resource.schema_url)))
        return parts

    def _resource(self, resource: Resource) -> bytes:
        known = self._resources.get(id(resource))
        if known is None:
            attributes = {**resource.attributes, **self.resource_attributes}
            if len(self._resources) >= 16:  # an app has one or two; this only bounds a pathological one
                self._resources.clear()
            # The resource itself is kept, so that its id cannot be given to another one.
            known = (resource, delimited(b"\x0a", self._attributes(b"\x0a", attributes)))
            self._resources[id(resource)] = known
        return known[1]

    def _scope(self, scope: InstrumentationScope | None) -> bytes:
        if scope is None:
            return b"\x0a\x00"
        body = _optional_text(b"\x0a", scope.name) + _optional_text(b"\x12", scope.version)
        return delimited(b"\x0a", body + self._attributes(b"\x1a", scope.attributes or {}))

    def _span(self, span: ReadableSpan, attributes: Mapping[str, object], state: TraceState | None) -> bytes:
        context = span.get_span_context()
        if context is None:
            return b""
        parts = [
            b"\x0a\x10", context.trace_id.to_bytes(16, "big"),
            b"\x12\x08", context.span_id.to_bytes(8, "big"),
        ]  # fmt: skip
        if state:
            parts.append(delimited(b"\x1a", text(state.to_header())))
        if span.parent is not None:
            parts += (b"\x22\x08", span.parent.span_id.to_bytes(8, "big"))
        parts += (
            _optional_text(b"\x2a", span.name),
            _KINDS.get(span.kind, b""),
            _pack_times(0x39, span.start_time or 0, 0x41, span.end_time or 0),
            self._attributes(b"\x4a", attributes),
        )
        self._append_rare(parts, span)
        parts.append(b"\x85\x01" + _pack_fixed32(_flags(span.parent)))
        return b"".join(parts)

    def _append_rare(self, parts: list[bytes], span: ReadableSpan) -> None:
        """Adds what most spans do not have: dropped counts, events, links, a status."""
        if dropped := span.dropped_attributes:
            parts.append(b"\x50" + varint(dropped))
        if span.events:
            parts.extend(delimited(b"\x5a", self._event(event)) for event in span.events)
        if dropped := span.dropped_events:
            parts.append(b"\x60" + varint(dropped))
        if span.links:
            parts.extend(delimited(b"\x6a", self._link(link)) for link in span.links)
        if dropped := span.dropped_links:
            parts.append(b"\x70" + varint(dropped))
        status = span.status
        if status.status_code is _UNSET:
            parts.append(b"\x7a\x00")
        else:
            body = _optional_text(b"\x12", status.description) + b"\x18" + varint(status.status_code.value)
            parts.append(delimited(b"\x7a", body))

    def _event(self, event: Event) -> bytes:
        body = b"\x09" + _pack_fixed64(event.timestamp) + _optional_text(b"\x12", event.name)
        body += self._attributes(b"\x1a", event.attributes or {})
        dropped = event.dropped_attributes
        return body + (b"\x20" + varint(dropped) if dropped else b"")

    def _link(self, link: Link) -> bytes:
        body = b"\x0a\x10" + link.context.trace_id.to_bytes(16, "big")
        body += b"\x12\x08" + link.context.span_id.to_bytes(8, "big")
        body += self._attributes(b"\x22", link.attributes or {})
        if dropped := link.dropped_attributes:
            body += b"\x28" + varint(dropped)
        return body + b"\x35" + _pack_fixed32(_flags(link.context))

    def _attributes(self, tag: bytes, attributes: Mapping[str, object]) -> bytes:
        parts = []
        known = self._pairs
        for key, value in attributes.items():
            try:
                kind = value.__class__
                if kind is str and len(value) <= _MAX_CACHED_CHARS and not key.endswith(".id"):  # type: ignore[arg-type]
                    pair = known.get((tag, key, value))
                    if pair is None:
                        if len(known) >= _MAX_CACHED_PAIRS:
                            known.clear()
                        pair = known[tag, key, value] = key_value(tag, key, value)
                    parts.append(pair)
                else:
                    parts.append(key_value(tag, key, value))
            except Exception:  # noqa: BLE001 - one strange value must not cost the span
                self._count_failure(key)
        return b"".join(parts)

    def _count_failure(self, key: str) -> None:
        self.failed_attributes += 1
        if self.failed_attributes == 1:
            logger.warning("spanwise: attribute %r cannot be encoded and is left out", key, exc_info=True)


def attributes_of(span: ReadableSpan) -> dict[str, object]:
    """Returns a copy of a span's attributes, fast: reading them one by one costs a call each."""
    attributes = span.attributes
    if not attributes:
        return {}
    copied: dict[str, object] = attributes.copy()  # type: ignore[attr-defined]
    return copied


def _optional_text(tag: bytes, value: str | None) -> bytes:
    return delimited(tag, text(value)) if value else b""


def _flags(context: SpanContext | None) -> int:
    return _FLAGS_REMOTE if context is not None and context.is_remote else _FLAGS_LOCAL
