"""No reader raises on recordings whose values are replaced, one at a time, by what no schema promises."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from recordings import FURTHER, NAMED, Recording, load

from spanwise.integrations import (
    _anthropic_messages,
    _openai_chat,
    _openai_completions,
    _openai_embeddings,
    _openai_responses,
)
from spanwise.integrations._stainless import Endpoint

ODD = (None, "x", 5, 1.5, True, [], {}, [None], ["x"], [{}])
ITEMS_OF_A_LIST = 3
ENDS_OF_A_STREAM = 6


def endpoint_of(recording: Recording) -> Endpoint:
    path = recording.path.partition("?")[0]
    if path.endswith("/messages"):
        return _anthropic_messages.ENDPOINT
    if "/responses" in path:
        return _openai_responses.ENDPOINTS[0]
    if path.endswith("/embeddings"):
        return _openai_embeddings.ENDPOINT
    return _openai_chat.ENDPOINT if path.endswith("/chat/completions") else _openai_completions.ENDPOINT


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yields the way to every value inside of a JSON value."""
    yield at
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*at, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value[:ITEMS_OF_A_LIST]):
            yield from places(inner, (*at, index))


def replaced(value: Any, at: tuple[Any, ...], odd: Any) -> Any:
    if not at:
        return odd
    copied = value.copy()
    copied[at[0]] = replaced(value[at[0]], at[1:], odd)
    return copied


def read(endpoint: Endpoint, kind: str, document: Any) -> None:
    """Reads a damaged request, answer or stream."""
    if kind == "request":
        endpoint.read_request(document if isinstance(document, dict) else {}, True)
    elif kind == "answer":
        endpoint.read_response(document, True)
    else:
        fold = endpoint.new_fold(True)
        for event in document if isinstance(document, list) else [document]:
            fold.add(event)
        fold.response()


def documents(recording: Recording) -> Iterator[tuple[str, Any]]:
    yield "request", recording.request
    if "event-stream" in recording.content_type:
        events = recording.events
        yield "stream", events[:ENDS_OF_A_STREAM] + events[-ENDS_OF_A_STREAM:]
    elif recording.answer.startswith("{"):
        yield "answer", json.loads(recording.answer)


def test_no_reader_raises_on_a_damaged_recording() -> None:
    recordings = load(*NAMED, *FURTHER)
    if not recordings:
        pytest.skip("no recorded data (set SPANWISE_SHARED)")
    seen: set[Any] = set()
    for recording in recordings:
        endpoint = endpoint_of(recording)
        for kind, document in documents(recording):
            for at in places(document):
                shape = (endpoint.path, kind, tuple(key if isinstance(key, str) else 0 for key in at))
                if shape in seen:
                    continue
                seen.add(shape)
                for odd in ODD:
                    read(endpoint, kind, replaced(document, at, odd))
    assert len(seen) > 1000
