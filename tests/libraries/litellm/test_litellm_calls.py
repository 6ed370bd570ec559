"""What is LiteLLM's own: names imported early, its Router and fallbacks, embeddings, provider names."""

import os
from typing import Any

import openai_style
import pytest
from cassettes import made_up
from loopback import Loopback
from span_memory import SpanMemory

from spanwise import integrations
from spanwise.integrations import _litellm_calls as calls
from spanwise.integrations._declaration import Call

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
litellm = pytest.importorskip(
    "litellm", reason="litellm is not installed: pip install 'spanwise[test-models]'"
)
early_completion = litellm.completion


LIBRARIES = ("litellm", "openai")
pytestmark = [
    # LiteLLM and its pydantic models warn by themselves, and it keeps its clients for ever.
    pytest.mark.filterwarnings(
        "ignore::UserWarning", "ignore::DeprecationWarning", "ignore::ResourceWarning"
    ),
]
PATH = "/v1/chat/completions"
VECTORS = {
    "object": "list",
    "model": "e-2026",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25, 0.125]}],
    "usage": {"prompt_tokens": 4, "total_tokens": 4},
}


def asked(url: str, model: str = "openai/m", **further: Any) -> dict[str, Any]:
    return {
        "model": model,
        "messages": openai_style.ASKED,
        "api_base": url + "/v1",
        "api_key": "k",
        **further,
    }


def only(memory: SpanMemory) -> dict[str, Any]:
    (span,) = memory.take()
    return span


def test_a_name_imported_before_us_is_traced_and_undone(memory: SpanMemory, loopback: Loopback) -> None:
    url = loopback.put(made_up("early", PATH, openai_style.ANSWER))
    early_completion(**asked(url))
    assert only(memory)["name"] == "chat m"
    integrations.uninstrument("litellm", "openai")
    early_completion(**asked(url))
    assert memory.take() == []
    integrations.instrument("litellm")
    early_completion(**asked(url))
    assert only(memory)["name"] == "chat m"


@pytest.mark.parametrize("is_async", [False, True])
async def test_embeddings(memory: SpanMemory, loopback: Loopback, is_async: bool) -> None:
    url = loopback.put(made_up("embed", "/v1/embeddings", VECTORS))
    given = {"model": "openai/e", "input": ["a", "b"], "api_base": url + "/v1", "api_key": "k"}
    if is_async:
        await litellm.aembedding(**given)
    else:
        litellm.embedding(**given)
    span = only(memory)
    assert (span["operation"], span["request_model"], span["input_tokens"]) == ("embeddings", "e", 4)
    assert span["attributes"]["gen_ai.embeddings.dimension.count"] == 3
    assert span["attributes"]["spanwise.embeddings.input"] == ["a", "b"]


async def test_the_router_falls_back_with_a_span_for_each_attempt(
    memory: SpanMemory, loopback: Loopback
) -> None:
    refusal = {"error": {"message": "No such model", "code": "gone", "type": "invalid"}}
    gone = loopback.put(made_up("gone", PATH, refusal, status=404))
    good = loopback.put(made_up("good", PATH, openai_style.ANSWER))

    def deployment(name: str, url: str) -> dict[str, Any]:
        return {
            "model_name": name,
            "litellm_params": {"model": f"openai/{name}", "api_base": url + "/v1", "api_key": "k"},
        }

    router = litellm.Router(
        model_list=[deployment("first", gone), deployment("second", good)],
        fallbacks=[{"first": ["second"]}],
        num_retries=0,
    )
    answer = await router.acompletion(model="first", messages=openai_style.ASKED)
    assert answer.choices[0].message.content == openai_style.TEXT
    spans = memory.take()
    assert [(span["name"], span["status"]) for span in spans] == [
        ("chat first", "error"),
        ("chat second", "unset"),
    ]


def test_counts_of_a_stream_that_did_not_ask_for_them(memory: SpanMemory, loopback: Loopback) -> None:
    stream = {"content-type": "text/event-stream"}
    url = loopback.put(made_up("uncounted", PATH, openai_style.STREAM, headers=stream))
    for _ in litellm.completion(**asked(url, stream=True)):
        pass
    span = only(memory)
    assert span["output_tokens"] == 9


@pytest.mark.parametrize(
    ("model", "provider", "name"),
    [
        ("azure/my-deployment", "azure.ai.openai", "my-deployment"),
        ("bedrock/anthropic.claude-v2", "aws.bedrock", "anthropic.claude-v2"),
        ("gemini/gemini-pro", "gcp.gemini", "gemini-pro"),
        ("vertex_ai/gemini-pro", "gcp.vertex_ai", "gemini-pro"),
        ("groq/llama-3", "groq", "llama-3"),
        ("mistral/mistral-large", "mistral_ai", "mistral-large"),
        ("gpt-4o", "openai", "gpt-4o"),
        ("xai/grok-2", "x_ai", "grok-2"),
        ("what-is-this", "litellm", "what-is-this"),
    ],
)
def test_the_provider_is_the_one_that_litellm_calls(model: str, provider: str, name: str) -> None:
    request = calls.CHAT.read_request(Call(None, (model, []), {}, True))
    assert (request.provider, request.model) == (provider, name)


def test_a_text_completion_is_one(memory: SpanMemory, loopback: Loopback) -> None:
    answer = {
        "id": "t1",
        "object": "text_completion",
        "model": "m-2026",
        "created": 1,
        "choices": [{"index": 0, "text": " Paris.", "finish_reason": "stop", "logprobs": None}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }
    url = loopback.put(made_up("text", "/v1/completions", answer))
    litellm.text_completion(
        model="text-completion-openai/m", prompt="Capital?", api_base=url + "/v1", api_key="k"
    )
    span = only(memory)
    assert (span["operation"], span["provider"], span["output_tokens"]) == ("text_completion", "openai", 2)
    assert span["output_messages"][0]["parts"][0]["content"] == " Paris."
