"""What a recording holds, read from its raw JSON without any code of the SDK.

The expectation is a plain dictionary, so that a difference names the field. Text is compared joined, a part
at a time for tool calls and results; order within a message counts.
"""

import json
from typing import Any

from recordings import Recording

FOLDED = {
    "tool_calls": "tool_call",
    "tool_use": "tool_call",
    "function_call": "tool_call",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "eos": "stop",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "refusal": "content_filter",
}
"""OpenTelemetry's words for the providers' finish reasons."""


def expected(recording: Recording) -> dict[str, Any]:
    """Returns what has to come out for a recording."""
    if recording.file.startswith("anthropic"):
        found = _anthropic(recording)
    elif "/responses" in recording.path:
        found = _responses(recording)
    elif recording.path.partition("?")[0].endswith("/embeddings"):
        found = _embeddings(recording)
    else:
        found = _choices(recording)
    system = found.pop("system", "")
    if system:
        found["input"] = [digest("system", text=system), *found["input"]]
    failure = _failure(recording)
    if failure:
        found.update(status="error", error_message=failure)
        if not recording.is_stream:
            found.update(output=[], finish_reasons=None)
    return {"status": "unset", "error_message": None, "request_model": recording.request.get("model")} | found


def _document(recording: Recording) -> dict[str, Any]:
    try:
        return json.loads(recording.answer)
    except ValueError:
        return {}


def _failure(recording: Recording) -> str | None:
    """The provider's words, from an error status or an error inside of a 200."""
    if "event-stream" in recording.content_type:
        events = [event for event in recording.events if isinstance(event, dict)]
        errors = [event["error"] for event in events if event.get("error")]
        return errors[0]["message"] if errors else None
    body = _document(recording)
    error = body.get("error")
    if recording.status >= 400:
        return error["message"] if isinstance(error, dict) else recording.answer
    return error["message"] if error and "choices" not in body else None


def _usage(reported: dict[str, Any] | None) -> dict[str, Any]:
    """Token counts under the names that the API uses."""
    usage = reported or {}
    inside = usage.get("prompt_tokens_details") or usage.get("input_tokens_details") or {}
    made = usage.get("completion_tokens_details") or usage.get("output_tokens_details") or {}
    names = ("prompt_cache_hit_tokens", "cached_tokens", "num_cached_tokens")
    cached = [inside.get("cached_tokens"), *(usage.get(name) for name in names)]
    return {
        "input_tokens": usage.get("prompt_tokens", usage.get("input_tokens")),
        "output_tokens": usage.get("completion_tokens", usage.get("output_tokens")),
        "cached_input_tokens": next((count for count in cached if count is not None), None),
        "reasoning_output_tokens": made.get("reasoning_tokens"),
    }


def digest(role: str, **held: Any) -> dict[str, Any]:
    """Returns one message in the form that is compared; empty fields are left out."""
    return {"role": role} | {key: value for key, value in held.items() if value}


def loads(arguments: Any) -> Any:
    """Returns a tool call's arguments, parsed where they are a JSON object or list."""
    if isinstance(arguments, str) and arguments[:1] in ("{", "["):
        try:
            return json.loads(arguments)
        except ValueError:
            return arguments
    return arguments


# --- chat completions and completions ---


def _choices(recording: Recording) -> dict[str, Any]:
    request = recording.request
    found: dict[str, Any] = {"input": [_chat_message(message) for message in request.get("messages", [])]}
    if "prompt" in request:
        prompts = [request["prompt"]] if isinstance(request["prompt"], str) else request["prompt"]
        found["input"] = [digest("user", text=prompt) for prompt in prompts]
    tools = [tool.get("function", tool) for tool in request.get("tools") or []]
    found["tools"] = [tool.get("name") or tool.get("type") for tool in tools]
    if "event-stream" in recording.content_type:
        return found | _streamed_choices(recording)
    body = _document(recording)
    choices = body.get("choices") or []
    reasons = [FOLDED.get(choice["finish_reason"], choice["finish_reason"]) for choice in choices]
    messages = [choice.get("message") or {"content": choice.get("text")} for choice in choices]
    return found | {
        "operation": "text_completion" if "prompt" in request else "chat",
        "response_model": body.get("model"),
        "finish_reasons": reasons or None,
        "output": [_chat_message({"role": "assistant", **message}) for message in messages],
        **_usage(body.get("usage")),
    }


def _chat_message(message: dict[str, Any]) -> dict[str, Any]:
    content = message.get("content")
    parts = content if isinstance(content, list) else []
    text = content if isinstance(content, str) else "".join(part.get("text", "") for part in parts)
    if message["role"] == "tool":
        return digest("tool", results=[(message["tool_call_id"], text)])
    thought = message.get("reasoning_content") or message.get("reasoning") or ""
    for part in parts:
        thought += "".join(piece["text"] for piece in part.get("thinking", []))
    calls = [
        (call["id"], call["function"]["name"], loads(call["function"]["arguments"]))
        for call in message.get("tool_calls") or []
    ]
    media = sum(part["type"] not in ("text", "thinking") for part in parts)
    return digest(message["role"], text=text, reasoning=thought, calls=calls, media=media)


def _streamed_choices(recording: Recording) -> dict[str, Any]:
    text: dict[int, str] = {}
    thought: dict[int, str] = {}
    reasons: dict[int, str] = {}
    calls: dict[tuple[int, int], list[str]] = {}
    model, usage = None, None
    for event in recording.events:
        model = model or event.get("model")
        usage = event.get("usage") or (event.get("x_groq") or {}).get("usage") or usage
        for choice in event.get("choices") or []:
            index, delta = choice["index"], choice.get("delta") or {"content": choice.get("text")}
            content = delta.get("content") or ""
            text[index] = text.get(index, "") + content
            shown = delta.get("reasoning_content") or delta.get("reasoning") or ""
            thought[index] = thought.get(index, "") + shown
            if choice.get("finish_reason"):
                reasons[index] = FOLDED.get(choice["finish_reason"], choice["finish_reason"])
            for position, call in enumerate(delta.get("tool_calls") or []):
                piece = calls.setdefault((index, call.get("index", position)), ["", "", ""])
                piece[0] += call.get("id") or ""
                piece[1] += call["function"].get("name") or ""
                piece[2] += call["function"].get("arguments") or ""
    output = []
    for index in sorted(text):
        made = [(call[0], call[1], loads(call[2])) for key, call in sorted(calls.items()) if key[0] == index]
        output.append(digest("assistant", text=text[index], reasoning=thought[index], calls=made))
    return {
        "operation": "text_completion" if "prompt" in recording.request else "chat",
        "response_model": model,
        "finish_reasons": [reasons[index] for index in sorted(reasons)] or None,
        "output": output,
        **_usage(usage),
    }


# --- embeddings ---


def _embeddings(recording: Recording) -> dict[str, Any]:
    body, sent = _document(recording), recording.request["input"]
    usage = _usage(body.get("usage"))
    return {
        "operation": "embeddings",
        "response_model": body.get("model"),
        "finish_reasons": None,
        "embedded": [sent] if isinstance(sent, str) else sent,
        **usage,
    }


# --- responses ---


def _responses(recording: Recording) -> dict[str, Any]:
    request, sent = recording.request, recording.request.get("input", [])
    body = _document(recording)
    if "event-stream" in recording.content_type:
        body = next(e["response"] for e in reversed(recording.events) if e["type"] == "response.completed")
    items = [{"role": "user", "content": sent}] if isinstance(sent, str) else sent
    output = body.get("output") or []
    message = digest(
        "assistant",
        text="".join(_content_text(item) for item in output if item["type"] == "message"),
        reasoning="".join(_summary(item) for item in output if item["type"] == "reasoning"),
        calls=[_item_call(item) for item in output if item["type"] == "function_call"],
        server_calls=[item["type"] for item in output if item["type"] == "web_search_call"],
    )
    found = {
        "operation": "fetch_response" if recording.method == "GET" else "chat",
        "input": _history(items),
        "response_model": body.get("model"),
        "finish_reasons": _status_reason(body),
        "output": [message] if output else [],
        "system": request.get("instructions") or "",
        "tools": [tool.get("name") or tool["type"] for tool in request.get("tools") or []],
        **_usage(body.get("usage")),
    }
    return found


def _status_reason(body: dict[str, Any]) -> list[str] | None:
    if body.get("status") == "incomplete":
        reason = body["incomplete_details"]["reason"]
        return [FOLDED.get(reason, reason)]
    if body.get("status") != "completed":
        return None
    calls = [item for item in body["output"] if item["type"] == "function_call"]
    return ["tool_call" if calls else "stop"]


def _content_text(item: dict[str, Any]) -> str:
    content = item["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def _summary(item: dict[str, Any]) -> str:
    return "".join(part["text"] for part in item.get("content") or item.get("summary") or [])


def _item_call(item: dict[str, Any]) -> tuple[str, str, Any]:
    return item["call_id"], item["name"], loads(item["arguments"])


def _history(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Messages stay messages; the items of an answer are one assistant message until something else comes."""
    history: list[dict[str, Any]] = []
    open_message: dict[str, Any] | None = None
    for item in items:
        kind = item.get("type", "message")
        if kind in ("function_call", "reasoning", "tool_search_call"):
            if open_message is None:
                open_message = {"role": "assistant"}
                history.append(open_message)
            if kind == "reasoning":
                if _summary(item):
                    open_message["reasoning"] = open_message.get("reasoning", "") + _summary(item)
            else:
                open_message.setdefault("calls", []).append(_item_call({"name": "tool_search"} | item))
            continue
        open_message = None
        if kind == "message":
            parts = item["content"] if isinstance(item["content"], list) else []
            media = sum(part["type"] not in ("input_text", "output_text") for part in parts)
            history.append(digest(item["role"], text=_content_text(item), media=media))
        else:
            output = item.get("output", item.get("tools"))
            history.append(
                digest("tool", results=[(item["call_id"], output if isinstance(output, str) else "")])
            )
    return history


# --- anthropic ---


def _anthropic(recording: Recording) -> dict[str, Any]:
    request = recording.request
    body = _document(recording)
    if "event-stream" in recording.content_type:
        body = _assembled(recording.events)
    usage = body.get("usage") or {}
    cached = [usage.get("cache_read_input_tokens"), usage.get("cache_creation_input_tokens")]
    system = request.get("system") or ""
    reason = body.get("stop_reason")
    return {
        "operation": "chat",
        "input": [_blocks(message["role"], message["content"]) for message in request["messages"]],
        "response_model": body.get("model"),
        "finish_reasons": [FOLDED.get(reason, reason)] if reason else None,
        "output": [_blocks("assistant", body.get("content", []))],
        "system": system if isinstance(system, str) else "".join(block["text"] for block in system),
        "tools": [tool["name"] for tool in request.get("tools", [])],
        "input_tokens": sum(n for n in [usage.get("input_tokens"), *cached] if n) if usage else None,
        "output_tokens": usage.get("output_tokens"),
        "cached_input_tokens": usage.get("cache_read_input_tokens"),
        "reasoning_output_tokens": (usage.get("output_tokens_details") or {}).get("thinking_tokens"),
    }


def _blocks(role: str, content: Any) -> dict[str, Any]:
    if isinstance(content, str):
        return digest(role, text=content)
    results = []
    for block in content:
        if block["type"] == "tool_result":
            text = block["content"]
            text = text if isinstance(text, str) else "".join(part.get("text", "") for part in text)
            results.append((block["tool_use_id"], text))
    return digest(
        role,
        text="".join(block["text"] for block in content if block["type"] == "text"),
        reasoning="".join(block["thinking"] for block in content if block["type"] == "thinking"),
        calls=[(b["id"], b["name"], b["input"]) for b in content if b["type"] == "tool_use"],
        results=results,
        media=sum(block["type"] in ("image", "document") for block in content),
        server_calls=[b["type"] for b in content if b["type"] == "server_tool_use"],
        server_results=[b["type"] for b in content if b["type"].endswith("_tool_result")],
    )


def _assembled(events: list[dict[str, Any]]) -> dict[str, Any]:
    message: dict[str, Any] = {"usage": {}, "content": []}
    pieces: dict[int, str] = {}
    for event in events:
        if event["type"] == "message_start":
            message |= {**event["message"], "content": []}
        elif event["type"] == "content_block_start":
            message["content"].append(event["content_block"])
        elif event["type"] == "content_block_delta":
            delta, block = event["delta"], message["content"][event["index"]]
            for field in ("text", "thinking"):
                if field in delta:
                    block[field] += delta[field]
            if "partial_json" in delta:
                pieces[event["index"]] = pieces.get(event["index"], "") + delta["partial_json"]
        elif event["type"] == "message_delta":
            message["stop_reason"] = event["delta"]["stop_reason"]
            message["usage"] = {**message["usage"], **event["usage"]}
    for index, piece in pieces.items():
        message["content"][index]["input"] = json.loads(piece or "{}")
    return message
