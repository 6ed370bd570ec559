"""Calls of LiteLLM, over its own HTTP."""

import asyncio
import gc
import os
from typing import Any

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # no price list from the network
import litellm
import openai_style
from cassettes import made_up
from loopback import Loopback

_REFUSAL = {"error": {"message": "slow down", "type": "rate_limit", "code": "rate_limit"}}


def _given(loopback: Loopback, text: str, key: str, body: Any, **further: Any) -> dict[str, Any]:
    url = loopback.put(made_up(key, "/v1/chat/completions", body, **further))
    messages = [{"role": "user", "content": text}]
    return {"model": "hosted_vllm/m", "messages": messages, "api_base": url + "/v1", "api_key": "k"}


def call(loopback: Loopback, text: str) -> Any:
    answer = litellm.completion(**_given(loopback, text, "litellm-call", openai_style.ANSWER))
    return type(answer), answer.choices[0].message.content


def stream(loopback: Loopback, text: str) -> Any:
    headers = {"content-type": "text/event-stream"}
    given = _given(loopback, text, "litellm-stream", openai_style.STREAM, headers=headers)
    answer = litellm.completion(**given, stream=True)
    kind, texts = type(answer), [chunk.choices[0].delta.content for chunk in answer if chunk.choices]
    del answer
    gc.collect()  # LiteLLM leaves the response open: collected within the next request, it blocks httpx
    return kind, texts


def async_call(loopback: Loopback, text: str) -> Any:
    answer = asyncio.run(litellm.acompletion(**_given(loopback, text, "litellm-async", openai_style.ANSWER)))
    return type(answer), answer.choices[0].message.content


def refused(loopback: Loopback, text: str) -> Any:
    return litellm.completion(
        **_given(loopback, text, "litellm-refused", _REFUSAL, status=429), num_retries=0
    )


SAMPLES = {"call": call, "stream": stream, "async call": async_call, "refused": refused}
"""Each gets the loopback server and the prompt, and returns what the library gave."""
