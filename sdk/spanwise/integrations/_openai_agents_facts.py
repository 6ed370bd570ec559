"""What the OpenAI Agents SDK's spans hold: names, attributes, and a model call's request and answer.

Pure functions over its ``SpanData`` objects.

Source: openai-agents ``agents.tracing.span_data`` and ``agents.models``.
"""

from collections.abc import Mapping
from typing import Any

from spanwise import semconv
from spanwise.integrations import _openai_chat, _openai_responses
from spanwise.integrations._openai_items import input_messages, output_parts
from spanwise.integrations._openai_parameters import sampling
from spanwise.integrations._openai_parts import content_parts, message_of, parts_of, tool_definition
from spanwise.integrations._stainless_fields import as_count, as_text, as_texts, fields, given, items, loaded
from spanwise.messages import Message
from spanwise.operation import AttributeValue, Request, Response, Usage
from spanwise.steps import Step

_HIDDEN = frozenset({"task", "turn"})
"""The run of the whole loop and one round of it: the workflow and the agent around them say as much."""
_MODELS = frozenset({"generation", "response"})
_DISABLED_RUN = "Agent run"
"""A span that the SDK opens around a run with tracing disabled, to hide the caller's."""
_OPERATIONS = {
    "agent": semconv.OP_INVOKE_AGENT,
    "function": semconv.OP_EXECUTE_TOOL,
    "guardrail": semconv.OP_GUARDRAIL,
}
_PROVIDERS = {
    "azure": semconv.PROVIDER_AZURE_OPENAI,
    "bedrock": semconv.PROVIDER_BEDROCK,
    "gemini": semconv.PROVIDER_GEMINI,
    "mistral": semconv.PROVIDER_MISTRAL,
    "vertex_ai": semconv.PROVIDER_VERTEX_AI,
    "xai": semconv.PROVIDER_XAI,
}
"""Prefixes of LiteLLM's and AnyLLM's models where OpenTelemetry has another name."""


def kind_of(data: Any) -> str:
    """Returns what a span is about: ``agent``, ``function``, ``generation`` and so on."""
    return as_text(getattr(data, "type", None)) or "custom"


def is_model(kind: str) -> bool:
    """Tells whether a span is a call of a model."""
    return kind in _MODELS


def step_of(kind: str, data: Any) -> Step | None:
    """Returns the step that a span becomes, not opened yet; ``None`` for what is not worth a span."""
    name = as_text(getattr(data, "name", None)) or kind
    if kind in _HIDDEN or (kind == "custom" and name == _DISABLED_RUN):
        return None
    attributes: dict[str, AttributeValue] = {semconv.STEP_KIND: kind}
    if kind == "function":
        is_remote = bool(getattr(data, "mcp_data", None))
        attributes[semconv.TOOL_TYPE] = "extension" if is_remote else "function"
    elif kind == "mcp_tools":
        name = f"list tools {getattr(data, 'server', None) or ''}".strip()
    elif kind in ("transcription", "speech"):
        attributes |= given([(semconv.REQUEST_MODEL, as_text(getattr(data, "model", None)))])
    return Step(name, _OPERATIONS.get(kind, semconv.OP_TASK), attributes)


def finish_step(step: Step, kind: str, data: Any) -> None:
    """Writes what a span holds at its end."""
    step.span.set_attributes(_end_attributes(kind, data))
    if kind == "handoff":
        target = as_text(getattr(data, "to_agent", None))
        step.span.update_name(f"handoff {target}" if target else "handoff")
    sent, received = _content(kind, data)
    if sent is not None:
        step.set_input(sent)
    if received is not None:
        step.set_output(received)


def _end_attributes(kind: str, data: Any) -> dict[str, AttributeValue]:
    if kind == "agent":
        tools, handoffs = (as_texts(getattr(data, name, None)) for name in ("tools", "handoffs"))
        return given(
            [
                (semconv.AGENT_TOOLS, tools),
                (semconv.AGENT_HANDOFFS, handoffs),
                (semconv.AGENT_OUTPUT_TYPE, as_text(getattr(data, "output_type", None))),
            ]
        )
    if kind == "handoff":
        return given(
            [
                (semconv.HANDOFF_FROM, as_text(getattr(data, "from_agent", None))),
                (semconv.HANDOFF_TO, as_text(getattr(data, "to_agent", None))),
            ]
        )
    if kind == "guardrail":
        return {semconv.GUARDRAIL_TRIGGERED: bool(getattr(data, "triggered", False))}
    return {}


def _content(kind: str, data: Any) -> tuple[Any, Any]:
    """Returns what went into a step and what came out; sounds are left out."""
    if kind == "custom":
        return getattr(data, "data", None) or None, None
    if kind == "mcp_tools":
        return None, getattr(data, "result", None)
    if kind == "function" and isinstance(data.input, str):
        return loaded(data.input.encode()), data.output
    sent = None if kind == "transcription" else getattr(data, "input", None)
    received = None if kind == "speech" else getattr(data, "output", None)
    return sent, received


# --- model calls ------------------------------------------------------------------------------------------


def model_request(data: Any) -> Request:
    """Returns the request of a model call as far as the SDK tells it when it begins, without content."""
    told = as_text(getattr(data, "model", None))
    prefix, _, rest = (told or "").rpartition("/")
    maker = prefix.split("/")[-1 if prefix.startswith("litellm/") else 0]
    provider = _PROVIDERS.get(maker, maker) or semconv.PROVIDER_OPENAI
    request = Request(semconv.OP_CHAT, provider, rest or told)
    request.attributes = sampling(fields(getattr(data, "model_config", None)))
    return request


def read_model(data: Any, wants_content: bool) -> Response:
    """Reads a model call that no client of ours recorded."""
    answer = getattr(data, "response", None)
    if answer is not None:
        response = _openai_responses.read_response(answer, wants_content)
    else:
        response = _generated(items(getattr(data, "output", None)), wants_content)
    if response.usage is None:
        response.usage = _usage(fields(getattr(data, "usage", None)))
    if wants_content:
        instructions = content_parts(fields(answer).get("instructions"))
        tools = [tool_definition(tool) for tool in items(fields(answer).get("tools"))]
        content: dict[str, Any] = {
            semconv.SYSTEM_INSTRUCTIONS: instructions,
            semconv.INPUT_MESSAGES: sent_messages(data),
            semconv.TOOL_DEFINITIONS: tools,
        }
        response.content |= {key: value for key, value in content.items() if value}
    return response


def _generated(output: Any, wants_content: bool) -> Response:
    """Reads a generation's output: a whole answer of one of OpenAI's APIs, or messages."""
    first = fields(output[0]) if output else {}
    if "output" in first:
        return _openai_responses.read_response(first, wants_content)
    if "choices" in first:
        return _openai_chat.read_response(first, wants_content)
    response = Response()
    if wants_content and output:
        response.output_messages = [message_of(each) for each in output]
    return response


def _usage(told: Mapping[str, Any]) -> Usage | None:
    if not told:
        return None
    sent, received = fields(told.get("input_tokens_details")), fields(told.get("output_tokens_details"))
    return Usage(
        input_tokens=as_count(told.get("input_tokens")),
        output_tokens=as_count(told.get("output_tokens")),
        cache_read_input_tokens=as_count(sent.get("cached_tokens")),
        reasoning_output_tokens=as_count(received.get("reasoning_tokens")),
    )


def sent_messages(data: Any) -> list[Message]:
    """Returns the history that a model was given: text, items, or messages of a chat."""
    sent = getattr(data, "input", None)
    if kind_of(data) == "response" or isinstance(sent, str):
        return input_messages(sent)
    return [message_of(each) for each in items(sent)]


def asked(data: Any) -> Any:
    """Returns what a run was asked, from its first model call: the text alone where it is one message."""
    history = [each for each in sent_messages(data) if each["role"] not in ("system", "developer")]
    if len(history) == 1 and (text := _text(history[0]["parts"])):
        return text
    return history or None


def answered(data: Any) -> Any:
    """Returns what a model answered: its text, else the parts of its answer."""
    answer = getattr(data, "response", None)
    if answer is not None:
        parts = output_parts(items(fields(answer).get("output")))
    else:
        parts = [part for each in items(getattr(data, "output", None)) for part in _parts(fields(each))]
    return _text(parts) or parts or None


def _parts(each: Mapping[str, Any]) -> list[Any]:
    if "output" in each:
        return output_parts(items(each["output"]))
    if "choices" in each:
        choice = fields(next(iter(items(each["choices"])), None))
        return parts_of(fields(choice.get("message")))
    return parts_of(each)


def _text(parts: Any) -> str:
    return "".join(part["content"] for part in parts if part.get("type") == "text")
