"""What LangChain tells of a run when it starts: names, the model and its parameters, tags, metadata, prompts.

Pure functions over the arguments of its callbacks.

Source: langchain-core ``callbacks.manager``, ``language_models.base.LangSmithParams``, langgraph ``pregel``.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from spanwise import semconv
from spanwise.integrations._stainless_fields import as_count, as_number, as_text, as_texts, fields, items
from spanwise.operation import AttributeValue, Request

Attributes = dict[str, AttributeValue]
Scrub = Callable[[str, str], str]
"""``scrub(text, field)``: a text as it may be kept."""

PROVIDERS = {
    "azure": semconv.PROVIDER_AZURE_OPENAI,
    "azure_openai": semconv.PROVIDER_AZURE_OPENAI,
    "azure_ai": semconv.PROVIDER_AZURE_INFERENCE,
    "amazon_bedrock": semconv.PROVIDER_BEDROCK,
    "bedrock": semconv.PROVIDER_BEDROCK,
    "bedrock_converse": semconv.PROVIDER_BEDROCK,
    "google_genai": semconv.PROVIDER_GEMINI,
    "google_vertexai": semconv.PROVIDER_VERTEX_AI,
    "google_anthropic_vertex": semconv.PROVIDER_VERTEX_AI,
    "mistral": semconv.PROVIDER_MISTRAL,
    "mistralai": semconv.PROVIDER_MISTRAL,
    "xai": semconv.PROVIDER_XAI,
    "together": semconv.PROVIDER_TOGETHER,
    "moonshot": semconv.PROVIDER_MOONSHOT,
    "ibm": semconv.PROVIDER_WATSONX,
}
"""LangChain's names of providers where OpenTelemetry has another; names of neither list stay."""

_HIDDEN = "langsmith:hidden"
_OWN_TAGS = ("seq:step:", "map:key:", "graph:step:", "langsmith:", "condition:", "branch:", "langgraph:")
_OWN_METADATA = ("ls_", "lc_", "__", "langgraph_", "checkpoint_")
_KEPT_METADATA = ("langgraph_node", "langgraph_step")
_CONVERSATIONS = ("thread_id", "session_id", "conversation_id")


@dataclass(frozen=True, slots=True)
class Prompt:
    """The template that a model's input was made from."""

    name: str
    version: str | None
    variables: Mapping[str, Any]


def name_of(serialized: Any, name: Any, default: str) -> str:
    """Returns what a run is called: the name it was given, else its class."""
    held = fields(serialized)
    ids = items(held.get("id"))
    return as_text(name) or as_text(held.get("name")) or (as_text(ids[-1]) if ids else None) or default


def class_of(serialized: Any) -> str:
    """Returns the class that a run is of, where LangChain tells it."""
    ids = items(fields(serialized).get("id"))
    return (as_text(ids[-1]) if ids else None) or as_text(fields(serialized).get("name")) or ""


def is_hidden(tags: Any) -> bool:
    """Tells whether LangGraph marks a run as plumbing that nobody wants to see."""
    return _HIDDEN in items(tags)


def is_node(name: str, metadata: Mapping[str, Any], tags: Any) -> bool:
    """Tells whether a run is a node of a graph, and not something inside one."""
    is_step = any(isinstance(tag, str) and tag.startswith("graph:step:") for tag in items(tags))
    return is_step and metadata.get("langgraph_node") == name


def attributes_of(tags: Any, metadata: Mapping[str, Any], scrub: Scrub) -> tuple[Attributes, Attributes]:
    """Returns what tags and metadata tell: of this run alone, and of everything below it as well."""
    own = [tag for tag in items(tags) if isinstance(tag, str) and not tag.startswith(_OWN_TAGS)]
    below = conversation_of(metadata)
    user = metadata.get("user_id")
    if isinstance(user, (str, int)):
        below[semconv.USER_ID] = str(user)
    for key, value in list(metadata.items()):
        if not isinstance(key, str) or key == "user_id" or key in _CONVERSATIONS:
            continue
        if key in _KEPT_METADATA or not key.startswith(_OWN_METADATA):
            kept = _value(key, value, scrub)
            if kept is not None:
                below[semconv.METADATA_PREFIX + key] = kept
    return ({semconv.TAGS: own} if own else {}), below


def conversation_of(settings: Mapping[str, Any]) -> Attributes:
    """Returns the conversation that metadata or ``configurable`` name."""
    for key in _CONVERSATIONS:
        value = settings.get(key)
        if isinstance(value, (str, int)) and value != "":
            return {semconv.CONVERSATION_ID: str(value), semconv.SESSION_ID: str(value)}
    return {}


def _value(key: str, value: Any, scrub: Scrub) -> AttributeValue | None:
    if isinstance(value, str):
        return scrub(value, key)
    if isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return [scrub(item, key) for item in value]
    try:
        return scrub(json.dumps(value, ensure_ascii=False), key) if value is not None else None
    except (TypeError, ValueError, RecursionError):
        return f"<{type(value).__name__}>"


def model_request(
    operation: str, serialized: Any, name: Any, params: Mapping[str, Any], metadata: Mapping[str, Any]
) -> Request:
    """Returns the request of a model run as far as LangChain tells it, without its messages."""
    kind = class_of(serialized)
    told = as_text(metadata.get("ls_provider")) or as_text(params.get("_type")) or kind.lower() or "langchain"
    model = _first(params, ("model", "model_name", "model_id", "deployment_name", "azure_deployment"))
    model = model or as_text(metadata.get("ls_model_name"))
    called = name_of(serialized, name, kind or "model")
    attributes: Attributes = {semconv.STEP_NAME: called}
    counts = (
        (semconv.REQUEST_MAX_TOKENS, _either(params, metadata, "max_tokens", "max_completion_tokens")),
        (semconv.REQUEST_TOP_K, params.get("top_k")),
        (semconv.REQUEST_SEED, params.get("seed")),
        (semconv.REQUEST_CHOICE_COUNT, params.get("n")),
    )
    numbers = (
        (semconv.REQUEST_TEMPERATURE, _either(params, metadata, "temperature")),
        (semconv.REQUEST_TOP_P, params.get("top_p")),
        (semconv.REQUEST_FREQUENCY_PENALTY, params.get("frequency_penalty")),
        (semconv.REQUEST_PRESENCE_PENALTY, params.get("presence_penalty")),
    )
    attributes.update({key: count for key, value in counts if (count := as_count(value)) is not None})
    attributes.update({key: number for key, value in numbers if (number := as_number(value)) is not None})
    stop = as_texts(params.get("stop") or metadata.get("ls_stop"))
    if stop:
        attributes[semconv.REQUEST_STOP_SEQUENCES] = stop
    return Request(
        operation=operation,
        provider=PROVIDERS.get(told, told),
        model=model,
        subject=None if model else called,
        attributes=attributes,
    )


def prompt_of(serialized: Any, name: str, metadata: Mapping[str, Any], variables: Any) -> Prompt:
    """Returns the identity of a template: its name, or its place on the hub, and a version.

    A template that was not pulled from the hub has the first 12 digits of its text's SHA-256 as its version:
    another text is another version.
    """
    repo = as_text(metadata.get("lc_hub_repo"))
    owner = as_text(metadata.get("lc_hub_owner"))
    version = as_text(metadata.get("lc_hub_commit_hash"))
    if repo:
        name = f"{owner}/{repo}" if owner and owner != "-" else repo
    filled = fields(variables) if isinstance(variables, Mapping) else {}
    plain = {key: value for key, value in filled.items() if isinstance(value, (str, int, float, bool))}
    return Prompt(name, version or _digest(serialized), plain)


def _digest(serialized: Any) -> str | None:
    template = fields(serialized).get("kwargs")
    if not template:
        return None
    text = json.dumps(template, sort_keys=True, ensure_ascii=False, default=lambda each: type(each).__name__)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]


def _either(params: Mapping[str, Any], metadata: Mapping[str, Any], *names: str) -> Any:
    for name in names:
        if params.get(name) is not None:
            return params[name]
    return metadata.get(f"ls_{names[0]}")


def _first(held: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    for name in names:
        value = as_text(held.get(name))
        if value:
            return value
    return None
