"""What is read from the Responses API: requests as JSON, answers and events as the client's own objects."""

from typing import Any

import pytest
from openai.types.responses import Response as ClientResponse
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from spanwise.integrations._openai_responses import (
    ENDPOINTS,
    ResponseFold,
    read_fetch,
    read_request,
    read_response,
)
from spanwise.operation import Request, Response, Usage

REQUEST: dict[str, Any] = {
    "model": "gpt-5",
    "instructions": "Be brief.",
    "input": [
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "What is this?"},
                {"type": "input_image", "image_url": "https://a.test/cat.png"},
                {"type": "input_image", "file_id": "file-2"},
                {"type": "input_file", "file_url": "https://a.test/a.pdf"},
                {"type": "input_file", "filename": "b.pdf", "file_id": "file-3"},
            ],
        },
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Look."}]},
        {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "gAAA"},
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"at": 1}'},
        {"type": "custom_tool_call", "call_id": "c2", "name": "sql", "input": "SELECT 1"},
        {"type": "computer_call", "call_id": "c3", "id": "cu_1", "action": {"type": "click", "x": 1}},
        {"type": "function_call_output", "call_id": "c1", "output": "a cat"},
        {
            "type": "custom_tool_call_output",
            "call_id": "c2",
            "output": [{"type": "input_text", "text": "1 row"}],
        },
        {
            "type": "computer_call_output",
            "call_id": "c3",
            "output": {"type": "computer_screenshot", "image_url": "https://a.test/s.png"},
        },
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "A cat."}]},
        {"type": "item_reference", "id": "msg_1"},
    ],
    "tools": [
        {
            "type": "function",
            "name": "look",
            "description": "Looks.",
            "parameters": {"type": "object"},
            "strict": True,
        },
        {"type": "web_search", "search_context_size": "low"},
        {"type": "mcp", "server_label": "docs", "server_url": "https://m.test"},
    ],
    "temperature": 0.2,
    "top_p": 0.9,
    "max_output_tokens": 64,
    "reasoning": {"effort": "minimal", "summary": "auto"},
    "previous_response_id": "resp_0",
    "conversation": {"id": "conv_1"},
    "prompt": {"id": "pmpt_1", "version": "3"},
    "text": {"format": {"type": "json_schema", "name": "x"}},
    "service_tier": "priority",
}


def test_request_is_read_whole() -> None:
    assert read_request(REQUEST, True) == Request(
        operation="chat",
        provider="openai",
        model="gpt-5",
        system_instructions=[{"type": "text", "content": "Be brief."}],
        input_messages=[
            {
                "role": "user",
                "parts": [
                    {"type": "text", "content": "What is this?"},
                    {"type": "uri", "modality": "image", "mime_type": None, "uri": "https://a.test/cat.png"},
                    {"type": "file", "modality": "image", "mime_type": None, "file_id": "file-2"},
                    {"type": "uri", "modality": "document", "mime_type": None, "uri": "https://a.test/a.pdf"},
                    {
                        "type": "file",
                        "modality": "document",
                        "mime_type": None,
                        "file_id": "file-3",
                        "filename": "b.pdf",
                    },
                ],
            },
            {
                "role": "assistant",
                "parts": [
                    {"type": "reasoning", "content": "Look."},
                    {"type": "tool_call", "id": "c1", "name": "look", "arguments": {"at": 1}},
                    {"type": "tool_call", "id": "c2", "name": "sql", "arguments": "SELECT 1"},
                    {
                        "type": "tool_call",
                        "id": "c3",
                        "name": "computer",
                        "arguments": {"type": "click", "x": 1},
                    },
                ],
            },
            {
                "role": "tool",
                "parts": [
                    {"type": "tool_call_response", "id": "c1", "response": "a cat"},
                    {"type": "tool_call_response", "id": "c2", "response": "1 row"},
                    {
                        "type": "tool_call_response",
                        "id": "c3",
                        "response": {"type": "computer_screenshot", "image_url": "https://a.test/s.png"},
                    },
                ],
            },
            {"role": "assistant", "parts": [{"type": "text", "content": "A cat."}]},
            {"role": "assistant", "parts": [{"type": "item_reference", "id": "msg_1"}]},
        ],
        tool_definitions=[
            {"type": "function", "name": "look", "description": "Looks.", "parameters": {"type": "object"}},
            {"type": "web_search", "name": "web_search", "search_context_size": "low"},
            {"type": "mcp", "name": "mcp", "server_label": "docs", "server_url": "https://m.test"},
        ],
        attributes={
            "openai.api.type": "responses",
            "gen_ai.request.temperature": 0.2,
            "gen_ai.request.top_p": 0.9,
            "gen_ai.request.max_tokens": 64,
            "gen_ai.request.reasoning.level": "minimal",
            "gen_ai.request.previous_response.id": "resp_0",
            "gen_ai.conversation.id": "conv_1",
            "gen_ai.prompt.name": "pmpt_1",
            "gen_ai.prompt.version": "3",
            "gen_ai.output.type": "json",
            "openai.request.service_tier": "priority",
        },
    )


def test_plain_text_input_is_one_user_message() -> None:
    request = read_request({"model": "m", "input": "Hi", "conversation": "conv_2"}, True)
    assert request.input_messages == [{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}]
    assert request.attributes["gen_ai.conversation.id"] == "conv_2"
    assert (request.system_instructions, request.tool_definitions) == (None, None)
    assert read_request(REQUEST, False).input_messages is None


@pytest.mark.parametrize("execution", ["client", "server"])
def test_tool_search_is_a_call_of_whoever_runs_it(execution: str) -> None:
    arguments = {"queries": ["weather"]}
    tools = [{"type": "function", "name": "look"}]
    asked = {"type": "tool_search_call", "call_id": "s1", "execution": execution, "arguments": arguments}
    found = {"type": "tool_search_output", "call_id": "s1", "execution": execution, "tools": tools}
    messages = read_request({"input": [asked, found]}, True).input_messages
    if execution == "client":
        assert messages == [
            {
                "role": "assistant",
                "parts": [{"type": "tool_call", "id": "s1", "name": "tool_search", "arguments": arguments}],
            },
            {"role": "tool", "parts": [{"type": "tool_call_response", "id": "s1", "response": tools}]},
        ]
    else:
        details = {"type": "tool_search_call", "call_id": "s1", "execution": "server", "arguments": arguments}
        outcome = {"type": "tool_search_output", "tools": tools}
        assert messages == [
            {
                "role": "assistant",
                "parts": [
                    {
                        "type": "server_tool_call",
                        "id": "s1",
                        "name": "tool_search",
                        "server_tool_call": details,
                    },
                    {"type": "server_tool_call_response", "id": "s1", "server_tool_call_response": outcome},
                ],
            }
        ]


def test_fetching_a_stored_answer_is_an_operation_of_its_own() -> None:
    assert read_fetch({"id": "resp_1"}, True) == Request(
        operation="fetch_response", provider="openai", attributes={"gen_ai.response.id": "resp_1"}
    )
    assert [endpoint.method for endpoint in ENDPOINTS] == ["POST", "GET"]


USAGE = {
    "input_tokens": 100,
    "output_tokens": 50,
    "total_tokens": 150,
    "input_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 10},
    "output_tokens_details": {"reasoning_tokens": 20},
}
CITED = {"type": "url_citation", "url": "https://a.test", "title": "Cats", "start_index": 0, "end_index": 5}
OUTPUT: list[dict[str, Any]] = [
    {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Search."}]},
    {
        "type": "web_search_call",
        "id": "ws_1",
        "status": "completed",
        "action": {"type": "search", "query": "cat"},
    },
    {
        "type": "file_search_call",
        "id": "fs_1",
        "status": "completed",
        "queries": ["cat"],
        "results": [{"file_id": "f", "score": 0.5, "text": "cats"}],
    },
    {
        "type": "code_interpreter_call",
        "id": "ci_1",
        "status": "completed",
        "code": "1+1",
        "container_id": "k",
        "outputs": [{"type": "logs", "logs": "2"}],
    },
    {
        "type": "mcp_call",
        "id": "mcp_1",
        "name": "roll",
        "server_label": "dice",
        "arguments": "{}",
        "output": "4",
        "error": None,
    },
    {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "QUJD"},
    {
        "type": "message",
        "id": "msg_1",
        "status": "completed",
        "role": "assistant",
        "content": [
            {"type": "output_text", "text": "A cat.", "annotations": [CITED]},
            {"type": "refusal", "refusal": "No dog."},
        ],
    },
    {
        "type": "function_call",
        "id": "fc_1",
        "call_id": "c1",
        "name": "look",
        "arguments": '{"at": 1}',
        "status": "completed",
    },
]
ANSWER: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "gpt-5-2025",
    "status": "completed",
    "service_tier": "default",
    "error": None,
    "incomplete_details": None,
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "output": OUTPUT,
    "usage": USAGE,
}
PARTS: list[dict[str, Any]] = [
    {"type": "reasoning", "content": "Search."},
    {
        "type": "server_tool_call",
        "id": "ws_1",
        "name": "web_search",
        "server_tool_call": {
            "type": "web_search_call",
            "status": "completed",
            "action": {"type": "search", "query": "cat"},
        },
    },
    {
        "type": "server_tool_call",
        "id": "fs_1",
        "name": "file_search",
        "server_tool_call": {"type": "file_search_call", "status": "completed", "queries": ["cat"]},
    },
    {
        "type": "server_tool_call_response",
        "id": "fs_1",
        "server_tool_call_response": {
            "type": "file_search_call",
            "results": [{"file_id": "f", "score": 0.5, "text": "cats"}],
        },
    },
    {
        "type": "server_tool_call",
        "id": "ci_1",
        "name": "code_interpreter",
        "server_tool_call": {
            "type": "code_interpreter_call",
            "status": "completed",
            "code": "1+1",
            "container_id": "k",
        },
    },
    {
        "type": "server_tool_call_response",
        "id": "ci_1",
        "server_tool_call_response": {
            "type": "code_interpreter_call",
            "outputs": [{"type": "logs", "logs": "2"}],
        },
    },
    {
        "type": "server_tool_call",
        "id": "mcp_1",
        "name": "roll",
        "server_tool_call": {"type": "mcp_call", "name": "roll", "server_label": "dice", "arguments": "{}"},
    },
    {
        "type": "server_tool_call_response",
        "id": "mcp_1",
        "server_tool_call_response": {"type": "mcp_call", "output": "4"},
    },
    {
        "type": "server_tool_call",
        "id": "ig_1",
        "name": "image_generation",
        "server_tool_call": {"type": "image_generation_call", "status": "completed"},
    },
    {"type": "blob", "modality": "image", "mime_type": None, "content": "QUJD"},
    {"type": "text", "content": "A cat.", "annotations": [CITED]},
    {"type": "refusal", "content": "No dog."},
    {"type": "tool_call", "id": "c1", "name": "look", "arguments": {"at": 1}},
]
READ = Response(
    id="resp_1",
    model="gpt-5-2025",
    finish_reasons=["tool_call"],
    output_messages=[{"role": "assistant", "parts": PARTS, "finish_reason": "tool_call"}],
    usage=Usage(
        input_tokens=100,
        output_tokens=50,
        cache_read_input_tokens=40,
        cache_write_input_tokens=10,
        reasoning_output_tokens=20,
    ),
    attributes={"openai.response.service_tier": "default", "gen_ai.response.status": "completed"},
)


@pytest.mark.parametrize("answer", [ANSWER, ClientResponse.construct(**ANSWER)], ids=["json", "object"])
def test_answer_is_read_whole(answer: Any) -> None:
    assert read_response(answer, True) == READ


@pytest.mark.parametrize(
    ("changed", "reasons"),
    [
        ({"output": OUTPUT[6:7]}, ["stop"]),
        ({"output": [{"type": "custom_tool_call", "call_id": "c", "name": "n", "input": ""}]}, ["tool_call"]),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, ["length"]),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, ["content_filter"]),
        ({"status": "incomplete"}, ["incomplete"]),
        ({"status": "failed"}, ["error"]),
        ({"status": "cancelled"}, ["cancelled"]),
        ({"status": "queued", "output": []}, None),
        ({"status": "in_progress", "output": []}, None),
    ],
)
def test_status_becomes_a_finish_reason(changed: dict[str, Any], reasons: list[str] | None) -> None:
    response = read_response(ANSWER | changed, True)
    assert response.finish_reasons == reasons
    assert (response.output_messages is None) == (reasons is None)


def test_failed_answer_is_an_error() -> None:
    failed = ANSWER | {
        "status": "failed",
        "error": {"code": "server_error", "message": "Sorry."},
        "output": [],
    }
    response = read_response(failed, True)
    assert (response.error_type, response.error_message) == ("server_error", "Sorry.")


def event(type_: str, **held: Any) -> Any:
    """Returns an event as the client makes it."""
    return TypeAdapter(ResponseStreamEvent).validate_python({"type": type_, "sequence_number": 1, **held})


IN_PROGRESS = ANSWER | {"status": "in_progress", "output": [], "usage": None}
MESSAGE, CALL = OUTPUT[6], OUTPUT[7]
TEXT_PLACE = {"item_id": "msg_1", "output_index": 1, "content_index": 0, "logprobs": []}
STARTED = [
    event("response.created", response=IN_PROGRESS),
    event("response.output_item.added", output_index=0, item=OUTPUT[0] | {"summary": []}),
    event(
        "response.reasoning_summary_text.delta", item_id="rs_1", output_index=0, summary_index=0, delta="Sea"
    ),
    event(
        "response.reasoning_summary_text.delta", item_id="rs_1", output_index=0, summary_index=0, delta="rch."
    ),
    event("response.output_item.added", output_index=1, item=MESSAGE | {"content": []}),
    event("response.output_text.delta", **TEXT_PLACE, delta="A "),
    event("response.output_text.delta", **TEXT_PLACE, delta="cat."),
    event("response.refusal.delta", item_id="msg_1", output_index=1, content_index=1, delta="No dog."),
    event("response.output_item.added", output_index=2, item=CALL | {"arguments": ""}),
    event("response.function_call_arguments.delta", item_id="fc_1", output_index=2, delta='{"at"'),
]
SOME_PARTS = [PARTS[0], {"type": "text", "content": "A cat."}, PARTS[11]]


def folded(events: list[Any], wants_content: bool = True) -> Response:
    fold = ResponseFold(wants_content)
    for each in events:
        fold.add(each)
    return fold.response()


def test_stream_reads_as_the_answer_that_ends_it() -> None:
    assert folded([*STARTED, event("response.completed", response=ANSWER)]) == READ


def test_stream_left_early_keeps_the_pieces_that_came() -> None:
    partial = {"type": "tool_call", "id": "c1", "name": "look", "arguments": '{"at"'}
    response = folded(STARTED)
    assert response.output_messages == [{"role": "assistant", "parts": [*SOME_PARTS, partial]}]
    assert (response.id, response.model, response.finish_reasons) == ("resp_1", "gpt-5-2025", None)


def test_stream_whose_end_leaves_the_output_out_is_read_from_its_items() -> None:
    done = [
        event("response.output_item.done", output_index=at, item=item)
        for at, item in enumerate([OUTPUT[0], MESSAGE, CALL])
    ]
    response = folded([*STARTED, *done, event("response.completed", response=ANSWER | {"output": []})])
    assert response.output_messages == [
        {"role": "assistant", "parts": [PARTS[0], *PARTS[10:]], "finish_reason": "tool_call"}
    ]
    assert response.usage == READ.usage


def test_pieces_of_several_summaries_stay_apart() -> None:
    place = {"item_id": "rs_1", "output_index": 0}
    started = event("response.output_item.added", output_index=0, item=OUTPUT[0] | {"summary": []})
    kind = "response.reasoning_summary_text.delta"
    pieces = [
        event(kind, **place, summary_index=at, delta=text) for at, text in ((0, "A"), (1, "B"), (1, "C"))
    ]
    response = folded([started, *pieces])
    expected = [{"type": "reasoning", "content": "A"}, {"type": "reasoning", "content": "BC"}]
    assert response.output_messages == [{"role": "assistant", "parts": expected}]


@pytest.mark.parametrize(
    ("kind", "place", "made"),
    [
        ("response.output_text.delta", {"item_id": "m", "output_index": 0, "logprobs": []}, "text"),
        ("response.reasoning_text.delta", {"item_id": "rs_1", "output_index": 0}, "reasoning"),
    ],
)
def test_pieces_of_several_parts_stay_apart(kind: str, place: dict[str, Any], made: str) -> None:
    pieces = [
        event(kind, **place, content_index=at, delta=text) for at, text in ((0, "A"), (1, "B"), (1, "C"))
    ]
    response = folded(pieces)
    expected = [{"type": made, "content": "A"}, {"type": made, "content": "BC"}]
    assert response.output_messages == [{"role": "assistant", "parts": expected}]


@pytest.mark.parametrize("tool", ["computer", "local_shell", "shell", "apply_patch"])
def test_built_in_tools_that_the_application_runs_are_its_tool_calls(tool: str) -> None:
    asked = {"type": f"{tool}_call", "call_id": "c1", "action": {"type": "exec"}, "status": "completed"}
    answered = {"type": f"{tool}_call_output", "call_id": "c1", "output": "done"}
    assert read_request({"input": [asked, answered]}, True).input_messages == [
        {
            "role": "assistant",
            "parts": [{"type": "tool_call", "id": "c1", "name": tool, "arguments": {"type": "exec"}}],
        },
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "done"}]},
    ]


def test_patch_to_apply_is_the_arguments_of_its_call() -> None:
    operation = {"type": "update_file", "path": "a.py", "diff": "+1"}
    response = read_response(
        {"output": [{"type": "apply_patch_call", "id": "ap_1", "operation": operation}]}, True
    )
    call = {"type": "tool_call", "id": "ap_1", "name": "apply_patch", "arguments": operation}
    assert response.output_messages == [{"role": "assistant", "parts": [call]}]


def test_input_of_a_custom_tool_that_came_in_pieces() -> None:
    item = {"type": "custom_tool_call", "id": "ct_1", "call_id": "c2", "name": "sql", "input": ""}
    started = event("response.output_item.added", output_index=0, item=item)
    kind = "response.custom_tool_call_input.delta"
    pieces = [event(kind, item_id="ct_1", output_index=0, delta=text) for text in ("SELECT", " 1")]
    call = {"type": "tool_call", "id": "c2", "name": "sql", "arguments": "SELECT 1"}
    assert folded([started, *pieces]).output_messages == [{"role": "assistant", "parts": [call]}]


def test_pieces_without_their_item_are_a_message() -> None:
    response = folded([event("response.output_text.delta", **TEXT_PLACE, delta="A cat.")])
    assert response.output_messages == [{"role": "assistant", "parts": [SOME_PARTS[1]]}]


def test_error_event_is_an_error() -> None:
    response = folded([*STARTED, event("error", code="rate_limit", message="Slow down.", param=None)])
    assert (response.error_type, response.error_message) == ("rate_limit", "Slow down.")


def test_without_content_no_message_is_read() -> None:
    for response in (
        read_response(ANSWER, False),
        folded([*STARTED, event("response.completed", response=ANSWER)], False),
    ):
        assert response.output_messages is None
        assert (response.usage, response.finish_reasons) == (READ.usage, ["tool_call"])


@pytest.mark.parametrize(
    "odd", [None, "text", {}, {"output": None}, {"output": [None], "status": "completed"}]
)
def test_odd_answers_are_read_as_far_as_they_go(odd: Any) -> None:
    assert isinstance(read_response(odd, True), Response)
    assert isinstance(folded([odd]), Response)
