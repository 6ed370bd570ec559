"""The ``anthropic`` client, directly or on Bedrock and Vertex.

Traced: messages (``create``, ``stream``, ``parse``, beta, raw) and legacy completions, sync and async. Not
traced: counting tokens, batches, files.
"""

from typing import Any

from spanwise import semconv
from spanwise.integrations import _anthropic_complete, _anthropic_messages, _stainless
from spanwise.integrations._declaration import Call, Integration
from spanwise.integrations._stainless_follow import observe

_PLATFORMS = {
    "Bedrock": semconv.PROVIDER_BEDROCK,
    "Vertex": semconv.PROVIDER_VERTEX_AI,
    "Foundry": semconv.PROVIDER_AZURE_INFERENCE,
}


def provider_of(client: Any) -> str:
    """Returns the provider of a client whose host does not tell it (a gateway in front of Bedrock)."""
    kinds = [kind.__name__ for kind in type(client).__mro__]
    for word, provider in _PLATFORMS.items():
        if any(word in kind for kind in kinds):
            return provider
    return semconv.PROVIDER_ANTHROPIC


def stand_in(call: Call) -> None:
    """Keeps the client from reporting this one call itself.

    From 2.x on it starts a span for every request that carries a span name, with fewer attributes than ours
    and as our child, so that the call would count twice. A request without a name is the client's own way
    to have no span; counting tokens, batches and files keep theirs.
    """
    options = _stainless.request_options(call)
    if getattr(options, "span_name", None) is not None:
        options.span_name = None


INTEGRATION = Integration(
    name="anthropic",
    module="anthropic",
    distribution="anthropic",
    versions=">=0.40,<3",
    targets=_stainless.targets(
        "anthropic._base_client",
        (_anthropic_messages.ENDPOINT, _anthropic_complete.ENDPOINT),
        provider_of,
        prepare=stand_in,
    ),
    observe=observe,
    operations=(semconv.OP_CHAT, semconv.OP_TEXT_COMPLETION),
    captures="messages and their stream helpers, tools and server tools, thinking, images and documents, "
    "cache tokens; also through Bedrock and Vertex; completions",
)
