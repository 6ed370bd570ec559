"""Formats of Bedrock that no recording has, read without a client."""

import json
from typing import Any

import pytest
from comparison import message_digest

from spanwise.integrations import _bedrock_agents as agents
from spanwise.integrations import _bedrock_converse as converse
from spanwise.integrations import _bedrock_invoke as invoke

CALL = {"name": "add", "parameters": {"a": 1}}
TOOL_CALL = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
SAID = [{"role": "user", "content": "Hi"}]


def told(text: str, **held: Any) -> list[dict[str, Any]]:
    return [{"role": "assistant", "text": text} | held]


FAMILIES: dict[str, tuple[dict[str, Any], dict[str, Any], list[Any], Any, Any, Any]] = {
    # name: request, answer, chunks of its stream, output, finish reasons, (input, output) tokens
    "ai21 jurassic": (
        {"prompt": "Hi", "maxTokens": 5, "frequencyPenalty": {"scale": 0.5}},
        {
            "id": 1,
            "prompt": {"text": "Hi", "tokens": [1, 2]},
            "completions": [
                {"data": {"text": "Yo", "tokens": [1, 2, 3]}, "finishReason": {"reason": "endoftext"}}
            ],
        },
        [],
        told("Yo"),
        ["stop"],
        (2, 3),
    ),
    "titan, two results": (
        {"inputText": "Hi", "textGenerationConfig": {"maxTokenCount": 5}},
        {
            "inputTextTokenCount": 2,
            "results": [
                {"outputText": "A", "tokenCount": 1, "completionReason": "FINISH"},
                {"outputText": "B", "tokenCount": 2, "completionReason": "CONTENT_FILTERED"},
            ],
        },
        [],
        [*told("A"), *told("B")],
        ["stop", "content_filter"],
        (2, 3),
    ),
    "llama": (
        {"prompt": "Hi", "max_gen_len": 5},
        {"generation": "Hello", "prompt_token_count": 2, "generation_token_count": 3, "stop_reason": "stop"},
        [
            {"generation": "Hel", "prompt_token_count": 2, "generation_token_count": 1, "stop_reason": None},
            {
                "generation": "lo",
                "prompt_token_count": None,
                "generation_token_count": 3,
                "stop_reason": "stop",
            },
        ],
        told("Hello"),
        ["stop"],
        (2, 3),
    ),
    "mistral": (
        {"prompt": "Hi", "max_tokens": 5},
        {"outputs": [{"text": "Hello", "stop_reason": "length"}]},
        [
            {"outputs": [{"text": "Hel", "stop_reason": None}]},
            {"outputs": [{"text": "lo", "stop_reason": "length"}]},
        ],
        told("Hello"),
        ["length"],
        (None, None),
    ),
    "mistral chat": (
        {"messages": SAID, "max_tokens": 5},
        {
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": "Hello", "tool_calls": [TOOL_CALL]},
                    "stop_reason": "tool_calls",
                }
            ]
        },
        [
            {
                "choices": [
                    {"index": 0, "message": {"role": "assistant", "content": "Hel"}, "stop_reason": None}
                ]
            },
            {
                "choices": [
                    {
                        "index": 0,
                        "message": {"content": "lo", "tool_calls": [TOOL_CALL]},
                        "stop_reason": "tool_calls",
                    }
                ]
            },
        ],
        told("Hello", calls=[("c1", "add", {"a": 1})]),
        ["tool_call"],
        (None, None),
    ),
    "jamba": (
        {"messages": SAID, "max_tokens": 5},
        {
            "id": "j",
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": "Yo"}, "finish_reason": "stop"}
            ],
            "usage": {"prompt_tokens": 4, "completion_tokens": 5, "total_tokens": 9},
        },
        [],
        told("Yo"),
        ["stop"],
        (4, 5),
    ),
    "deepseek": (
        {"prompt": "Hi", "max_tokens": 5},
        {"choices": [{"text": "Hello", "stop_reason": "stop"}]},
        [
            {"choices": [{"text": "Hel", "stop_reason": None}]},
            {"choices": [{"text": "lo", "stop_reason": "stop"}]},
        ],
        told("Hello"),
        ["stop"],
        (None, None),
    ),
    "cohere command": (
        {"prompt": "Hi", "p": 0.5, "k": 3},
        {"id": "x", "generations": [{"id": "g", "text": "Hello", "finish_reason": "COMPLETE"}]},
        [
            {"text": "Hel", "is_finished": False, "index": 0},
            {"text": "lo", "is_finished": False, "index": 0},
            {"is_finished": True, "finish_reason": "COMPLETE", "index": 0, "id": "x"},
        ],
        told("Hello"),
        ["stop"],
        (None, None),
    ),
    "cohere command r": (
        {
            "message": "Hi",
            "chat_history": [{"role": "CHATBOT", "message": "Yes?"}],
            "tools": [{"name": "add"}],
        },
        {"response_id": "r", "text": "Hello", "finish_reason": "COMPLETE", "tool_calls": [CALL]},
        [
            {"event_type": "text-generation", "text": "Hel", "is_finished": False},
            {"event_type": "text-generation", "text": "lo", "is_finished": False},
            {"event_type": "tool-calls-generation", "tool_calls": [CALL], "is_finished": False},
            {
                "event_type": "stream-end",
                "is_finished": True,
                "finish_reason": "COMPLETE",
                "response": {"response_id": "r", "text": "Hello", "tool_calls": [CALL]},
            },
        ],
        told("Hello", calls=[(None, "add", {"a": 1})]),
        ["stop"],
        (None, None),
    ),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_is_read(name: str) -> None:
    body, answer, chunks, output, reasons, (sent, made) = FAMILIES[name]
    family = invoke.family_of(body, "some.model")
    request = family.read_request(body, True)
    (said, *_) = [message for message in request.input_messages if message["role"] == "user"]
    assert message_digest(said) == {"role": "user", "text": "Hi"}
    whole = family.read_response(answer, True)
    assert [message_digest(message) for message in whole.output_messages] == output
    assert whole.finish_reasons == reasons
    usage = whole.usage
    assert (usage and usage.input_tokens, usage and usage.output_tokens) == (sent, made)
    if chunks:
        fold = invoke.InvokeFold(family, True)
        for chunk in chunks:
            fold.add(chunk)
        assert fold.response() == whole


def test_sampling_has_many_names() -> None:
    body = {"prompt": "Hi", "p": 0.5, "k": 3, "max_tokens": 9, "stop_sequences": ["|"], "num_generations": 2}
    attributes = invoke.family_of(body, "").read_request(body, False).attributes
    assert attributes == {
        "gen_ai.request.top_p": 0.5,
        "gen_ai.request.top_k": 3,
        "gen_ai.request.max_tokens": 9,
        "gen_ai.request.stop_sequences": ["|"],
        "gen_ai.request.choice.count": 2,
    }


def test_reranking_by_invoke_model() -> None:
    body = {"query": "which?", "documents": ["a", "b"], "top_n": 2, "api_version": 2}
    family = invoke.family_of(body, "cohere.rerank-v3-5:0")
    request = family.read_request(body, True)
    answer = {"results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}]}
    response = family.read_response(answer, True)
    assert (request.operation, request.content["gen_ai.retrieval.query.text"]) == ("rerank", "which?")
    documents = response.content["gen_ai.retrieval.documents"]
    assert [(each["id"], each["score"]) for each in documents] == [("1", 0.9), ("0", 0.1)]


def test_converse_reads_media_results_and_citations() -> None:
    content = [
        {"image": {"format": "png", "source": {"bytes": b"\x89PNG"}}},
        {"video": {"format": "mp4", "source": {"s3Location": {"uri": "s3://b/v.mp4"}}}},
        {"document": {"format": "txt", "name": "d", "source": {"text": "words"}}},
        {"toolResult": {"toolUseId": "t1", "content": [{"json": {"a": 1}}], "status": "error"}},
        {"citationsContent": {"content": [{"text": "so"}], "citations": [{"title": "T"}]}},
        {"cachePoint": {"type": "default"}},
        {"newThing": {"x": 1}},
    ]
    request = converse.read_request({"messages": [{"role": "user", "content": content}]}, True)
    image, video, document, result, cited, unknown = request.input_messages[0]["parts"]
    assert (image["content"], image["mime_type"]) == ("iVBORw==", "image/png")
    assert (video["uri"], video["mime_type"]) == ("s3://b/v.mp4", "video/mp4")
    assert (document["content"], document["name"]) == ("words", "d")
    assert (result["response"], result["is_error"]) == ({"a": 1}, True)
    assert (cited["content"], cited["citations"]) == ("so", [{"title": "T"}])
    assert unknown == {"type": "newThing", "content": {"x": 1}}
    json.dumps(request.input_messages)


def test_converse_counts_cached_tokens_into_the_total() -> None:
    usage = {"inputTokens": 5, "outputTokens": 6, "cacheReadInputTokens": 10, "cacheWriteInputTokens": 3}
    found = converse.read_response({"usage": usage, "stopReason": "end_turn"}, True).usage
    assert (found.input_tokens, found.cache_read_input_tokens, found.cache_write_input_tokens) == (18, 10, 3)


def test_a_router_tells_the_model_that_answered() -> None:
    answer = {"stopReason": "end_turn", "trace": {"promptRouter": {"invokedModelId": "arn:aws:bedrock::m"}}}
    assert converse.read_response(answer, True).model == "arn:aws:bedrock::m"


def test_a_knowledge_base_is_searched() -> None:
    search = {"vectorSearchConfiguration": {"numberOfResults": 4}}
    params = {"knowledgeBaseId": "kb", "retrievalQuery": {"text": "q"}, "retrievalConfiguration": search}
    request = agents.read_retrieve_request(params, True)
    result = {
        "content": {"text": "found"},
        "score": 0.5,
        "location": {"type": "S3", "s3Location": {"uri": "s3://b/k"}},
    }
    response = agents.read_retrieve_response({"retrievalResults": [result]}, True)
    assert (request.operation, request.subject) == ("retrieval", "kb")
    assert request.attributes["gen_ai.retrieval.top_k"] == 4
    assert request.content == {"gen_ai.retrieval.query.text": "q"}
    assert response.content["gen_ai.retrieval.documents"] == [
        {"id": "s3://b/k", "score": 0.5, "content": "found"}
    ]
