"""A hundred thousand damaged OTLP bodies: each gets an honest answer, none harms what was stored before."""

import gzip
import http.client
import random
from collections import Counter
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

pytestmark = [pytest.mark.soak, pytest.mark.timeout(0)]

BODIES = 100_000
ALLOWED = {200, 400, 413}
KEPT = 0x5EED_0000_0000_0000_CAFE
"""A trace that no damaged body is made from."""


def protobuf_body() -> bytes:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id, span.name = b"\x07" * 16, b"\x08" * 8, "chat gpt-4o"
    for key, value in {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"hello"}]}]',
        "llm.input_messages.0.message.content": "hello",
        "gen_ai.prompt.0.content": "hello",
    }.items():
        span.attributes.append(KeyValue(key=key, value=AnyValue(string_value=value)))
    span.attributes.append(KeyValue(key="gen_ai.usage.input_tokens", value=AnyValue(int_value=12)))
    return request.SerializeToString()


def damaged(body: bytes, dice: random.Random) -> bytes:
    """Flips, cuts, repeats or inserts bytes."""
    data = bytearray(body)
    for _ in range(dice.randint(1, 6)):
        place = dice.randrange(len(data) or 1)
        kind = dice.randrange(4)
        if kind == 0 and data:
            data[place] = dice.randrange(256)
        elif kind == 1:
            del data[place : place + dice.randint(1, 30)]
        elif kind == 2:
            data[place:place] = data[place : place + dice.randint(1, 30)]
        else:
            data[place:place] = dice.randbytes(dice.randint(1, 8))
    return bytes(data)


def test_damaged_bodies_are_answered_and_harm_nothing(server: Any, otlp: Any) -> None:
    dice = random.Random(20261122)
    kept, other = (otlp.request_body([otlp.chat_span(trace, 1)]) for trace in (KEPT, 2))
    assert server.post("/v1/traces", kept, "application/json")[0] == 200
    sources = [("application/x-protobuf", protobuf_body()), ("application/json", other)]
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    answers: Counter[int] = Counter()
    for _ in range(BODIES):
        content_type, body = dice.choice(sources)
        headers = {"content-type": content_type}
        body = damaged(body, dice)
        if dice.random() < 0.1:
            body, headers["content-encoding"] = damaged(gzip.compress(body), dice), "gzip"
        connection.request("POST", "/v1/traces", body, headers)
        answer = connection.getresponse()
        answer.read()
        answers[answer.status] += 1
    assert set(answers) <= ALLOWED, answers
    (span,) = server.get(f"/api/v1/traces/{KEPT:032x}")["spans"]
    assert span["input_tokens"] == 1000
    for item in server.get("/api/v1/traces?limit=500")["items"]:
        server.get(f"/api/v1/traces/{item['trace_id']}")
    print(f"\n{BODIES} damaged bodies: {dict(answers)}")
