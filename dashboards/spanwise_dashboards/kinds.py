"""The eight kinds of span that pages draw with an icon, a colour and a name."""

from collections.abc import Iterable

from spanwise import semconv

LLM, WORKFLOW, AGENT, TOOL = "llm", "workflow", "agent", "tool"
RETRIEVER, EMBEDDING, GUARDRAIL, OTHER = "retriever", "embedding", "guardrail", "other"
KINDS = (LLM, WORKFLOW, AGENT, TOOL, RETRIEVER, EMBEDDING, GUARDRAIL, OTHER)
"""In the order of the legend."""

LABELS = {LLM: "LLM"}

_KIND_OF_OPERATION = {
    semconv.OP_CHAT: LLM,
    semconv.OP_TEXT_COMPLETION: LLM,
    semconv.OP_GENERATE_CONTENT: LLM,
    semconv.OP_EMBEDDINGS: EMBEDDING,
    semconv.OP_RETRIEVAL: RETRIEVER,
    semconv.OP_RERANK: RETRIEVER,
    semconv.OP_EXECUTE_TOOL: TOOL,
    semconv.OP_CREATE_AGENT: AGENT,
    semconv.OP_INVOKE_AGENT: AGENT,
    semconv.OP_INVOKE_WORKFLOW: WORKFLOW,
    semconv.OP_TASK: WORKFLOW,
    semconv.OP_GUARDRAIL: GUARDRAIL,
    semconv.OP_EVALUATE: GUARDRAIL,
}


def kind_of(operation: str) -> str:
    """Returns the kind that a GenAI operation is drawn as; anything unknown is ``other``."""
    return _KIND_OF_OPERATION.get(operation, OTHER)


def label_of(kind: str) -> str:
    """Returns the kind's name for people."""
    return LABELS.get(kind, kind)


_SPOKEN = frozenset(
    {
        semconv.OP_INVOKE_WORKFLOW,
        semconv.OP_INVOKE_AGENT,
        semconv.OP_CREATE_AGENT,
        semconv.OP_EXECUTE_TOOL,
        semconv.OP_RETRIEVAL,
        semconv.OP_TASK,
    }
)


def short_name(name: str, operation: str) -> str:
    """Returns a span's name without its operation in front, where the badge of its kind says that already."""
    if operation in _SPOKEN and name.startswith(f"{operation} "):
        return name[len(operation) + 1 :]
    return name


def answering_first(models: Iterable[str]) -> list[str]:
    """Returns model names once each, those that answer before those that only embed."""
    return sorted(dict.fromkeys(model for model in models if model), key=lambda model: "embed" in model)
