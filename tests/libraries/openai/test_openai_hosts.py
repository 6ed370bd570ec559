"""Servers that speak OpenAI's protocol get their own name, by their address or by what marks an answer."""

import re
from typing import Any

import openai
import openai_style
import pytest
from cassettes import NO_DATA, made_up, sse
from comparison import differences
from loopback import Loopback
from recordings import Recording, load
from replay_client import replay, replay_async
from replay_server import ReplayServer
from span_memory import SpanMemory

from spanwise.integrations._hosts import server_of

LIBRARIES = ("openai",)
RECORDINGS = load("openai-compat-local-chat")
EACH = pytest.mark.parametrize(
    "recording", RECORDINGS or NO_DATA, ids=lambda each: each.key if each else "none"
)


@pytest.mark.parametrize(
    ("address", "provider"),
    [
        ("https://api.deepseek.com/v1", "deepseek"),
        ("https://openrouter.ai/api/v1", "openrouter"),
        ("https://api.groq.com/openai/v1", "groq"),
        ("https://api.together.xyz/v1", "together_ai"),
        ("https://api.fireworks.ai/inference/v1", "fireworks"),
        ("https://eu-west-1.api.x.ai/v1", "x_ai"),
        ("https://api.perplexity.ai", "perplexity"),
        ("http://localhost:11434/v1", "ollama"),
        ("http://gpu-box:11434/v1", "ollama"),
        ("http://localhost:1234/v1", "lm_studio"),
        ("http://gpu-box:1234/v1", None),
        ("http://localhost:8000/v1", None),
        ("https://notgroq.com/v1", None),
        ("https://groq.com.evil.example/v1", None),
        ("http://localhost:port", None),
        ("nowhere", None),
    ],
)
def test_address_tells_the_provider(address: str, provider: str | None) -> None:
    assert server_of(address).provider == provider


def test_both_kinds_of_address_read_alike() -> None:
    url = openai.OpenAI(base_url="https://api.x.ai/v1", api_key="k").base_url
    assert server_of(url) == server_of(str(url)) == ("api.x.ai", 443, "x_ai")


ANSWERS: dict[str, tuple[dict[str, Any], str]] = {
    "ollama": ({"system_fingerprint": "fp_ollama"}, "ollama"),
    "llama-cpp": ({"system_fingerprint": "b4719-0f2bbe65"}, "llama_cpp"),
    "lm-studio": ({"system_fingerprint": "m-2026"}, "lm_studio"),
    "vllm": ({"id": "chatcmpl-0123456789abcdef0123456789abcdef"}, "vllm"),
    "openai": (
        {"id": "chatcmpl-Cai1LMreVahLgHqSo2JSKTThdFLHV", "system_fingerprint": "fp_e502586a3c"},
        "openai",
    ),
    "litellm": ({"id": "chatcmpl-f75abe6e-e6d9-4356-bf65-28df1f5707a8"}, "openai"),
}


@pytest.mark.parametrize("is_stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("server", ANSWERS)
def test_answer_tells_the_provider_where_the_address_does_not(
    loopback: Loopback, memory: SpanMemory, server: str, is_stream: bool
) -> None:
    marks, provider = ANSWERS[server]
    body = (
        sse(*(chunk | marks for chunk in openai_style.CHUNKS)) if is_stream else openai_style.ANSWER | marks
    )
    kind = "text/event-stream" if is_stream else "application/json"
    url = loopback.put(
        made_up(f"{server}-{is_stream}", "/chat/completions", body, headers={"content-type": kind})
    )
    with openai.OpenAI(
        base_url=url, api_key="k", http_client=openai.DefaultHttpxClient(verify=False)
    ) as client:
        answer = client.chat.completions.create(model="m", messages=openai_style.ASKED, stream=is_stream)
        list(answer) if is_stream else answer
    (span,) = memory.take()
    assert span["provider"] == provider


@pytest.fixture(scope="module")
def server():
    with ReplayServer(RECORDINGS).running() as running:
        yield running


def provider_of(recording: Recording) -> str:
    """What the raw answer gives away: vLLM's ids, Ollama's fingerprint."""
    if '"fp_ollama"' in recording.answer:
        return "ollama"
    return "vllm" if re.search(r'"id":\s*"chat-[0-9a-f]{32}"', recording.answer) else "openai"


@EACH
def test_local_servers_sync(recording: Recording, server: ReplayServer, memory: SpanMemory) -> None:
    replay(recording, server.url)
    (span,) = memory.take()
    assert differences(recording, span) == []
    assert span["provider"] == provider_of(recording)


@EACH
async def test_local_servers_async(recording: Recording, server: ReplayServer, memory: SpanMemory) -> None:
    await replay_async(recording, server.url)
    (span,) = memory.take()
    assert differences(recording, span) == []
    assert span["provider"] == provider_of(recording)
