"""The ``mistralai`` client from 2.0 on: chat, fill-in-the-middle, agents, conversations and embeddings.

Sync and async, streamed or not, of Mistral's own API, of Azure and of Google Cloud. Not traced: OCR, audio,
moderation, files, batches, fine-tuning.
"""

from collections.abc import Callable
from typing import Any

from spanwise import semconv
from spanwise.integrations import _mistral_chat, _mistral_conversations, _openai_embeddings
from spanwise.integrations._declaration import Call, Integration, Target
from spanwise.integrations._exchange import Sent, observe_response, reader
from spanwise.integrations._patch import apply
from spanwise.integrations._stainless_fields import fields, loaded
from spanwise.suppression import get_current, is_suppressed


def sent_of(call: Call) -> Sent:
    """Finds the request in ``do_request(hook_ctx=..., request=..., stream=...)``."""
    request = call.kwargs["request"] if "request" in call.kwargs else call.args[1]
    is_stream = bool(call.kwargs.get("stream"))
    url = request.url
    return Sent(request.method, url.path, url, lambda: fields(loaded(request.content)), is_stream)


def stand_in(module: Any) -> Callable[[], None]:
    """Keeps the client's own tracing from reporting what is traced here, with less, a second time.

    It starts a span in a hook that sees each request before it is sent, where the app has a TracerProvider.
    """

    def before_request(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if is_suppressed(get_current()):
            return kwargs["request"] if "request" in kwargs else args[1]
        return wrapped(*args, **kwargs)

    patch = apply(module, "TracingHook.before_request", before_request)

    def undo() -> None:
        patch.remove()

    return undo


_READER = reader(
    (*_mistral_chat.ENDPOINTS, *_mistral_conversations.ENDPOINTS, _openai_embeddings.ENDPOINT),
    sent_of,
    semconv.PROVIDER_MISTRAL,
)
_MODULES = ("mistralai.client.basesdk", "mistralai.azure.client.basesdk", "mistralai.gcp.client.basesdk")
_WHY = "sends every request of all resources"

INTEGRATION = Integration(
    name="mistralai",
    module="mistralai.client",
    distribution="mistralai",
    versions=">=2,<4",
    targets=tuple(
        Target(f"{module}:BaseSDK.{method}", _READER, is_async=method.endswith("async"), why=_WHY)
        for module in _MODULES
        for method in ("do_request", "do_request_async")
    ),
    observe=observe_response,
    listen=stand_in,
    listens_in="mistralai.client._hooks.tracing",
    operations=(semconv.OP_CHAT, semconv.OP_TEXT_COMPLETION, semconv.OP_EMBEDDINGS),
    captures="messages, thinking, tools, parameters, token counts (cached), agents and conversations",
)
