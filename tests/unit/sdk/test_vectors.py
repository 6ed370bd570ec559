"""Vectors of embeddings calls: only on request, small, exact enough, and never taken for text."""

import base64
import importlib
import json
import struct
from typing import Any

import numpy as np
import openai
import pytest

from spanwise import testing
from spanwise.vectors import MAX_BYTES, packed

KEY = "spanwise.embeddings.vectors"


def unpacked(part: dict[str, Any]) -> Any:
    words = np.frombuffer(base64.b64decode(part["content"]), "<u2").astype(np.uint32) << 16
    return words.view(np.float32).reshape(part["shape"])


def test_numbers_are_rounded_to_the_nearest_bfloat16() -> None:
    rng = np.random.default_rng(7)
    for scale in (1e-30, 1e-3, 1.0, 1e30):
        given = (rng.standard_normal((3, 64)) * scale).astype(np.float32)
        part = packed(given.tolist())
        assert part is not None
        assert (part["shape"], part["total"]) == ([3, 64], 3)
        assert np.max(np.abs(unpacked(part) - given) / np.abs(given)) <= 2**-8


def test_signs_zeros_and_extremes_survive() -> None:
    given = [0.0, -0.0, 1.0, -1.0, 3.3e38, -3.3e38, 1e-40, float("inf"), float("-inf")]
    part = packed([given])
    assert part is not None
    found = unpacked(part)[0]
    assert found[:4].tolist() == given[:4]
    assert np.sign(found).tolist() == np.sign(np.array(given, np.float32)).tolist()
    assert np.isinf(found[-2:]).all()


def test_base64_of_float32_is_the_same() -> None:
    given = [[0.1, -2.5, 3.75], [1.0, 2.0, 3.0]]
    encoded = [base64.b64encode(struct.pack("<3f", *vector)).decode() for vector in given]
    assert packed(encoded) == packed(given)


def test_what_is_too_much_is_left_out_and_counted() -> None:
    part = packed([[0.5] * 1536] * 200)
    assert part is not None
    assert (part["shape"], part["total"]) == ([85, 1536], 200)
    assert len(base64.b64decode(part["content"])) <= MAX_BYTES


def test_what_is_no_list_of_vectors() -> None:
    assert packed([]) is None
    assert packed([[]]) is None
    part = packed([[1.0, 2.0], [1.0]])
    assert part is not None
    assert (part["shape"], part["total"]) == ([1, 2], 2)


def test_arrays_are_read_as_lists_are() -> None:
    rows = np.array([[0.5, -1.5], [2.0, 0.25]], np.float64)
    assert packed(list(rows)) == packed(rows.tolist())


@pytest.mark.parametrize("bad", [None, 7, "not base64!", ["a"], [[1.0]], [1e300], object()])
def test_a_vector_that_cannot_be_read_ends_the_list(bad: Any) -> None:
    assert packed([bad]) is None
    part = packed([[1.0, 2.0], bad, [3.0, 4.0]])
    assert part is not None
    assert (part["shape"], part["total"]) == ([1, 2], 3)


def embed(**settings: Any) -> dict[str, Any]:
    """The attributes of the span of a real client's call."""
    data = [{"object": "embedding", "index": n, "embedding": [0.25 * n, -1.0]} for n in range(2)]
    body = {"object": "list", "model": "e-1", "data": data, "usage": {"prompt_tokens": 4, "total_tokens": 4}}
    with testing.record_spans("openai", **settings) as recorder:
        client = openai.OpenAI(api_key="k", http_client=client_answering(body))
        client.embeddings.create(model="e", input=["a", "b"], encoding_format="float")
    return recorder.spans[0].attributes


def client_answering(body: dict[str, Any]) -> Any:
    """An HTTP client of the library that this version of openai is made with: httpx or httpx2."""
    kind = next(kind for kind in openai.DefaultHttpxClient.__mro__ if kind.__module__.startswith("httpx"))
    http = importlib.import_module(kind.__module__.partition(".")[0])
    return kind(transport=http.MockTransport(lambda request: http.Response(200, json=body)))


def test_vectors_are_recorded_on_request_only() -> None:
    assert KEY not in embed()
    assert KEY not in embed(capture_embeddings=True, capture=False)
    part = embed(capture_embeddings=True)[KEY]
    part = json.loads(part) if isinstance(part, str) else part
    assert unpacked(part).tolist() == [[0.0, -1.0], [0.25, -1.0]]


def test_the_environment_can_ask_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPANWISE_CAPTURE_EMBEDDINGS", "true")
    assert KEY in embed()
