"""What is read from Anthropic's messages: requests as JSON, answers and events as the client makes them."""

from typing import Any

import pytest
from anthropic.types import Message as ClientMessage
from anthropic.types import RawMessageStreamEvent
from pydantic import TypeAdapter

from spanwise.integrations._anthropic_messages import MessageFold, read_request, read_response
from spanwise.operation import Request, Response, Usage

PDF = {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="}
REQUEST: dict[str, Any] = {
    "model": "claude-opus",
    "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"}},
                {"type": "image", "source": {"type": "url", "url": "https://a.test/cat.png"}},
                {"type": "document", "source": PDF, "title": "a"},
                {"type": "document", "source": {"type": "file", "file_id": "file_1"}, "title": "b"},
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "plain"}},
                {"type": "document", "source": {"type": "content", "content": "blocks"}},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Look it up.", "signature": "Eo0B"},
                {"type": "redacted_thinking", "data": "EmwK"},
                {"type": "tool_use", "id": "t1", "name": "look", "input": {"at": 1}},
                {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "cat"}},
                {
                    "type": "web_search_tool_result",
                    "tool_use_id": "s1",
                    "content": [{"type": "web_search_result", "url": "https://a.test", "title": "Cats"}],
                },
                {"type": "mcp_tool_use", "id": "m1", "name": "roll", "server_name": "dice", "input": {}},
                {"type": "mcp_tool_result", "tool_use_id": "m1", "is_error": True, "content": "none"},
                {"type": "hologram", "beam": 7},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": "a cat"},
                {
                    "type": "tool_result",
                    "tool_use_id": "t2",
                    "is_error": True,
                    "content": [{"type": "text", "text": "no "}, {"type": "text", "text": "dog"}],
                },
                {
                    "type": "tool_result",
                    "tool_use_id": "t3",
                    "content": [{"type": "image", "source": {"type": "url", "url": "https://a.test/s.png"}}],
                },
            ],
        },
        {"role": "assistant", "content": "The answer is"},
    ],
    "tools": [
        {"name": "look", "description": "Looks.", "input_schema": {"type": "object"}},
        {"type": "custom", "name": "bare", "input_schema": {"type": "object"}},
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 2},
    ],
    "max_tokens": 64,
    "temperature": 1,
    "top_p": 0.5,
    "top_k": 40,
    "stop_sequences": ["END"],
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "output_config": {"effort": "high", "format": {"type": "json_schema"}},
    "service_tier": "auto",
}


def uri(modality: str, address: str) -> dict[str, Any]:
    return {"type": "uri", "modality": modality, "mime_type": None, "uri": address}


def test_request_is_read_whole() -> None:
    found = [{"type": "web_search_result", "url": "https://a.test", "title": "Cats"}]
    assert read_request(REQUEST, True) == Request(
        operation="chat",
        provider="anthropic",
        model="claude-opus",
        system_instructions=[{"type": "text", "content": "Be brief."}],
        input_messages=[
            {
                "role": "user",
                "parts": [
                    {"type": "text", "content": "What is this?"},
                    {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "iVBO"},
                    uri("image", "https://a.test/cat.png"),
                    {
                        "type": "blob",
                        "modality": "document",
                        "mime_type": "application/pdf",
                        "content": "JVBERg==",
                    },
                    {
                        "type": "file",
                        "modality": "document",
                        "mime_type": None,
                        "file_id": "file_1",
                        "title": "b",
                    },
                    {"type": "text", "content": "plain"},
                    {"type": "document", "source": {"type": "content", "content": "blocks"}},
                ],
            },
            {
                "role": "assistant",
                "parts": [
                    {"type": "reasoning", "content": "Look it up."},
                    {"type": "reasoning", "content": "", "redacted": True},
                    {"type": "tool_call", "id": "t1", "name": "look", "arguments": {"at": 1}},
                    {
                        "type": "server_tool_call",
                        "id": "s1",
                        "name": "web_search",
                        "server_tool_call": {"type": "server_tool_use", "input": {"query": "cat"}},
                    },
                    {
                        "type": "server_tool_call_response",
                        "id": "s1",
                        "server_tool_call_response": {"type": "web_search_tool_result", "content": found},
                    },
                    {
                        "type": "server_tool_call",
                        "id": "m1",
                        "name": "roll",
                        "server_tool_call": {"type": "mcp_tool_use", "input": {}, "server_name": "dice"},
                    },
                    {
                        "type": "server_tool_call_response",
                        "id": "m1",
                        "server_tool_call_response": {
                            "type": "mcp_tool_result",
                            "content": "none",
                            "is_error": True,
                        },
                    },
                    {"type": "hologram", "beam": 7},
                ],
            },
            {
                "role": "user",
                "parts": [
                    {"type": "tool_call_response", "id": "t1", "response": "a cat"},
                    {"type": "tool_call_response", "id": "t2", "response": "no dog", "is_error": True},
                    {
                        "type": "tool_call_response",
                        "id": "t3",
                        "response": [uri("image", "https://a.test/s.png")],
                    },
                ],
            },
            {"role": "assistant", "parts": [{"type": "text", "content": "The answer is"}]},
        ],
        tool_definitions=[
            {"type": "function", "name": "look", "description": "Looks.", "parameters": {"type": "object"}},
            {"type": "function", "name": "bare", "parameters": {"type": "object"}},
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 2},
        ],
        attributes={
            "gen_ai.request.max_tokens": 64,
            "gen_ai.request.temperature": 1.0,
            "gen_ai.request.top_p": 0.5,
            "gen_ai.request.top_k": 40,
            "gen_ai.request.stop_sequences": ["END"],
            "gen_ai.request.reasoning.level": "high",
            "gen_ai.output.type": "json",
            "anthropic.request.service_tier": "auto",
            "anthropic.thinking.type": "enabled",
            "anthropic.thinking.budget_tokens": 1024,
        },
    )


def test_short_forms_of_a_request() -> None:
    sent = {"system": "Be brief.", "messages": [], "output_format": {"type": "json_schema"}}
    request = read_request(sent, True)
    assert request.system_instructions == [{"type": "text", "content": "Be brief."}]
    assert request.attributes == {"gen_ai.output.type": "json"}
    assert (request.input_messages, request.tool_definitions) == ([], None)
    bare = read_request(REQUEST, False)
    assert (bare.system_instructions, bare.input_messages, bare.tool_definitions) == (None, None, None)


USAGE = {
    "input_tokens": 10,
    "cache_read_input_tokens": 40,
    "cache_creation_input_tokens": 50,
    "output_tokens": 30,
    "output_tokens_details": {"thinking_tokens": 20},
    "service_tier": "standard",
    "server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 2},
}
CITATION = {
    "type": "web_search_result_location",
    "cited_text": "cats",
    "encrypted_index": "x",
    "title": "Cats",
    "url": "https://a.test",
}
CONTENT: list[dict[str, Any]] = [
    {"type": "thinking", "thinking": "Look.", "signature": "Eo0B"},
    {"type": "redacted_thinking", "data": "EmwK"},
    {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "cat"}},
    {"type": "text", "text": "A cat.", "citations": [CITATION]},
    {"type": "tool_use", "id": "t1", "name": "look", "input": {"at": 1}},
    {"type": "tool_use", "id": "t2", "name": "now", "input": {}},
]
ANSWER: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-opus-1",
    "content": CONTENT,
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": USAGE,
}
READ = Response(
    id="msg_1",
    model="claude-opus-1",
    finish_reasons=["tool_call"],
    output_messages=[
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "Look."},
                {"type": "reasoning", "content": "", "redacted": True},
                {
                    "type": "server_tool_call",
                    "id": "s1",
                    "name": "web_search",
                    "server_tool_call": {"type": "server_tool_use", "input": {"query": "cat"}},
                },
                {"type": "text", "content": "A cat.", "citations": [CITATION]},
                {"type": "tool_call", "id": "t1", "name": "look", "arguments": {"at": 1}},
                {"type": "tool_call", "id": "t2", "name": "now", "arguments": {}},
            ],
            "finish_reason": "tool_call",
        }
    ],
    usage=Usage(
        input_tokens=100,
        output_tokens=30,
        cache_read_input_tokens=40,
        cache_write_input_tokens=50,
        reasoning_output_tokens=20,
    ),
    attributes={
        "anthropic.message.stop_reason": "tool_use",
        "anthropic.response.service_tier": "standard",
        "anthropic.usage.web_search_requests": 1,
        "anthropic.usage.web_fetch_requests": 2,
    },
)


@pytest.mark.parametrize("answer", [ANSWER, ClientMessage.construct(**ANSWER)], ids=["json", "object"])
def test_answer_is_read_whole(answer: Any) -> None:
    assert read_response(answer, True) == READ


@pytest.mark.parametrize(
    ("stop", "reason"),
    [
        ("end_turn", "stop"),
        ("max_tokens", "length"),
        ("refusal", "content_filter"),
        ("pause_turn", "pause_turn"),
    ],
)
def test_stop_reasons_in_opentelemetrys_words(stop: str, reason: str) -> None:
    assert read_response(ANSWER | {"stop_reason": stop}, True).finish_reasons == [reason]


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"input_tokens": 3, "output_tokens": 4}, Usage(input_tokens=3, output_tokens=4)),
        (
            {"input_tokens": 3, "cache_read_input_tokens": 0},
            Usage(input_tokens=3, cache_read_input_tokens=0),
        ),
        ({"output_tokens": 4}, Usage(output_tokens=4)),
        ({}, None),
        (None, None),
    ],
)
def test_usage_that_is_partly_reported(usage: Any, expected: Usage | None) -> None:
    assert read_response({"usage": usage}, True).usage == expected


def event(**held: Any) -> Any:
    """Returns an event as the client makes it."""
    return TypeAdapter(RawMessageStreamEvent).validate_python(held)


def start(index: int, **block: Any) -> Any:
    return event(type="content_block_start", index=index, content_block=block)


def delta(index: int, type_: str, **held: Any) -> Any:
    return event(type="content_block_delta", index=index, delta={"type": type_, **held})


EVENTS = [
    event(
        type="message_start",
        message=ANSWER
        | {
            "content": [],
            "stop_reason": None,
            "usage": {key: value for key, value in USAGE.items() if key != "output_tokens_details"}
            | {"output_tokens": 1},
        },
    ),
    start(0, type="thinking", thinking="", signature=""),
    delta(0, "thinking_delta", thinking="Lo"),
    delta(0, "thinking_delta", thinking="ok."),
    delta(0, "signature_delta", signature="Eo0B"),
    event(type="content_block_stop", index=0),
    start(1, **CONTENT[1]),
    start(2, type="server_tool_use", id="s1", name="web_search", input={}),
    delta(2, "input_json_delta", partial_json='{"query": '),
    delta(2, "input_json_delta", partial_json='"cat"}'),
    start(3, type="text", text="", citations=None),
    delta(3, "text_delta", text="A "),
    delta(3, "citations_delta", citation=CITATION),
    delta(3, "text_delta", text="cat."),
    start(4, type="tool_use", id="t1", name="look", input={}),
    delta(4, "input_json_delta", partial_json=""),
    delta(4, "input_json_delta", partial_json='{"at": 1}'),
    start(5, type="tool_use", id="t2", name="now", input={}),
    event(
        type="message_delta",
        delta={"stop_reason": "tool_use", "stop_sequence": None},
        usage={"output_tokens": 30, "output_tokens_details": {"thinking_tokens": 20}},
    ),
    event(type="message_stop"),
]


def folded(events: list[Any], wants_content: bool = True) -> Response:
    fold = MessageFold(wants_content)
    for each in events:
        fold.add(each)
    return fold.response()


def test_folded_events_read_as_the_unstreamed_answer() -> None:
    assert folded(EVENTS) == READ


def test_stream_left_early_keeps_what_came() -> None:
    response = folded(EVENTS[:9])
    assert response.output_messages is not None
    assert response.output_messages[0]["parts"][-1]["server_tool_call"]["input"] == '{"query": '
    assert (response.finish_reasons, response.usage) == (
        None,
        Usage(input_tokens=100, output_tokens=1, cache_read_input_tokens=40, cache_write_input_tokens=50),
    )


def test_without_content_no_message_is_read() -> None:
    for response in (read_response(ANSWER, False), folded(EVENTS, False)):
        assert response.output_messages is None
        assert (response.usage, response.finish_reasons) == (READ.usage, ["tool_call"])


@pytest.mark.parametrize(
    "read",
    [
        lambda error: read_response({"type": "error", "error": error}, True),
        lambda error: folded([{"type": "error", "error": error}]),
    ],
)
def test_failure_inside_of_a_success_is_an_error(read: Any) -> None:
    response = read({"type": "overloaded_error", "message": "Overloaded"})
    assert (response.error_type, response.error_message) == ("overloaded_error", "Overloaded")


@pytest.mark.parametrize("odd", [None, "text", {}, {"content": None}, {"content": [None]}])
def test_odd_answers_are_read_as_far_as_they_go(odd: Any) -> None:
    assert isinstance(read_response(odd, True), Response)
    assert isinstance(folded([odd]), Response)


def test_delta_without_its_start_is_text() -> None:
    response = folded([delta(0, "text_delta", text="A cat.")])
    assert response.output_messages == [
        {"role": "assistant", "parts": [{"type": "text", "content": "A cat."}]}
    ]
