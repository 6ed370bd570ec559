"""Parts of Gemini's contents, sent and received. The wire has ``functionCall`` and ``function_call``."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from spanwise import messages
from spanwise.integrations._openai_items import server_tool_call, server_tool_response
from spanwise.integrations._stainless_fields import as_text, fields, items, plain
from spanwise.messages import Message, Part

_MODALITIES = ("image", "audio", "video")
_SCHEMAS = ("parametersJsonSchema", "parameters")
_NO_TOOLS = ("functionDeclarations", "function_declarations")


@lru_cache(maxsize=256)
def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def get(body: Mapping[str, Any], name: str) -> Any:
    """Returns a field by its name in camel case, or the same in snake case."""
    value = body.get(name)
    return body.get(_snake(name)) if value is None else value


def held(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Returns the object under a field, an empty one when there is none."""
    return fields(get(body, name))


def message_of(sent: Any) -> Message:
    """Returns one of a request's contents. Gemini calls the assistant ``model``."""
    if isinstance(sent, str):
        return {"role": "user", "parts": [messages.text(sent)]}
    content = fields(sent)
    return {"role": role_of(content.get("role") or "user"), "parts": parts_of(content)}


def role_of(role: Any) -> str:
    """Returns OpenTelemetry's word for a role."""
    return "assistant" if role == "model" else str(role)


def parts_of(content: Any) -> list[Part]:
    """Returns the parts of a content, neighbouring pieces of text joined, as they come in a stream."""
    if isinstance(content, str):
        return [messages.text(content)] if content else []
    return merged([part for sent in items(fields(content).get("parts")) for part in _parts(sent)])


def merged(parts: list[Part]) -> list[Part]:
    """Returns parts with neighbouring texts, and neighbouring thoughts, joined."""
    joined: list[tuple[Part, list[str]]] = []
    for part in parts:
        is_text = part["type"] in ("text", "reasoning")
        if is_text and joined and joined[-1][0]["type"] == part["type"]:
            joined[-1][1].append(part["content"])
        else:
            joined.append((part, [part["content"]] if is_text else []))
    return [{**part, "content": "".join(texts)} if texts else part for part, texts in joined]


def _parts(sent: Any) -> list[Part]:
    """Returns the parts of one part. A kind that is not known passes through unchanged."""
    if isinstance(sent, str):
        return [messages.text(sent)]
    part = fields(sent)
    shown = part.get("text")
    if isinstance(shown, str):
        if not shown:  # brings nothing but a signature
            return []
        return [messages.reasoning(shown) if part.get("thought") else messages.text(shown)]
    for kind, read in _PARTS.items():
        value = get(part, kind)
        if value is not None:
            return [read(fields(value))]
    own = {key: plain(value) for key, value in part.items() if "ignature" not in key and value is not None}
    return [{"type": next(iter(own)), "content": own}] if own else []


def modality_of(mime_type: str | None) -> str:
    """Returns the kind of medium that a MIME type names."""
    kind = (mime_type or "").partition("/")[0]
    return kind if kind in _MODALITIES else "document"


def _inline(data: Mapping[str, Any]) -> Part:
    mime_type, content = as_text(get(data, "mimeType")), data.get("data")
    # The client writes base64 for addresses; everybody else reads the other one.
    encoded = plain(content).replace("-", "+").replace("_", "/") if content is not None else ""
    return messages.blob(modality_of(mime_type), encoded, mime_type)


def _file(data: Mapping[str, Any]) -> Part:
    mime_type = as_text(get(data, "mimeType"))
    return messages.uri(modality_of(mime_type), str(get(data, "fileUri")), mime_type)


def _call(call: Mapping[str, Any]) -> Part:
    arguments = call.get("args")
    if arguments is None:
        arguments = get(call, "partialArgs")
    return messages.tool_call(as_text(call.get("id")), str(call.get("name")), plain(arguments))


def _answer(answer: Mapping[str, Any]) -> Part:
    """A function's answer; where calls have no ids, its name says which."""
    call_id = as_text(answer.get("id")) or as_text(answer.get("name"))
    part = messages.tool_call_response(call_id, plain(answer.get("response")))
    media = [piece for each in items(answer.get("parts")) for piece in _parts(each)]
    return part | {"parts": media} if media else part


def _code(code: Mapping[str, Any]) -> Part:
    details = {"type": "executable_code", "language": as_text(code.get("language")), "code": code.get("code")}
    return server_tool_call(as_text(code.get("id")), "code_execution", details)


def _result(result: Mapping[str, Any]) -> Part:
    details = {"outcome": as_text(result.get("outcome")), "output": result.get("output")}
    return server_tool_response(as_text(result.get("id")), {"type": "code_execution_result", **details})


def _server_call(call: Mapping[str, Any]) -> Part:
    kind = str(get(call, "toolType") or "tool").lower()
    return server_tool_call(as_text(call.get("id")), kind, {"type": kind, "args": plain(call.get("args"))})


def _server_answer(answer: Mapping[str, Any]) -> Part:
    kind = str(get(answer, "toolType") or "tool").lower()
    details = {"type": kind, "response": plain(answer.get("response"))}
    return server_tool_response(as_text(answer.get("id")), details)


_PARTS: dict[str, Callable[[Mapping[str, Any]], Part]] = {
    "functionCall": _call,
    "functionResponse": _answer,
    "inlineData": _inline,
    "fileData": _file,
    "executableCode": _code,
    "codeExecutionResult": _result,
    "toolCall": _server_call,
    "toolResponse": _server_answer,
}


def tool_definitions(sent: Any) -> list[dict[str, Any]]:
    """Returns a request's tools in OpenTelemetry's shape; those that Google runs keep their own fields."""
    found: list[dict[str, Any]] = []
    for tool in map(fields, items(sent) or (sent,)):
        found += [_function(fields(each)) for each in items(get(tool, "functionDeclarations"))]
        for kind, config in tool.items():
            if kind not in _NO_TOOLS and config is not None:
                found.append({**plain(dict(fields(config))), "type": kind, "name": kind})
    return found


def _function(function: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "function", "name": str(function.get("name"))}
    if as_text(function.get("description")):
        found["description"] = function["description"]
    schema = next((value for name in _SCHEMAS if (value := get(function, name)) is not None), None)
    if schema is not None:
        found["parameters"] = plain(schema)
    return found
