"""Single fields that no example of a whole call has: each was found by a fault that no other test noticed."""

import importlib
import importlib.util
from typing import Any

import pytest
from openai.types.chat import ChatCompletionChunk

from spanwise.integrations import (
    _anthropic_blocks,
    _anthropic_complete,
    _anthropic_messages,
    _openai_chat,
    _openai_completions,
    _openai_embeddings,
    _openai_items,
    _openai_parts,
    _openai_responses,
)
from spanwise.integrations._declaration import Call
from spanwise.integrations._stainless import request_options
from spanwise.integrations._stainless_follow import observe
from spanwise.operation import Usage

# The clients use the one or the other, by their version.
httpx = importlib.import_module("httpx" if importlib.util.find_spec("httpx") else "httpx2")

# --- chat completions ---


def test_an_answer_without_a_reason_has_none() -> None:
    body = {"choices": [{"message": {"role": "assistant", "content": "hi"}}]}
    assert _openai_chat.read_response(body, True).finish_reasons is None
    assert _openai_completions.read_response({"choices": [{"text": "hi"}]}, True).finish_reasons is None


def chunk(**delta: Any) -> ChatCompletionChunk:
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    return ChatCompletionChunk.model_validate(
        {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    )


@pytest.mark.parametrize(
    ("delta", "part"),
    [
        ({"refusal": "No."}, {"type": "refusal", "content": "No."}),
        (
            {"function_call": {"name": "f", "arguments": "{}"}},
            {"type": "tool_call", "id": None, "name": "f", "arguments": {}},
        ),
        (
            {"tool_calls": [{"index": 0, "id": "c1", "function": {"name": "f", "arguments": "{}"}}]},
            {"type": "tool_call", "id": "c1", "name": "f", "arguments": {}},
        ),
    ],
    ids=["refusal", "function_call", "tool_calls"],
)
def test_what_comes_beside_empty_content_is_kept(delta: dict[str, Any], part: dict[str, Any]) -> None:
    fold = _openai_chat.ChatFold(True)
    for each in (chunk(role="assistant", content=""), chunk(content="", **delta)):
        fold.add(each)
    (message,) = fold.response().output_messages or []
    assert message["parts"] == [part]


@pytest.mark.parametrize(
    ("sent", "part"),
    [
        ({"type": "reasoning", "text": "hm"}, {"type": "reasoning", "content": "hm"}),
        ({"type": "reasoning_text", "text": "hm"}, {"type": "reasoning", "content": "hm"}),
        ({"type": "refusal", "refusal": "No."}, {"type": "refusal", "content": "No."}),
        (
            {"type": "file", "file": {"file_data": "http://a.test/a.pdf"}},
            {"type": "uri", "modality": "document", "mime_type": None, "uri": "http://a.test/a.pdf"},
        ),
        (
            {"type": "file", "file": {"file_data": "https://a.test/a.pdf", "filename": "a.pdf"}},
            {
                "type": "uri",
                "modality": "document",
                "mime_type": None,
                "uri": "https://a.test/a.pdf",
                "filename": "a.pdf",
            },
        ),
        (
            {"type": "file", "file": {"file_data": "AAAA", "filename": "a.pdf"}},
            {"type": "blob", "modality": "document", "mime_type": None, "content": "AAAA"},
        ),
        (
            {"type": "video_url", "video_url": {"url": "https://a.test/v"}},
            {"type": "uri", "modality": "video", "mime_type": None, "uri": "https://a.test/v"},
        ),
        (
            {"type": "document_url", "document_url": "https://a.test/d"},
            {"type": "uri", "modality": "document", "mime_type": None, "uri": "https://a.test/d"},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
            {"type": "blob", "modality": "audio", "mime_type": "audio/mpeg", "content": "AAAA"},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "new"}},
            {"type": "blob", "modality": "audio", "mime_type": "new", "content": "AAAA"},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "AAAA"}},
            {"type": "blob", "modality": "audio", "mime_type": None, "content": "AAAA"},
        ),
        ({"type": "input_audio", "input_audio": {}}, {"type": "input_audio", "input_audio": {}}),
        ({"type": "video_url"}, {"type": "video_url"}),
        ({"type": "file", "file": {}}, {"type": "file", "file": {}}),
        ({"type": "image_url"}, {"type": "image_url"}),
        ({"no": "type"}, {"type": "unknown", "content": {"no": "type"}}),
    ],
)
def test_every_kind_of_part(sent: dict[str, Any], part: dict[str, Any]) -> None:
    assert _openai_parts.content_part(sent) == part


# --- responses ---


def test_every_count_of_a_response() -> None:
    usage = {
        "input_tokens": 1,
        "output_tokens": 2,
        "input_tokens_details": {
            "cached_tokens": 3,
            "cache_write_tokens": 4,
            "audio_tokens": 5,
            "image_tokens": 6,
        },
        "output_tokens_details": {"reasoning_tokens": 7, "audio_tokens": 8},
    }
    assert _openai_responses.read_response({"usage": usage}, True).usage == Usage(
        input_tokens=1,
        output_tokens=2,
        cache_read_input_tokens=3,
        cache_write_input_tokens=4,
        audio_input_tokens=5,
        image_input_tokens=6,
        reasoning_output_tokens=7,
        audio_output_tokens=8,
    )


def test_instructions_may_be_a_list_of_messages() -> None:
    sent = [{"role": "developer", "content": "Be brief."}, {"role": "developer", "content": "Be kind."}]
    request = _openai_responses.read_request({"input": "hi", "instructions": sent}, True)
    assert request.system_instructions == [
        {"type": "text", "content": "Be brief."},
        {"type": "text", "content": "Be kind."},
    ]
    assert _openai_responses.read_request({"input": "hi"}, True).system_instructions is None


def test_shown_thinking_goes_before_its_summary() -> None:
    item = {
        "type": "reasoning",
        "content": [{"type": "reasoning_text", "text": "all of it"}],
        "summary": [{"type": "summary_text", "text": "in short"}],
    }
    assert _openai_items.item_parts(item) == [{"type": "reasoning", "content": "all of it"}]


def test_results_of_a_server_tool_are_paired_by_the_items_id() -> None:
    call, response = _openai_items.item_parts(
        {"type": "mcp_call", "id": "m1", "call_id": "c1", "name": "search", "output": "found"}
    )
    assert (call["id"], response["id"]) == ("m1", "m1")


def test_error_event_without_a_code_is_an_error_of_no_known_type() -> None:
    fold = _openai_responses.ResponseFold(True)
    fold.add({"type": "error", "code": None, "message": "gone"})
    response = fold.response()
    assert (response.error_type, response.error_message) == ("_OTHER", "gone")


# --- embeddings ---


@pytest.mark.parametrize(
    ("vector", "length"), [("AACAPw==", 1), ("AACAPwAAAEA=", 2), ("A" * 16, 3), ("", None)]
)
def test_length_of_a_vector_in_base64(vector: str, length: int | None) -> None:
    response = _openai_embeddings.read_response({"data": [{"embedding": vector}]}, True)
    assert response.attributes.get("gen_ai.embeddings.dimension.count") == length


def test_an_empty_vector_has_no_length() -> None:
    assert _openai_embeddings.read_response({"data": [{"embedding": []}]}, True).attributes == {}


def test_embeddings_that_never_came_are_nothing() -> None:
    response = _openai_embeddings.EmbeddingsFold(True).response()
    assert (response.model, response.usage, response.attributes) == (None, None, {})


# --- anthropic ---


def test_chunks_of_a_completion_take_nothing_back() -> None:
    fold = _anthropic_complete.CompleteFold(True)
    fold.add({"completion": "a", "model": "claude-2", "id": "c1", "stop_reason": "stop_sequence"})
    fold.add({"completion": "b", "model": None, "id": None, "stop_reason": None})
    response = fold.response()
    assert (response.model, response.id, response.finish_reasons) == ("claude-2", "c1", ["stop"])
    (message,) = response.output_messages or []
    assert message["parts"] == [{"type": "text", "content": "ab"}]


@pytest.mark.parametrize(
    ("block", "part"),
    [
        ({"type": "text"}, {"type": "text", "content": ""}),
        ({"type": "thinking"}, {"type": "reasoning", "content": ""}),
        ({"type": "redacted_thinking"}, {"type": "reasoning", "content": "", "redacted": True}),
        (
            {"type": "tool_result", "tool_use_id": "t", "content": "bad", "is_error": True},
            {"type": "tool_call_response", "id": "t", "response": "bad", "is_error": True},
        ),
        (
            {"type": "web_search_tool_result", "tool_use_id": "t", "content": [], "is_error": True},
            {
                "type": "server_tool_call_response",
                "id": "t",
                "server_tool_call_response": {
                    "type": "web_search_tool_result",
                    "content": [],
                    "is_error": True,
                },
            },
        ),
        (
            {"type": "document", "title": "T", "source": {"type": "text", "data": "words"}},
            {"type": "text", "content": "words", "title": "T"},
        ),
        (
            {"type": "document", "source": {"type": "content", "content": "x"}},
            {"type": "document", "source": {"type": "content", "content": "x"}},
        ),
        (
            {"type": "image", "source": {"type": "file", "file_id": "f"}},
            {"type": "file", "modality": "image", "mime_type": None, "file_id": "f"},
        ),
    ],
)
def test_every_kind_of_block(block: dict[str, Any], part: dict[str, Any]) -> None:
    assert _anthropic_blocks.block_part(block) == part


def test_a_message_without_a_role_is_the_users() -> None:
    assert _anthropic_blocks.message_of({"content": "hi"})["role"] == "user"


@pytest.mark.parametrize(
    ("sent", "definition"),
    [
        ({"name": "f"}, {"type": "function", "name": "f"}),
        ({"type": "custom", "name": "f"}, {"type": "function", "name": "f"}),
        (
            {"type": "own", "name": "f", "input_schema": {"type": "object"}},
            {"type": "function", "name": "f", "parameters": {"type": "object"}},
        ),
        (
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 1},
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 1},
        ),
        ({"type": "bash_20250124"}, {"type": "bash_20250124", "name": "bash_20250124"}),
    ],
)
def test_tools_with_and_without_a_schema(sent: dict[str, Any], definition: dict[str, Any]) -> None:
    assert _anthropic_blocks.tool_definition(sent) == definition


def test_citations_of_a_start_and_of_its_deltas_add_up() -> None:
    fold = _anthropic_messages.MessageFold(True)
    block = {"type": "text", "text": "a", "citations": [{"n": 1}]}
    fold.add({"type": "content_block_start", "index": 0, "content_block": block})
    for delta in ({"type": "citations_delta", "citation": {"n": 2}}, {"type": "text_delta", "text": "b"}):
        fold.add({"type": "content_block_delta", "index": 0, "delta": delta})
    fold.add({"type": "content_block_delta", "index": 0, "delta": {"type": "novel_delta", "": "x"}})
    (message,) = fold.response().output_messages or []
    assert message["parts"] == [{"type": "text", "content": "ab", "citations": [{"n": 1}, {"n": 2}]}]


# --- what the generated clients share ---


def test_options_are_found_by_place_and_by_name() -> None:
    options = object()
    assert request_options(Call(None, (dict, options), {}, True)) is options
    assert request_options(Call(None, (dict,), {"options": options}, True)) is options


class Counting:
    """A recording that counts how often it was told that the application stopped reading."""

    def __init__(self) -> None:
        self.closed = 0
        self.answers: list[Any] = []

    def close(self) -> None:
        self.closed += 1

    def respond(self, answer: Any) -> None:
        self.answers.append(answer)

    def iterate(self, iterator: Any) -> Any:
        yield from iterator

    async def aiterate(self, iterator: Any) -> Any:
        async for item in iterator:
            yield item


def test_closing_calls_what_somebody_else_had_put_there() -> None:
    recording, calls = Counting(), []
    response = httpx.Response(200, stream=httpx.ByteStream(b"data"))
    response.close = lambda: calls.append("theirs")  # type: ignore[method-assign]
    assert observe(response, recording) is response
    response.close()
    assert (calls, recording.closed) == (["theirs"], 1)


async def test_asynchronous_closing_calls_what_somebody_else_had_put_there() -> None:
    recording, calls = Counting(), []

    async def theirs() -> None:
        calls.append("theirs")

    response = httpx.Response(200, stream=httpx.ByteStream(b"data"))
    response.aclose = theirs  # type: ignore[method-assign]
    observe(response, recording)
    await response.aclose()
    assert (calls, recording.closed) == (["theirs"], 1)


async def test_reading_a_body_to_its_end_is_not_stopping_to_read() -> None:
    class Body(httpx.AsyncByteStream):
        async def __aiter__(self) -> Any:
            yield b"da"
            yield b"ta"

    recording = Counting()
    response = httpx.Response(200, stream=Body())
    observe(response, recording)
    assert [piece async for piece in response.aiter_bytes()] == [b"da", b"ta"]
    assert (response.is_closed, recording.closed) == (True, 0)


def test_an_answer_with_a_response_of_its_own_is_no_stream() -> None:
    class Answer:
        response = "a field of the answer"

    class Stream:
        __stream__ = None

    for answer in (Answer(), Stream()):
        recording = Counting()
        assert observe(answer, recording) is answer
        assert recording.answers == [answer]
