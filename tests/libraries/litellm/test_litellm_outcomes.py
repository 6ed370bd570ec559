"""How calls of the real ``litellm`` may end: through the openai client, and over its own HTTP."""

import os
from typing import Any

import openai_style
import pytest
from loopback import Loopback
from outcomes import Outcomes
from span_memory import SpanMemory

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
litellm = pytest.importorskip(
    "litellm", reason="litellm is not installed: pip install 'spanwise[test-models]'"
)
LIBRARIES = ("litellm", "openai")
pytestmark = [
    # LiteLLM and its pydantic models warn by themselves, and it keeps its clients for ever.
    pytest.mark.filterwarnings(
        "ignore::UserWarning", "ignore::DeprecationWarning", "ignore::ResourceWarning"
    ),
]


class _LiteLlm(Outcomes):
    libraries = LIBRARIES
    answer = openai_style.ANSWER
    stream = openai_style.STREAM
    text = openai_style.TEXT
    expected = openai_style.EXPECTED
    unreachable = "InternalServerError"
    broken = ("InternalServerError", "APIError", "APIConnectionError", "MidStreamFallbackError")
    model: str

    def client(self, url: str, is_async: bool) -> Any:
        self.is_async = is_async
        return url, litellm.acompletion if is_async else litellm.completion

    def call(self, client: Any, is_stream: bool) -> Any:
        url, complete = client
        return complete(
            model=self.model,
            messages=openai_style.ASKED,
            stream=is_stream,
            api_base=url + self.base,
            api_key="k",
            num_retries=0,
            max_retries=0,
            **({"stream_options": {"include_usage": True}} if is_stream else {}),
        )

    def close(self, stream: Any) -> Any:
        """A synchronous stream has no ``close``: the application drops it."""
        return stream.aclose() if self.is_async else None

    @pytest.mark.parametrize("is_async", [True], ids=["async"])
    async def test_closed_early(self, memory: SpanMemory, loopback: Loopback, is_async: bool) -> None:
        await super().test_closed_early(memory, loopback, is_async)

    def chunk_text(self, chunk: Any) -> str:
        return (chunk.choices[0].delta.content or "") if chunk.choices else ""


class TestThroughTheOpenAiClient(_LiteLlm):
    path = "/v1/chat/completions"
    base = "/v1"
    model = "openai/m"
    refused = ("NotFoundError", "BadRequestError")


class TestOverItsOwnHttp(_LiteLlm):
    path = "/v1/chat/completions"
    base = "/v1"
    model = "hosted_vllm/m"
    refused = ("NotFoundError", "BadRequestError")
    unreachable = ("InternalServerError", "APIConnectionError")
