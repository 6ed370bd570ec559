"""What is read from legacy completions of both providers, and from embeddings."""

from typing import Any

import pytest
from openai.types import Completion, CreateEmbeddingResponse

from spanwise.integrations import _anthropic_complete, _openai_completions, _openai_embeddings
from spanwise.operation import Request, Response, Usage


def test_completion_request_is_read_whole() -> None:
    sent = {
        "model": "davinci-002",
        "prompt": ["One", [1, 2]],
        "max_tokens": 5,
        "temperature": 0,
        "n": 2,
        "stop": ["."],
        "logit_bias": {"50256": -100},
    }
    assert _openai_completions.read_request(sent, True) == Request(
        operation="text_completion",
        provider="openai",
        model="davinci-002",
        input_messages=[
            {"role": "user", "parts": [{"type": "text", "content": "One"}]},
            {"role": "user", "parts": [{"type": "token_ids", "content": [1, 2]}]},
        ],
        attributes={
            "gen_ai.request.max_tokens": 5,
            "gen_ai.request.temperature": 0.0,
            "gen_ai.request.choice.count": 2,
            "gen_ai.request.stop_sequences": ["."],
        },
    )
    assert _openai_completions.read_request(sent, False).input_messages is None


@pytest.mark.parametrize(
    ("prompt", "parts"),
    [
        ("One", [{"type": "text", "content": "One"}]),
        ([1, 2], [{"type": "token_ids", "content": [1, 2]}]),
    ],
)
def test_prompt_of_one_text_or_one_list_of_tokens(prompt: Any, parts: Any) -> None:
    request = _openai_completions.read_request({"prompt": prompt}, True)
    assert request.input_messages == [{"role": "user", "parts": parts}]


def completion(*choices: tuple[int, str, str | None], **further: Any) -> Completion:
    made = [{"index": at, "text": text, "finish_reason": end, "logprobs": None} for at, text, end in choices]
    head = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "davinci-002"}
    return Completion.construct(**head, **{"choices": made, **further})


USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
WHOLE = completion((0, "Two.", "stop"), (1, "Three", "length"), usage=USAGE, system_fingerprint="fp_1")
PIECES = [
    completion((0, "Tw", None)),
    completion((1, "Three", None), system_fingerprint="fp_1"),
    completion((0, "o.", "stop"), (1, "", "length")),
    completion(usage=USAGE),
]
READ = Response(
    id="cmpl-1",
    model="davinci-002",
    finish_reasons=["stop", "length"],
    output_messages=[
        {"role": "assistant", "parts": [{"type": "text", "content": "Two."}], "finish_reason": "stop"},
        {"role": "assistant", "parts": [{"type": "text", "content": "Three"}], "finish_reason": "length"},
    ],
    usage=Usage(input_tokens=3, output_tokens=4),
    attributes={"openai.response.system_fingerprint": "fp_1"},
)


def folded(module: Any, chunks: list[Any], wants_content: bool = True) -> Response:
    fold = module.ENDPOINT.new_fold(wants_content)
    for each in chunks:
        fold.add(each)
    return fold.response()


def test_completion_answer_streamed_or_not() -> None:
    assert _openai_completions.read_response(WHOLE, True) == READ
    assert _openai_completions.read_response(WHOLE.to_dict(), True) == READ
    assert folded(_openai_completions, PIECES) == READ
    assert folded(_openai_completions, PIECES, False).output_messages is None


def test_completion_error_inside_of_a_success() -> None:
    response = _openai_completions.read_response({"error": {"code": 500, "message": "no"}}, True)
    assert (response.error_type, response.error_message) == ("500", "no")


def test_anthropic_completion() -> None:
    sent = {
        "model": "claude-2.1",
        "prompt": "\n\nHuman: Hi",
        "max_tokens_to_sample": 9,
        "temperature": 0.5,
        "top_p": 0.5,
        "top_k": 3,
        "stop_sequences": ["x"],
    }
    assert _anthropic_complete.read_request(sent, True) == Request(
        operation="text_completion",
        provider="anthropic",
        model="claude-2.1",
        input_messages=[{"role": "user", "parts": [{"type": "text", "content": "\n\nHuman: Hi"}]}],
        attributes={
            "gen_ai.request.max_tokens": 9,
            "gen_ai.request.temperature": 0.5,
            "gen_ai.request.top_p": 0.5,
            "gen_ai.request.top_k": 3,
            "gen_ai.request.stop_sequences": ["x"],
        },
    )
    assert _anthropic_complete.read_request(sent, False).input_messages is None
    head = {"id": "compl_1", "type": "completion", "model": "claude-2.1"}
    pieces = [
        head | {"completion": " He", "stop_reason": None},
        head | {"completion": "llo", "stop_reason": "stop_sequence"},
    ]
    read = Response(
        id="compl_1",
        model="claude-2.1",
        finish_reasons=["stop"],
        output_messages=[
            {"role": "assistant", "parts": [{"type": "text", "content": " Hello"}], "finish_reason": "stop"}
        ],
    )
    assert _anthropic_complete.read_response(pieces[1] | {"completion": " Hello"}, True) == read
    assert folded(_anthropic_complete, pieces) == read
    assert folded(_anthropic_complete, pieces, False).output_messages is None
    failed = _anthropic_complete.read_response({"error": {"type": "api_error", "message": "no"}}, True)
    assert (failed.error_type, failed.error_message) == ("api_error", "no")


def test_embeddings_request_is_read_whole() -> None:
    sent = {"model": "e-3", "input": ["a", "b"], "dimensions": 256, "encoding_format": "base64"}
    assert _openai_embeddings.read_request(sent, True) == Request(
        operation="embeddings",
        provider="openai",
        model="e-3",
        attributes={"gen_ai.embeddings.dimension.count": 256, "gen_ai.request.encoding_formats": ["base64"]},
        content={"spanwise.embeddings.input": ["a", "b"]},
    )
    assert _openai_embeddings.read_request(sent, False).content == {}
    assert _openai_embeddings.read_request({"input": "a"}, True).content == {
        "spanwise.embeddings.input": ["a"]
    }
    tokens = _openai_embeddings.read_request({"input": [[1, 2]]}, True)
    assert tokens.content == {"spanwise.embeddings.input": [[1, 2]]}


@pytest.mark.parametrize("vector", [[0.5, 0.25, 1.0], "AAAAPwAAgD4AAIA/"], ids=["numbers", "base64"])
def test_embeddings_answer(vector: Any) -> None:
    answer = CreateEmbeddingResponse.construct(
        object="list",
        model="e-3-small",
        data=[{"object": "embedding", "index": 0, "embedding": vector}],
        usage={"prompt_tokens": 2, "total_tokens": 2},
    )
    read = Response(
        model="e-3-small",
        usage=Usage(input_tokens=2),
        attributes={"gen_ai.embeddings.dimension.count": 3},
    )
    assert _openai_embeddings.read_response(answer, True) == read
    assert folded(_openai_embeddings, [answer]) == read


def test_embeddings_error_inside_of_a_success() -> None:
    response = _openai_embeddings.read_response({"error": {"code": "x", "message": "no"}, "data": []}, True)
    assert (response.error_type, response.error_message, response.attributes) == ("x", "no", {})
