"""The ``groq`` client: chat completions and embeddings, sync and async, streamed, raw.

Not traced: audio, files, batches, models.
"""

from typing import Any

from spanwise import semconv
from spanwise.integrations import _openai_chat, _openai_embeddings, _openai_responses, _stainless
from spanwise.integrations._declaration import Integration
from spanwise.integrations._stainless_follow import observe


def provider_of(client: Any) -> str:
    """Returns the provider of a client whose host does not tell it, e.g. a gateway in front of Groq."""
    return semconv.PROVIDER_GROQ


INTEGRATION = Integration(
    name="groq",
    module="groq",
    distribution="groq",
    versions=">=0.11,<2",
    targets=_stainless.targets(
        "groq._base_client",
        (_openai_chat.ENDPOINT, *_openai_responses.ENDPOINTS, _openai_embeddings.ENDPOINT),
        provider_of,
    ),
    observe=observe,
    operations=(semconv.OP_CHAT, semconv.OP_EMBEDDINGS),
    captures="messages, reasoning, tools, parameters, token counts (cached, reasoning), time to first chunk",
)
