"""Which of LlamaIndex's decorated methods make a span, and of what kind."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spanwise import semconv
from spanwise.integrations._llama_index_facts import kinds_of
from spanwise.integrations._stainless_fields import as_text, fields

_CHAT = ("chat", "achat", "stream_chat", "astream_chat")
_COMPLETE = ("complete", "acomplete", "stream_complete", "astream_complete")
_EMBED_ONE = ("get_query_embedding", "aget_query_embedding", "get_text_embedding", "aget_text_embedding")
_EMBED_MANY = ("get_text_embedding_batch", "aget_text_embedding_batch")
_POSTPROCESS = ("postprocess_nodes", "apostprocess_nodes")
_OWN_PACKAGES = ("llama_index", "workflows")


@dataclass(frozen=True, slots=True)
class Kind:
    """What a span of the dispatcher is."""

    operation: str
    name: str = ""
    kind: str = ""
    is_model: bool = False
    is_detached: bool = False
    """True when the method returns a future at once: the caller goes on outside of it."""


def kind_of(span_id: str, instance: Any, tags: Any, arguments: Mapping[str, Any]) -> Kind | None:
    """Returns the kind of a dispatcher's span; ``None`` for inner workings.

    Args:
        span_id: ``Class.method-<uuid>``.
        instance: The object whose method it is, if any.
        tags: The dispatcher's tags.
        arguments: The call's arguments by name.
    """
    title = span_id[:-37]
    owner, _, method = title.rpartition(".")
    if instance is not None:  # older versions name the class that defines the method
        owner = type(instance).__name__
        title = f"{owner}.{method}"
    kinds = kinds_of(instance)
    if kinds & {"BaseLLM", "LLM"}:
        return _model(method)
    if "BaseEmbedding" in kinds:
        return _embedding(title, instance, method)
    if "ev" in arguments and (instance is None or "Workflow" in kinds):
        return None if method.startswith("_") else Kind(semconv.OP_TASK, method, "step")
    if instance is None and "llamaindex.run_id" in fields(tags):
        return Kind(semconv.OP_TASK, method, "step")
    return _component(owner, method, instance, kinds) or _foreign(title, instance, owner)


def _model(method: str) -> Kind | None:
    if method in _CHAT:
        return Kind(semconv.OP_CHAT, is_model=True)
    return Kind(semconv.OP_TEXT_COMPLETION, is_model=True) if method in _COMPLETE else None


def _embedding(title: str, instance: Any, method: str) -> Kind | None:
    if method in _EMBED_ONE:
        return Kind(semconv.OP_EMBEDDINGS, is_model=True)
    # Several requests: each is a span of its client's, below this one.
    return Kind(semconv.OP_TASK, title, "embedding") if method in _EMBED_MANY else None


def _component(owner: str, method: str, instance: Any, kinds: frozenset[str]) -> Kind | None:
    if kinds & {"BaseRetriever"} and method in ("retrieve", "aretrieve"):
        return Kind(semconv.OP_RETRIEVAL, owner)
    if kinds & {"BaseQueryEngine"} and method in ("query", "aquery"):
        return Kind(semconv.OP_INVOKE_WORKFLOW, owner, "query engine")
    if kinds & {"BaseChatEngine"} and method in _CHAT:
        return Kind(semconv.OP_INVOKE_WORKFLOW, owner, "chat engine")
    if kinds & {"BaseSynthesizer"} and method in ("synthesize", "asynthesize"):
        return Kind(semconv.OP_TASK, owner, "synthesizer")
    if kinds & {"BaseNodePostprocessor"} and method.lstrip("_") in _POSTPROCESS:
        return Kind(semconv.OP_TASK, owner, "reranker" if "rerank" in owner.lower() else "postprocessor")
    if kinds & {"BaseTool", "AsyncBaseTool"} and method in ("call", "acall", "__call__"):
        return Kind(semconv.OP_EXECUTE_TOOL, _tool_name(instance) or owner)
    if "Workflow" in kinds and method == "run":
        is_agent = kinds & {"BaseWorkflowAgent", "AgentWorkflow"}
        operation = semconv.OP_INVOKE_AGENT if is_agent else semconv.OP_INVOKE_WORKFLOW
        name = as_text(getattr(instance, "name", None)) if "BaseWorkflowAgent" in kinds else None
        return Kind(operation, name or owner, "agent" if is_agent else "workflow", is_detached=True)
    return None


def _foreign(title: str, instance: Any, owner: str) -> Kind | None:
    """A function or method that the app has decorated itself is worth a span."""
    module = type(instance).__module__ if instance is not None else ""
    if (
        instance is None
        or module.partition(".")[0] in _OWN_PACKAGES
        or title.rpartition(".")[2].startswith("_")
    ):
        return None
    return None if _is_component(instance) else Kind(semconv.OP_TASK, title)


def _is_component(instance: Any) -> bool:
    """Tells whether an object's class is derived from one of LlamaIndex's."""
    return any(kind.__module__.startswith("llama_index.core.") for kind in type(instance).__mro__)


def _tool_name(instance: Any) -> str | None:
    return as_text(getattr(getattr(instance, "metadata", None), "name", None))
