"""OTLP requests of the ingest benchmark: chat spans as an exporter sends them, encoded beforehand."""

import gzip
import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

MODELS = (
    ("openai", "gpt-4o", "gpt-4o-2024-08-06", "api.openai.com"),
    ("openai", "gpt-4o-mini", "gpt-4o-mini-2024-07-18", "api.openai.com"),
    ("anthropic", "claude-sonnet-4-5", "claude-sonnet-4-5-20250929", "api.anthropic.com"),
)
SPANS_PER_TRACE = 4
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_SECOND_NS = 1_000_000_000


@dataclass(slots=True)
class Request:
    """One encoded request and the identities it carries, so that they can be looked for afterwards."""

    body: bytes
    spans: dict[str, list[str]] = field(default_factory=dict)
    """Span ids by trace id, in hex."""


class Requests:
    """Makes requests of chat spans with 20 attributes each."""

    def __init__(self, texts: Iterator[tuple[str, str]], chance: random.Random) -> None:
        self._texts, self._chance = texts, chance
        self.text_bytes = 0
        """UTF-8 bytes of prompts and answers made so far."""

    def make(self, count: int, *, is_gzip: bool = False) -> Request:
        """Returns one request of ``count`` spans that ended within the last five minutes."""
        message = ExportTraceServiceRequest()
        group = message.resource_spans.add()
        for key, value in (
            ("service.name", "support-bot"),
            ("service.version", "1.4.2"),
            ("deployment.environment.name", "production"),
            ("telemetry.sdk.language", "python"),
            ("telemetry.sdk.name", "opentelemetry"),
            ("telemetry.sdk.version", "1.44.0"),
            ("host.name", f"worker-{self._chance.randrange(4)}"),
        ):
            group.resource.attributes.add(key=key).value.string_value = value
        scope = group.scope_spans.add()
        scope.scope.name, scope.scope.version = "spanwise.openai", "0.1.0"
        spans: dict[str, list[str]] = {}
        for start in range(0, count, SPANS_PER_TRACE):
            self._add_trace(scope.spans, min(SPANS_PER_TRACE, count - start), spans)
        body = message.SerializeToString()
        return Request(gzip.compress(body, 6) if is_gzip else body, spans)

    def _add_trace(self, spans: "Iterator[Span]", count: int, known: dict[str, list[str]]) -> None:
        trace_id, parent = self._chance.randbytes(16), b""
        conversation, user = self._chance.randbytes(16).hex(), f"user-{self._chance.randrange(2000)}"
        start = time.time_ns() - self._chance.randrange(300 * _SECOND_NS)
        ids = known[trace_id.hex()] = []
        for _ in range(count):
            span = spans.add(  # type: ignore[attr-defined] (a repeated field, which the stubs call an iterator)
                trace_id=trace_id,
                span_id=self._chance.randbytes(8),
                parent_span_id=parent,
                kind=Span.SPAN_KIND_CLIENT,
                start_time_unix_nano=start,
                end_time_unix_nano=start + self._chance.randrange(_SECOND_NS // 5, 8 * _SECOND_NS),
            )
            self._fill(span, conversation, user)
            ids.append(span.span_id.hex())
            parent = parent or span.span_id
            start = span.end_time_unix_nano + self._chance.randrange(20_000_000)

    def _fill(self, span: Span, conversation: str, user: str) -> None:
        provider, model, answered_by, host = self._chance.choice(MODELS)
        question, answer = next(self._texts)
        self.text_bytes += len(question.encode()) + len(answer.encode())
        span.name = f"chat {model}"
        for key, value in self._attributes(provider, model, answered_by, host, len(question), len(answer)):
            _add(span, key, value)
        _add(span, "gen_ai.conversation.id", conversation)
        _add(span, "user.id", user)
        _add(span, "gen_ai.input.messages", _message("user", question))
        _add(span, "gen_ai.output.messages", _message("assistant", answer, finish_reason="stop"))
        reasons = span.attributes.add(key="gen_ai.response.finish_reasons")
        reasons.value.array_value.values.add(string_value="stop")

    def _attributes(
        self, provider: str, model: str, answered_by: str, host: str, asked: int, answered: int
    ) -> tuple[tuple[str, str | int | float | bool], ...]:
        return (
            ("gen_ai.operation.name", "chat"),
            ("gen_ai.provider.name", provider),
            ("gen_ai.request.model", model),
            ("gen_ai.response.model", answered_by),
            ("gen_ai.response.id", "chatcmpl-" + "".join(self._chance.choices(_LETTERS, k=29))),
            ("gen_ai.request.temperature", 0.7),
            ("gen_ai.request.top_p", 0.95),
            ("gen_ai.request.max_tokens", 1024),
            ("gen_ai.request.stream", True),
            ("gen_ai.response.time_to_first_chunk", self._chance.randrange(100_000, 2_000_000) / 1e6),
            ("gen_ai.usage.input_tokens", asked // 4 + 12),
            ("gen_ai.usage.output_tokens", answered // 4 + 1),
            ("gen_ai.usage.cache_read.input_tokens", self._chance.randrange(asked // 4)),
            ("server.address", host),
            ("server.port", 443),
        )


def _add(span: Span, key: str, value: str | int | float | bool) -> None:
    item = span.attributes.add(key=key).value
    if isinstance(value, bool):
        item.bool_value = value
    elif isinstance(value, int):
        item.int_value = value
    elif isinstance(value, float):
        item.double_value = value
    else:
        item.string_value = value


def _message(role: str, text: str, **more: str) -> str:
    return json.dumps(
        [{"role": role, "parts": [{"type": "text", "content": text}], **more}], ensure_ascii=False
    )
