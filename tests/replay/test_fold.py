"""Folding a recorded stream equals reading the unstreamed answer.

The unstreamed answer of a stream is what the client library itself accumulates; the stream of an unstreamed
answer is that answer cut in pieces.
"""

import json
from typing import Any

import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk
from recordings import FURTHER, NAMED, Recording, load
from replay_client import client_for
from replay_server import ReplayServer
from span_memory import SpanMemory

from spanwise.integrations import _anthropic_messages, _openai_chat, _openai_completions, _openai_responses
from spanwise.integrations._stainless import Fold
from spanwise.operation import Response

RECORDINGS = [each for each in load(*NAMED, *FURTHER) if each.status == 200]
OPENAIS_OWN = ("openai-chat", "azure-openai-chat", "deepseek-chat")
"""Files whose streams openai's accumulator understands: others repeat roles or leave indexes out."""


def of(folder: str, *, is_stream: bool) -> list[Any]:
    """Returns the recordings of one protocol as parameters."""
    found = [
        pytest.param(each, id=each.key)
        for each in RECORDINGS
        if folder in each.path.partition("?")[0]
        and ("event-stream" in each.content_type) is is_stream
        and '"error":{' not in each.answer.replace(" ", "")
    ]
    return found or [pytest.param(None, marks=pytest.mark.skip("no recorded data (set SPANWISE_SHARED)"))]


def folded(fold: Fold, chunks: list[Any]) -> Response:
    for chunk in chunks:
        fold.add(chunk)
    return fold.response()


@pytest.mark.parametrize("recording", of("/chat/completions", is_stream=True))
def test_streamed_chat_equals_what_the_client_accumulates(recording: Recording) -> None:
    if recording.file not in OPENAIS_OWN:
        return
    chunks = [ChatCompletionChunk.construct(**event) for event in recording.events]
    state: ChatCompletionStreamState[Any] = ChatCompletionStreamState()
    for chunk in chunks:
        state.handle_chunk(chunk)
    whole = state.current_completion_snapshot
    ours = folded(_openai_chat.ChatFold(True), chunks)
    read = _openai_chat.read_response(whole, True)
    assert (ours.output_messages, ours.finish_reasons) == (read.output_messages, read.finish_reasons)
    if whole.usage is not None:
        assert ours.usage == read.usage


@pytest.mark.parametrize("recording", of("/chat/completions", is_stream=False))
def test_chat_answer_cut_in_pieces_folds_to_the_same(recording: Recording) -> None:
    body = recording_body(recording)
    fold = folded(_openai_chat.ChatFold(True), list(chat_pieces(body)))
    assert fold == _openai_chat.read_response(body, True)


@pytest.mark.parametrize("recording", of("/responses", is_stream=True))
def test_pieces_of_a_response_equal_its_end(recording: Recording) -> None:
    events = recording.events
    whole = folded(_openai_responses.ResponseFold(True), events)
    items = [event for event in events if event["type"] != "response.completed"]
    pieces = folded(_openai_responses.ResponseFold(True), items)
    assert parts_of(pieces) == parts_of(whole)
    assert whole == _openai_responses.read_response(events[-1]["response"], True)


@pytest.mark.filterwarnings("ignore:The model '.*' is deprecated:DeprecationWarning")
@pytest.mark.parametrize("recording", of("/messages", is_stream=True))
def test_streamed_message_equals_what_the_client_accumulates(
    recording: Recording, replay_server: ReplayServer, memory: SpanMemory
) -> None:
    sent = {key: value for key, value in recording.request.items() if key != "stream"}
    client = client_for(recording, replay_server.url, is_async=False)
    with client, client.messages.stream(**sent) as stream:
        message = stream.get_final_message()
    (span,) = memory.take()
    read = _anthropic_messages.read_response(message, True)
    assert span["output_messages"] == json.loads(json.dumps(read.output_messages))
    assert read.usage is not None
    assert (span["finish_reasons"], span["response_model"], span["output_tokens"]) == (
        read.finish_reasons,
        read.model,
        read.usage.output_tokens,
    )


@pytest.mark.parametrize("recording", of("/completions", is_stream=False))
def test_completion_in_pieces_folds_to_the_same(recording: Recording) -> None:
    body = recording_body(recording)
    if "chat" in recording.path:
        return
    pieces = [piece for choice in body["choices"] for piece in completion_pieces(body, choice)]
    pieces.append(body | {"choices": []})
    fold = folded(_openai_completions.CompletionFold(True), pieces)
    assert fold == _openai_completions.read_response(body, True)


def completion_pieces(body: dict[str, Any], choice: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the chunks a server would have sent for one choice of an unstreamed completion."""
    text = choice["text"]
    cuts = [choice | {"text": text[at : at + 4], "finish_reason": None} for at in range(0, len(text), 4)]
    return [body | {"choices": [cut], "usage": None} for cut in [*cuts, choice | {"text": ""}]]


def parts_of(response: Response) -> list[Any]:
    return [message["parts"] for message in response.output_messages or []]


def recording_body(recording: Recording) -> dict[str, Any]:
    return json.loads(recording.answer)


def chat_pieces(body: dict[str, Any]) -> Any:
    """Yields the chunks a server would have sent for an unstreamed chat completion."""
    head = {key: value for key, value in body.items() if key not in ("choices", "usage")}

    def piece(choice: dict[str, Any], finish_reason: str | None = None, **delta: Any) -> dict[str, Any]:
        return head | {
            "choices": [{"index": choice["index"], "delta": delta, "finish_reason": finish_reason}]
        }

    for choice in body["choices"]:
        message = choice["message"]
        yield piece(choice, role="assistant")
        for key in ("reasoning_content", "reasoning", "content", "refusal"):
            text = message.get(key)
            if isinstance(text, list):
                yield piece(choice, **{key: text})
            for at in range(0, len(text), 5) if isinstance(text, str) else ():
                yield piece(choice, **{key: text[at : at + 5]})
        if message.get("annotations"):
            yield piece(choice, annotations=message["annotations"])
        if message.get("reasoning_details") and not message.get("reasoning"):
            yield piece(choice, reasoning_details=message["reasoning_details"])
        for index, call in enumerate(message.get("tool_calls") or []):
            arguments = call["function"]["arguments"]
            yield piece(
                choice, tool_calls=[{**call, "index": index, "function": {"name": call["function"]["name"]}}]
            )
            for at in range(0, len(arguments), 5):
                part = {"index": index, "function": {"arguments": arguments[at : at + 5]}}
                yield piece(choice, tool_calls=[part])
        yield piece(choice, choice["finish_reason"])
    yield head | {"choices": [], "usage": body.get("usage")}
