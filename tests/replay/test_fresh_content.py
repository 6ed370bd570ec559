"""What the readers return shares no list or dict with the request or the answer: it is looked at later, in
another thread, when the application may long have changed its own."""

import json
import re
from typing import Any

import pytest
from recordings import NAMED, Recording, load

from spanwise.integrations import (
    _anthropic_messages,
    _openai_chat,
    _openai_completions,
    _openai_embeddings,
    _openai_responses,
)
from spanwise.operation import Request, Response

ENDPOINTS = (
    _openai_chat.ENDPOINT,
    *_openai_responses.ENDPOINTS,
    _openai_embeddings.ENDPOINT,
    _openai_completions.ENDPOINT,
    _anthropic_messages.ENDPOINT,
)


def _containers(value: Any) -> set[int]:
    if not isinstance(value, dict | list):
        return set()
    items = value.values() if isinstance(value, dict) else value
    return {id(value)}.union(*map(_containers, items))


def _content(read: Request | Response) -> list[Any]:
    if isinstance(read, Request):
        return [read.input_messages, read.system_instructions, read.tool_definitions, read.content]
    return [read.output_messages, read.content]


def _with_objects_for_json(value: Any) -> Any:
    """Arguments of tools as objects, which some applications send where the API wants JSON."""
    if isinstance(value, dict):
        return {
            key: json.loads(item)
            if key in ("arguments", "input") and isinstance(item, str) and item[:1] == "{"
            else _with_objects_for_json(item)
            for key, item in value.items()
        }
    return [_with_objects_for_json(item) for item in value] if isinstance(value, list) else value


def _bodies(recording: Recording) -> list[Any]:
    try:
        answer = json.loads(recording.answer)
    except ValueError:
        return []
    return [answer] if isinstance(answer, dict) and recording.status == 200 else []


@pytest.mark.parametrize("file", NAMED)
def test_content_shares_nothing_with_what_it_was_read_from(file: str) -> None:
    read = 0
    for recording in load(file):
        for endpoint in ENDPOINTS:
            if endpoint.method != recording.method or not re.fullmatch(
                endpoint.path, recording.path.partition("?")[0]
            ):
                continue
            for body in (recording.request, _with_objects_for_json(recording.request)):
                request = endpoint.read_request({**body, "id": "resp_1"}, True)
                assert not _containers(_content(request)) & _containers(body), recording.key
                read += 1
            for answer in _bodies(recording):
                response = endpoint.read_response(answer, True)
                assert not _containers(_content(response)) & _containers(answer), recording.key
            break
    assert read
