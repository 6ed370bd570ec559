"""The ``together`` client from 2.0 on: chat and text completions, embeddings and reranking.

Every form is traced: sync, async, streamed, raw. Not traced: images, audio, files, fine-tuning, endpoints.
"""

from typing import Any

from spanwise import semconv
from spanwise.integrations import (
    _openai_chat,
    _openai_completions,
    _openai_embeddings,
    _rerank,
    _stainless,
)
from spanwise.integrations._declaration import Integration
from spanwise.integrations._stainless_follow import observe

_RERANK = _stainless.Endpoint(
    method="POST",
    path=r".*/rerank",
    read_request=_rerank.read_request,
    read_response=_rerank.read_response,
    new_fold=_rerank.RerankFold,
)


def provider_of(client: Any) -> str:
    """Returns the provider of a client whose host does not tell it, e.g. a gateway in front of Together."""
    return semconv.PROVIDER_TOGETHER


INTEGRATION = Integration(
    name="together",
    module="together",
    distribution="together",
    versions=">=2,<4",
    targets=_stainless.targets(
        "together._base_client",
        (_openai_chat.ENDPOINT, _openai_embeddings.ENDPOINT, _openai_completions.ENDPOINT, _RERANK),
        provider_of,
    ),
    observe=observe,
    operations=(semconv.OP_CHAT, semconv.OP_TEXT_COMPLETION, semconv.OP_EMBEDDINGS, semconv.OP_RERANK),
    captures="messages, reasoning, tools, parameters, token counts, time to first chunk, reranked documents",
)
