"""LlamaIndex: query engines, retrievers, synthesis, agents, workflows, tools and models, by its dispatcher.

A span handler and an event handler are added to the root dispatcher. A model call that a provider's client
makes is one span: the client writes to the one that LlamaIndex's method has begun (see ``lending``).
"""

import types
from collections.abc import Callable
from typing import Any

from spanwise import semconv
from spanwise.integrations._declaration import Integration
from spanwise.integrations._llama_index_spans import Spans

SPANS = Spans()


class _SpanHandler:
    """The methods that the dispatcher calls; their names and arguments are LlamaIndex's."""

    def span_enter(self, id_: str, bound_args: Any, instance: Any = None, **more: Any) -> None:
        SPANS.enter(id_, bound_args, instance, more.get("parent_id"), more.get("tags"))

    def span_exit(self, id_: str, bound_args: Any, result: Any = None, **more: Any) -> None:
        SPANS.exit(id_, result)

    def span_drop(self, id_: str, bound_args: Any, err: BaseException | None = None, **more: Any) -> None:
        SPANS.drop(id_, err)

    def new_span(self, *args: Any, **kwargs: Any) -> None:
        """Is not called: ``span_enter`` does the work."""

    prepare_to_exit_span = prepare_to_drop_span = new_span


class _EventHandler:
    """The method that the dispatcher calls."""

    def handle(self, event: Any, **more: Any) -> None:
        SPANS.event(event)


def listen(module: Any) -> Callable[[], None]:
    """Adds the handlers to the root dispatcher; returns what takes them off again."""
    from llama_index.core.instrumentation import get_dispatcher
    from llama_index.core.instrumentation.event_handlers import BaseEventHandler
    from llama_index.core.instrumentation.span_handlers import BaseSpanHandler

    root = get_dispatcher()
    spans = types.new_class("SpanwiseSpanHandler", (_SpanHandler, BaseSpanHandler))()
    events = types.new_class("SpanwiseEventHandler", (_EventHandler, BaseEventHandler))()
    root.add_span_handler(spans)
    root.add_event_handler(events)

    def undo() -> None:
        root.span_handlers = [each for each in root.span_handlers if each is not spans]
        root.event_handlers = [each for each in root.event_handlers if each is not events]

    return undo


INTEGRATION = Integration(
    name="llama_index",
    module="llama_index.core.instrumentation",
    distribution="llama-index-core",
    versions=">=0.12.45,<0.15",
    listen=listen,
    operations=(
        semconv.OP_INVOKE_WORKFLOW,
        semconv.OP_INVOKE_AGENT,
        semconv.OP_TASK,
        semconv.OP_CHAT,
        semconv.OP_TEXT_COMPLETION,
        semconv.OP_EMBEDDINGS,
        semconv.OP_RETRIEVAL,
        semconv.OP_EXECUTE_TOOL,
    ),
    captures="queries and answers, retrieved nodes with scores, prompt template and variables, messages, "
    "tool calls, usage, agent and workflow steps, instrument_tags",
)
