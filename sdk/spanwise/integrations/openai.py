"""The ``openai`` client, 1.x to 3.x, and every server that speaks its protocol.

Traced: chat completions, responses (and fetching a stored one), embeddings and legacy completions, in every
form the client offers: sync, async, streamed, parsed, raw. Not traced: images, audio, files, assistants,
realtime.
"""

from typing import Any

from spanwise import semconv
from spanwise.integrations import (
    _openai_chat,
    _openai_completions,
    _openai_embeddings,
    _openai_responses,
    _stainless,
)
from spanwise.integrations._declaration import Integration
from spanwise.integrations._stainless_follow import observe


def provider_of(client: Any) -> str:
    """Returns the provider of a client whose host does not tell it, e.g. a gateway in front of Azure."""
    is_azure = any("Azure" in kind.__name__ for kind in type(client).__mro__)
    return semconv.PROVIDER_AZURE_OPENAI if is_azure else semconv.PROVIDER_OPENAI


INTEGRATION = Integration(
    name="openai",
    module="openai",
    distribution="openai",
    versions=">=1.40,<4",
    targets=_stainless.targets(
        "openai._base_client",
        (
            _openai_chat.ENDPOINT,
            *_openai_responses.ENDPOINTS,
            _openai_embeddings.ENDPOINT,
            _openai_completions.ENDPOINT,
        ),
        provider_of,
    ),
    observe=observe,
    operations=(semconv.OP_CHAT, semconv.OP_EMBEDDINGS, semconv.OP_TEXT_COMPLETION),
    captures="chat completions, responses, embeddings, completions in every form of the client; Azure and "
    "every compatible host; images, audio and files as parts; cached, reasoning and audio tokens",
)
