"""What went wrong is on the span, and the application gets the client's own exception."""

from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from comparison import summary
from replay_server import ReplayServer
from span_memory import SpanMemory
from test_call_forms import (
    ASKED,
    STRUCTURED,
    TEXT,
    Weather,
    chat_answer,
    chat_chunks,
    message_events,
    named_sse,
    needs_helpers,
    only,
    recorded,
    sse,
)

CUT_OFF = chat_answer(STRUCTURED[:5])
CUT_OFF["choices"][0]["finish_reason"] = "length"
BUSY = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
USAGE_CHUNK = chat_chunks("")[-1]
MADE_UP = [
    recorded("gone", "/v1/chat/completions", {"error": {"message": "No such model", "code": "gone"}}, 404),
    recorded("cut", "/v1/chat/completions", CUT_OFF),
    recorded(
        "broken",
        "/v1/chat/completions",
        sse(*chat_chunks(TEXT)[:3], USAGE_CHUNK | {"error": {"message": "Upstream fell over", "code": 502}}),
    ),
    recorded("busy", "/v1/messages", named_sse(*message_events(TEXT)[:5], BUSY)),
    recorded("words", "/v1/chat/completions", "<html>gateway</html>"),
]


@pytest.fixture(scope="module")
def server() -> Iterator[ReplayServer]:
    with ReplayServer(MADE_UP).running() as running:
        yield running


def openai_client(server: ReplayServer, key: str) -> openai.OpenAI:
    http = openai.DefaultHttpxClient(verify=False)
    return openai.OpenAI(base_url=f"{server.url}/{key}-00/v1", api_key="k", max_retries=0, http_client=http)


def anthropic_client(server: ReplayServer, key: str) -> anthropic.Anthropic:
    http = anthropic.DefaultHttpxClient(verify=False)
    return anthropic.Anthropic(
        base_url=f"{server.url}/{key}-00", api_key="k", max_retries=0, http_client=http
    )


def test_status_error(server: ReplayServer, memory: SpanMemory) -> None:
    with openai_client(server, "gone") as client, pytest.raises(openai.NotFoundError) as raised:
        client.chat.completions.create(model="m", messages=ASKED)
    assert raised.value.code == "gone"
    span = only(memory)
    assert (span["status"], span["request_model"], span["output_messages"]) == ("error", "m", None)
    assert "No such model" in span["status_message"]
    assert span["error_type"].endswith("NotFoundError")
    assert span["attributes"]["http.response.status_code"] == 404
    assert [event["name"] for event in span["events"]] == ["exception"]


def test_connection_error(memory: SpanMemory) -> None:
    with (
        openai.OpenAI(base_url="http://127.0.0.1:9/v1", api_key="k", max_retries=0) as client,
        pytest.raises(openai.APIConnectionError),
    ):
        client.chat.completions.create(model="m", messages=ASKED)
    span = only(memory)
    assert (span["status"], span["attributes"]["server.port"]) == ("error", 9)
    assert span["error_type"].endswith("APIConnectionError")


@needs_helpers
def test_answer_that_could_not_be_parsed_is_still_recorded(server: ReplayServer, memory: SpanMemory) -> None:
    with openai_client(server, "cut") as client, pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(model="m", messages=ASKED, response_format=Weather)
    span = only(memory)
    assert (span["status"], span["finish_reasons"], span["output_tokens"]) == ("error", ["length"], 9)
    assert summary(span)["output"] == [{"role": "assistant", "text": STRUCTURED[:5]}]
    assert span["error_type"].endswith("LengthFinishReasonError")


@pytest.mark.parametrize("is_raw", [False, True])
def test_error_in_the_middle_of_a_stream_keeps_what_came(
    server: ReplayServer, memory: SpanMemory, is_raw: bool
) -> None:
    with openai_client(server, "broken") as client:
        completions = client.chat.completions
        create = completions.with_raw_response.create if is_raw else completions.create
        stream: Any = create(model="m", messages=ASKED, stream=True)
        with pytest.raises(openai.APIError, match="Upstream fell over"):
            list(stream.parse() if is_raw else stream)
    span = only(memory)
    assert (span["status"], span["input_tokens"], span["reasoning_output_tokens"]) == ("error", 20, 4)
    assert summary(span)["output"] == [{"role": "assistant", "text": TEXT[:6]}]
    assert "Upstream fell over" in span["status_message"]


def test_error_event_of_anthropic_keeps_what_came(server: ReplayServer, memory: SpanMemory) -> None:
    asked = {"model": "m", "max_tokens": 9, "messages": ASKED}
    with anthropic_client(server, "busy") as client, pytest.raises(anthropic.APIStatusError):
        list(client.messages.create(**asked, stream=True))
    span = only(memory)
    assert (span["status"], span["input_tokens"]) == ("error", 20)
    assert summary(span)["output"] == [{"role": "assistant", "text": TEXT[:6]}]
    assert "Overloaded" in span["status_message"]


def test_answer_that_is_no_json_is_a_call_without_an_answer(server: ReplayServer, memory: SpanMemory) -> None:
    with openai_client(server, "words") as client:
        raw = client.chat.completions.with_raw_response.create(model="m", messages=ASKED)
        assert raw.text == "<html>gateway</html>"
    span = only(memory)
    assert (span["status"], span["response_model"]) == ("unset", None)
