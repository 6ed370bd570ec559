"""The ``ai21`` client from 4.0 on: chat, sync and async, streamed or not.

Not traced: the library of documents, assistants, Maestro runs.
"""

from typing import Any

from spanwise import semconv
from spanwise.integrations import _openai_chat
from spanwise.integrations._declaration import Call, Integration, Target
from spanwise.integrations._exchange import Sent, observe_response, reader
from spanwise.integrations._stainless import Endpoint
from spanwise.integrations._stainless_fields import fields
from spanwise.operation import Request

_PARAMETERS = ("method", "path", "params", "body", "stream")


def sent_of(call: Call) -> Sent:
    """Finds the request in ``execute_http_request(method, path, params, body, stream, ...)``."""
    given = {**dict(zip(_PARAMETERS, call.args, strict=False)), **call.kwargs}
    body, address = fields(given.get("body")), call.instance._base_url
    return Sent(
        str(given.get("method")), str(given.get("path")), address, lambda: body, bool(given.get("stream"))
    )


def read_request(body: Any, wants_content: bool) -> Request:
    """Reads the body of ``POST /chat/completions``, which is OpenAI's but for documents."""
    request = _openai_chat.read_request(body, wants_content)
    request.attributes.pop(semconv.OPENAI_API_TYPE, None)
    documents = body.get("documents")
    if wants_content and isinstance(documents, list) and documents:
        request.content[semconv.RETRIEVAL_DOCUMENTS] = [
            {"content": str(fields(document).get("content"))} for document in documents
        ]
    return request


_READER = reader(
    (
        Endpoint(
            "POST", r".*/chat/completions", read_request, _openai_chat.read_response, _openai_chat.ChatFold
        ),
    ),
    sent_of,
    semconv.PROVIDER_AI21,
)
_WHY = "sends every request of all resources"

INTEGRATION = Integration(
    name="ai21",
    module="ai21",
    distribution="ai21",
    versions=">=4,<5",
    targets=(
        Target("ai21.http_client.http_client:AI21HTTPClient.execute_http_request", _READER, why=_WHY),
        Target(
            "ai21.http_client.async_http_client:AsyncAI21HTTPClient.execute_http_request",
            _READER,
            is_async=True,
            why=_WHY,
        ),
    ),
    observe=observe_response,
    operations=(semconv.OP_CHAT,),
    captures="messages, tools, documents, parameters, token counts",
)
