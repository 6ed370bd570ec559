"""A chat completion and its stream in the format that OpenAI's API has spread to many others."""

from typing import Any

from cassettes import sse
from outcomes import pieces

TEXT = "Zürich ☀: 21 °C, quite mild."
USAGE = {
    "prompt_tokens": 20,
    "completion_tokens": 9,
    "total_tokens": 29,
    "prompt_tokens_details": {"cached_tokens": 8},
    "completion_tokens_details": {"reasoning_tokens": 4},
}
_HEAD = {"id": "c1", "created": 1, "model": "m-2026"}
ANSWER: dict[str, Any] = {
    **_HEAD,
    "object": "chat.completion",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": TEXT},
            "finish_reason": "stop",
            "logprobs": None,
        }
    ],
    "usage": USAGE,
}
_DELTAS: list[dict[str, Any]] = [
    {"delta": {"role": "assistant", "content": piece}, "finish_reason": None} for piece in pieces(TEXT)
]
_CHUNKS: list[dict[str, Any]] = [
    {**_HEAD, "object": "chat.completion.chunk", "choices": [{"index": 0, "logprobs": None, **delta}]}
    for delta in [*_DELTAS, {"delta": {"role": "assistant", "content": ""}, "finish_reason": "stop"}]
]
CHUNKS = [*_CHUNKS[:-1], _CHUNKS[-1] | {"usage": USAGE}]
STREAM = sse(*CHUNKS)
EXPECTED = {
    "operation": "chat",
    "request_model": "m",
    "response_model": "m-2026",
    "finish_reasons": ["stop"],
    "input_tokens": 20,
    "output_tokens": 9,
    "cached_input_tokens": 8,
    "reasoning_output_tokens": 4,
    "status": "unset",
    "error_message": None,
    "input": [{"role": "user", "text": "Hello?"}],
    "output": [{"role": "assistant", "text": TEXT}],
    "tools": [],
    "embedded": None,
}
ASKED = [{"role": "user", "content": "Hello?"}]
