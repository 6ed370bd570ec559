"""Vectors of embeddings calls: from the SDK's packing into a table of their own, out of the spans."""

import hashlib
import json
import secrets
from typing import Any

import numpy as np
import pytest

from spanwise.vectors import packed

JSON = {"content-type": "application/json"}


@pytest.fixture
def model() -> str:
    """An embedder that no other test has."""
    return f"embed-{secrets.token_hex(4)}"


def attributes(model: str, value: Any, texts: list[str] | None) -> dict[str, Any]:
    held = {
        "gen_ai.operation.name": "embeddings",
        "gen_ai.request.model": model,
        "spanwise.embeddings.vectors": value,
    }
    return held if texts is None else {**held, "spanwise.embeddings.input": json.dumps(texts)}


async def test_vectors_are_taken_up_and_leave_the_span(
    serve: Any, store: Any, otlp: Any, body: Any, model: str
) -> None:
    given = np.random.default_rng(3).standard_normal((2, 8)).astype(np.float32)
    span = otlp(attributes(model, json.dumps(packed(given.tolist())), ["red apples", "blue skies"]))
    async with serve() as client:
        for _ in range(2):
            assert (await client.post("/v1/traces", content=body(span), headers=JSON)).status_code == 200
        detail = (await client.get(f"/api/v1/traces/{span['traceId']}")).json()["spans"][0]
    found = {each.item: each for each in store.read_vectors("default", f"{model}/8")}
    assert sorted(found) == [0, 1], "a text is one row, however often it is sent"
    for item, text in enumerate(("red apples", "blue skies")):
        assert np.allclose(found[item].numbers, given[item], rtol=2**-7)
        assert found[item].content_hash == hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
        assert (found[item].trace_id, found[item].span_id) == (span["traceId"], span["spanId"])
    assert "spanwise.embeddings.vectors" not in detail["attributes"]
    assert detail["input_text"] == '["red apples","blue skies"]' or "red apples" in detail["input_text"]
    assert detail["warnings"] == []


async def test_without_texts_the_vector_itself_is_what_it_is_known_by(
    serve: Any, store: Any, otlp: Any, body: Any, model: str
) -> None:
    value = json.dumps(packed([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    async with serve() as client:
        await client.post("/v1/traces", content=body(otlp(attributes(model, value, None))), headers=JSON)
    found = store.read_vectors("default", f"{model}/2")
    assert sorted(each.numbers.tolist() for each in found) == [[0.0, 1.0], [1.0, 0.0]]


@pytest.mark.parametrize(
    "value",
    [
        "nonsense",
        "[]",
        5,
        json.dumps({"mime_type": "application/x-bfloat16"}),
        json.dumps({"mime_type": "application/x-bfloat16", "shape": [1, 2], "content": "AAA"}),
        json.dumps({"mime_type": "application/x-bfloat16", "shape": [9, 9], "content": "AAAAAA=="}),
        json.dumps({"mime_type": "application/x-bfloat16", "shape": [-1, -2], "content": "AAAAAA=="}),
        json.dumps({"mime_type": "application/x-bfloat16", "shape": [1, 2], "content": "gH+AfwAA"}),
        json.dumps({"mime_type": "text/plain", "shape": [1, 2], "content": "AAAAAA=="}),
    ],
)
async def test_what_cannot_be_read_costs_a_warning_and_not_the_span(
    serve: Any, store: Any, otlp: Any, body: Any, model: str, value: Any
) -> None:
    span = otlp(attributes(model, value, ["x"]))
    async with serve() as client:
        assert (await client.post("/v1/traces", content=body(span), headers=JSON)).status_code == 200
        detail = (await client.get(f"/api/v1/traces/{span['traceId']}")).json()["spans"][0]
    assert detail["warnings"] == ["vectors_unreadable"]
