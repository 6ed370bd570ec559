"""What is read from chat completions: requests as JSON, answers and chunks as the client's own objects."""

from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from spanwise.integrations._openai_chat import ChatFold, read_request, read_response
from spanwise.operation import Request, Response, Usage

PIXEL = "iVBORw0KGgo="
REQUEST: dict[str, Any] = {
    "model": "gpt-5",
    "messages": [
        {"role": "developer", "content": "Be brief.", "name": "ops"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "https://a.test/cat.png", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
                {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
                {"type": "file", "file": {"file_id": "file-1"}},
                {
                    "type": "file",
                    "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="},
                },
                {"type": "video_url", "video_url": {"url": "https://a.test/cat.mp4"}},
                {"type": "document_url", "document_url": "https://a.test/b.pdf"},
                {"type": "hologram", "beam": 7},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "Look it up.",
            "refusal": "Not that one.",
            "audio": {"id": "audio_1"},
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}},
                {"id": "call_2", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}},
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "a cat"},
        {
            "role": "tool",
            "tool_call_id": "call_2",
            "content": [{"type": "text", "text": "1 "}, {"type": "text", "text": "row"}],
        },
        {"role": "assistant", "content": "", "function_call": {"name": "old", "arguments": "{broken"}},
        {"role": "function", "name": "old", "content": "done"},
    ],
    "tools": [
        {
            "type": "function",
            "function": {
                "name": "look",
                "description": "Looks.",
                "parameters": {"type": "object"},
                "strict": True,
            },
        },
        {"type": "custom", "custom": {"name": "sql", "format": {"type": "text"}}},
        {"type": "openrouter:web_search", "parameters": {"max_uses": 1}},
    ],
    "functions": [{"name": "old"}],
    "temperature": 1,
    "top_p": 0.5,
    "top_k": 40,
    "frequency_penalty": 0.1,
    "presence_penalty": 0.2,
    "seed": 7,
    "stop": "END",
    "n": 2,
    "max_tokens": 5,
    "max_completion_tokens": 64,
    "reasoning_effort": "low",
    "response_format": {"type": "json_schema", "json_schema": {"name": "x"}},
    "service_tier": "flex",
}


def test_request_is_read_whole() -> None:
    assert read_request(REQUEST, True) == Request(
        operation="chat",
        provider="openai",
        model="gpt-5",
        input_messages=[
            {"role": "developer", "parts": [{"type": "text", "content": "Be brief."}], "name": "ops"},
            {
                "role": "user",
                "parts": [
                    {"type": "text", "content": "What is this?"},
                    {"type": "uri", "modality": "image", "mime_type": None, "uri": "https://a.test/cat.png"},
                    {"type": "blob", "modality": "image", "mime_type": "image/png", "content": PIXEL},
                    {"type": "blob", "modality": "audio", "mime_type": "audio/wav", "content": "UklGRg=="},
                    {"type": "file", "modality": "document", "mime_type": None, "file_id": "file-1"},
                    {
                        "type": "blob",
                        "modality": "document",
                        "mime_type": "application/pdf",
                        "content": "JVBERg==",
                    },
                    {"type": "uri", "modality": "video", "mime_type": None, "uri": "https://a.test/cat.mp4"},
                    {"type": "uri", "modality": "document", "mime_type": None, "uri": "https://a.test/b.pdf"},
                    {"type": "hologram", "beam": 7},
                ],
            },
            {
                "role": "assistant",
                "parts": [
                    {"type": "reasoning", "content": "Look it up."},
                    {"type": "refusal", "content": "Not that one."},
                    {"type": "file", "modality": "audio", "mime_type": None, "file_id": "audio_1"},
                    {"type": "tool_call", "id": "call_1", "name": "look", "arguments": {"at": 1}},
                    {"type": "tool_call", "id": "call_2", "name": "sql", "arguments": "SELECT 1"},
                ],
            },
            {
                "role": "tool",
                "parts": [{"type": "tool_call_response", "id": "call_1", "response": "a cat"}],
            },
            {
                "role": "tool",
                "parts": [{"type": "tool_call_response", "id": "call_2", "response": "1 row"}],
            },
            {
                "role": "assistant",
                "parts": [{"type": "tool_call", "id": None, "name": "old", "arguments": "{broken"}],
            },
            {
                "role": "function",
                "parts": [{"type": "tool_call_response", "id": "old", "response": "done"}],
                "name": "old",
            },
        ],
        tool_definitions=[
            {"type": "function", "name": "look", "description": "Looks.", "parameters": {"type": "object"}},
            {"type": "custom", "name": "sql", "format": {"type": "text"}},
            {"type": "openrouter:web_search", "name": "openrouter:web_search", "parameters": {"max_uses": 1}},
            {"type": "function", "name": "old"},
        ],
        attributes={
            "gen_ai.request.temperature": 1.0,
            "gen_ai.request.top_p": 0.5,
            "gen_ai.request.top_k": 40,
            "gen_ai.request.frequency_penalty": 0.1,
            "gen_ai.request.presence_penalty": 0.2,
            "gen_ai.request.seed": 7,
            "gen_ai.request.stop_sequences": ["END"],
            "gen_ai.request.choice.count": 2,
            "gen_ai.request.max_tokens": 64,
            "gen_ai.request.reasoning.level": "low",
            "gen_ai.output.type": "json",
            "openai.api.type": "chat_completions",
            "openai.request.service_tier": "flex",
        },
    )


def test_without_content_only_parameters_are_read() -> None:
    request = read_request(REQUEST, False)
    assert (request.input_messages, request.tool_definitions) == (None, None)
    assert request.attributes == read_request(REQUEST, True).attributes


@pytest.mark.parametrize(
    ("sent", "attributes"),
    [
        ({"n": 1, "service_tier": "auto", "stop": None}, {}),
        ({"stop": ["a", "b"]}, {"gen_ai.request.stop_sequences": ["a", "b"]}),
        ({"max_tokens": 5}, {"gen_ai.request.max_tokens": 5}),
        ({"reasoning": {"effort": "high"}}, {"gen_ai.request.reasoning.level": "high"}),
        ({"response_format": {"type": "text"}}, {"gen_ai.output.type": "text"}),
        ({"response_format": {"type": "json_object"}}, {"gen_ai.output.type": "json"}),
        ({"modalities": ["text", "audio"]}, {"gen_ai.output.type": "speech"}),
        ({"temperature": "hot", "seed": True, "top_p": object()}, {}),
    ],
)
def test_parameters_that_are_default_or_no_such_value_are_left_out(
    sent: dict[str, Any], attributes: dict[str, Any]
) -> None:
    assert read_request(sent, True).attributes == attributes | {"openai.api.type": "chat_completions"}


CITED = {"type": "url_citation", "url_citation": {"url": "https://a.test", "title": "Cats"}}
ANSWER: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-5-2025",
    "service_tier": "default",
    "system_fingerprint": "fp_1",
    "choices": [
        {
            "index": 0,
            "finish_reason": "tool_calls",
            "logprobs": {"content": []},
            "message": {
                "role": "assistant",
                "content": "I look.",
                "annotations": [CITED],
                "refusal": None,
                "reasoning_content": "Hm.",
                "tool_calls": [
                    {
                        "id": "c1",
                        "type": "function",
                        "function": {"name": "look", "arguments": '{"at": [1]}'},
                    },
                    {"id": "c2", "type": "custom", "custom": {"name": "sql", "input": "SELECT 2"}},
                ],
            },
        },
        {
            "index": 1,
            "finish_reason": "content_filter",
            "message": {
                "role": "assistant",
                "content": None,
                "refusal": "No.",
                "audio": {"id": "a", "data": "QUJD", "transcript": "No!", "expires_at": 1},
                "function_call": {"name": "old", "arguments": "{}"},
            },
        },
    ],
    "usage": {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "total_tokens": 150,
        "cost": 0.0125,
        "prompt_tokens_details": {
            "cached_tokens": 40,
            "cache_write_tokens": 10,
            "audio_tokens": 3,
            "image_tokens": 4,
        },
        "completion_tokens_details": {"reasoning_tokens": 20, "audio_tokens": 5},
    },
}
READ = Response(
    id="chatcmpl-1",
    model="gpt-5-2025",
    finish_reasons=["tool_call", "content_filter"],
    output_messages=[
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "Hm."},
                {"type": "text", "content": "I look.", "annotations": [CITED]},
                {"type": "tool_call", "id": "c1", "name": "look", "arguments": {"at": [1]}},
                {"type": "tool_call", "id": "c2", "name": "sql", "arguments": "SELECT 2"},
            ],
            "finish_reason": "tool_call",
        },
        {
            "role": "assistant",
            "parts": [
                {"type": "refusal", "content": "No."},
                {"type": "blob", "modality": "audio", "mime_type": None, "content": "QUJD"},
                {"type": "text", "content": "No!"},
                {"type": "tool_call", "id": None, "name": "old", "arguments": {}},
            ],
            "finish_reason": "content_filter",
        },
    ],
    usage=Usage(
        input_tokens=100,
        output_tokens=50,
        cache_read_input_tokens=40,
        cache_write_input_tokens=10,
        reasoning_output_tokens=20,
        audio_input_tokens=3,
        audio_output_tokens=5,
        image_input_tokens=4,
    ),
    attributes={
        "openai.response.service_tier": "default",
        "openai.response.system_fingerprint": "fp_1",
        "gen_ai.usage.cost": 0.0125,
    },
)


@pytest.mark.parametrize("answer", [ANSWER, ChatCompletion.construct(**ANSWER)], ids=["json", "object"])
def test_answer_is_read_whole(answer: Any) -> None:
    assert read_response(answer, True) == READ


def chunk(*choices: dict[str, Any], **further: Any) -> ChatCompletionChunk:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-5-2025"}
    return ChatCompletionChunk.construct(**(head | {"choices": list(choices)} | further))


def delta(index: int, finish_reason: str | None = None, **held: Any) -> dict[str, Any]:
    return {"index": index, "delta": held, "finish_reason": finish_reason}


CHUNKS = [
    ChatCompletionChunk.construct(
        id="", model="", object="", created=0, choices=[], prompt_filter_results=[]
    ),
    chunk(delta(0, role="assistant", content="")),
    chunk(delta(0, reasoning_content="H"), delta(1, role="assistant", refusal="N")),
    chunk(delta(0, reasoning_content="m."), system_fingerprint="fp_1", service_tier="default"),
    chunk(delta(0, content="I "), delta(1, refusal="o.")),
    chunk(delta(0, content="look.", annotations=[CITED])),
    chunk(delta(0, tool_calls=[{"index": 0, "id": "c1", "function": {"name": "look", "arguments": ""}}])),
    chunk(delta(0, tool_calls=[{"index": 0, "function": {"arguments": '{"at"'}}])),
    chunk(delta(0, tool_calls=[{"index": 1, "id": "c2", "type": "custom", "custom": {"name": "sql"}}])),
    chunk(
        delta(
            0,
            tool_calls=[
                {"index": 0, "function": {"arguments": ": [1]}"}},
                {"index": 1, "custom": {"input": "SELECT 2"}},
            ],
        )
    ),
    chunk(delta(1, audio={"id": "a", "data": "QU", "transcript": "N"})),
    chunk(delta(1, audio={"data": "JD", "transcript": "o!", "expires_at": 1})),
    chunk(delta(1, function_call={"name": "old", "arguments": "{"})),
    chunk(delta(1, function_call={"arguments": "}"})),
    chunk(delta(0, "tool_calls"), delta(1, "content_filter")),
    chunk(usage=ANSWER["usage"]),
]


def folded(chunks: list[Any], wants_content: bool = True) -> Response:
    fold = ChatFold(wants_content)
    for each in chunks:
        fold.add(each)
    return fold.response()


def test_folded_chunks_read_as_the_unstreamed_answer() -> None:
    assert folded(CHUNKS) == READ


def test_folded_dictionaries_read_the_same() -> None:
    assert folded([each.to_dict() for each in CHUNKS]) == READ


@pytest.mark.parametrize("read", [lambda: read_response(ANSWER, False), lambda: folded(CHUNKS, False)])
def test_without_content_no_message_is_read(read: Any) -> None:
    response = read()
    assert response.output_messages is None
    assert (response.usage, response.finish_reasons) == (READ.usage, READ.finish_reasons)


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        # Mistral and Ollama: whole calls without an index
        (
            [
                [{"id": "a", "function": {"name": "f", "arguments": "{}"}}],
                [{"id": "b", "function": {"name": "g"}}],
            ],
            [("a", "f", {}), ("b", "g", "")],
        ),
        # pieces without an index belong to the call before
        (
            [
                [{"id": "a", "function": {"name": "f", "arguments": '{"x"'}}],
                [{"function": {"arguments": ":1}"}}],
            ],
            [("a", "f", {"x": 1})],
        ),
        # Gemini's compatible endpoint: every call has index 0, told apart by id
        (
            [
                [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}],
                [{"index": 0, "id": "b", "function": {"name": "g", "arguments": "{}"}}],
            ],
            [("a", "f", {}), ("b", "g", {})],
        ),
        # the id repeated in every piece
        (
            [
                [{"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x"'}}],
                [{"index": 0, "id": "a", "function": {"arguments": ": 2}"}}],
            ],
            [("a", "f", {"x": 2})],
        ),
    ],
)
def test_tool_calls_of_servers_that_number_them_otherwise(calls: Any, expected: Any) -> None:
    response = folded([chunk(delta(0, tool_calls=piece)) for piece in calls])
    assert response.output_messages is not None
    parts = response.output_messages[0]["parts"]
    assert [(part["id"], part["name"], part["arguments"]) for part in parts] == expected


def test_content_that_comes_as_parts_is_joined() -> None:
    """Mistral streams its thinking as lists of parts."""

    def thinking(text: str) -> list[dict[str, Any]]:
        return [{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]

    chunks = [
        chunk(delta(0, content=thinking("Two "))),
        chunk(delta(0, content=thinking("more."))),
        chunk(delta(0, content="Four")),
        chunk(delta(0, "stop", content=[{"type": "text", "text": "!"}])),
    ]
    message = {
        "role": "assistant",
        "content": [*thinking("Two more."), {"type": "text", "text": "Four!"}],
    }
    whole = {"choices": [{"index": 0, "finish_reason": "stop", "message": message}]}
    expected = [{"type": "reasoning", "content": "Two more."}, {"type": "text", "content": "Four!"}]
    for response in (folded(chunks), read_response(whole, True)):
        assert response.output_messages == [{"role": "assistant", "parts": expected, "finish_reason": "stop"}]


@pytest.mark.parametrize(
    "shown",
    [
        {"reasoning": "Hm."},
        {"reasoning_content": "Hm.", "reasoning": "Hm."},
        {
            "reasoning_details": [
                {"type": "reasoning.text", "text": "H"},
                {"type": "reasoning.summary", "summary": "m."},
            ]
        },
        {"reasoning": "Hm.", "reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}]},
    ],
)
def test_reasoning_is_read_from_every_dialect(shown: dict[str, Any]) -> None:
    expected = [{"type": "reasoning", "content": "Hm."}]
    answered = read_response({"choices": [{"message": {"role": "assistant", **shown}}]}, True)
    streamed = folded([chunk(delta(0, **shown))])
    for response in (answered, streamed):
        assert response.output_messages == [{"role": "assistant", "parts": expected}]


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (
            {"prompt_tokens": 3, "prompt_cache_hit_tokens": 2},
            Usage(input_tokens=3, cache_read_input_tokens=2),
        ),
        ({"prompt_tokens": 3, "cached_tokens": 1}, Usage(input_tokens=3, cache_read_input_tokens=1)),
        ({"prompt_tokens": 3, "num_cached_tokens": 0}, Usage(input_tokens=3, cache_read_input_tokens=0)),
        (
            {"completion_tokens": 3.0, "reasoning_tokens": 2},
            Usage(output_tokens=3, reasoning_output_tokens=2),
        ),
        (
            {"prompt_tokens": 3, "completion_tokens": 4, "reasoning_tokens": 5, "total_tokens": 12},
            Usage(input_tokens=3, output_tokens=9, reasoning_output_tokens=5),
        ),
        (
            {"prompt_tokens": 3, "completion_tokens": 5, "reasoning_tokens": 5, "total_tokens": 8},
            Usage(input_tokens=3, output_tokens=5, reasoning_output_tokens=5),
        ),
        ({"prompt_tokens": True, "completion_tokens": "9"}, Usage()),
        (None, None),
    ],
)
def test_usage_is_read_from_every_dialect(usage: Any, expected: Usage | None) -> None:
    assert read_response({"usage": usage}, True).usage == expected


def test_usage_of_groqs_streams_is_found() -> None:
    response = folded([chunk(x_groq={"id": "r", "usage": {"prompt_tokens": 3, "completion_tokens": 4}})])
    assert response.usage == Usage(input_tokens=3, output_tokens=4)


@pytest.mark.parametrize(
    ("failure", "kind", "message"),
    [
        ({"code": 502, "message": "upstream"}, "502", "upstream"),
        ({"type": "overloaded", "message": "busy"}, "overloaded", "busy"),
        ("broken", "_OTHER", "broken"),
        ({"message": "who knows"}, "_OTHER", "who knows"),
    ],
)
def test_failure_inside_of_a_success_is_an_error(failure: Any, kind: str, message: str) -> None:
    answers = [
        read_response({"choices": None, "error": failure}, True),
        read_response({"choices": [{"finish_reason": "error", "error": failure}]}, True),
        folded([chunk(error=failure)]),
        folded([chunk({"index": 0, "delta": None, "finish_reason": "error", "error": failure})]),
    ]
    assert [(each.error_type, each.error_message) for each in answers] == [(kind, message)] * 4


@pytest.mark.parametrize(
    "odd", [None, "text", 3, [], {}, {"choices": None}, {"choices": [None]}, {"choices": [{"message": None}]}]
)
def test_odd_answers_are_read_as_far_as_they_go(odd: Any) -> None:
    assert isinstance(read_response(odd, True), Response)
    assert isinstance(folded([odd]), Response)


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ([None, "a"], [{"type": "text", "content": "a"}]),
        ([{"no": "type"}], [{"type": "unknown", "content": {"no": "type"}}]),
        ([7], [{"type": "unknown", "content": 7}]),
        (7, []),
    ],
)
def test_content_that_is_no_list_of_parts_is_kept_as_it_is(content: Any, parts: Any) -> None:
    sent = {"messages": [{"role": "user", "content": content}]}
    assert read_request(sent, True).input_messages == [{"role": "user", "parts": parts}]


def test_role_of_an_answer_is_kept() -> None:
    expected = [{"role": "model", "parts": [{"type": "text", "content": "Hi!"}]}]
    chunks = [chunk(delta(0, role="model", content="Hi")), chunk(delta(0, role="other", content="!"))]
    answered = read_response({"choices": [{"message": {"role": "model", "content": "Hi!"}}]}, True)
    assert [folded(chunks).output_messages, answered.output_messages] == [expected, expected]


def test_model_of_a_stream_is_the_first_that_is_named() -> None:
    """A router may name another one later, for a part of the answer."""
    response = folded([chunk(delta(0, content="a"), model=""), chunk(model="first"), chunk(model="later")])
    assert response.model == "first"
