"""What a recording of Gemini's API holds, read from its raw JSON without any code of the SDK."""

import re
from typing import Any

from cassettes import Exchange
from recorded_truth import digest

FOLDED = {"STOP": "stop", "MAX_TOKENS": "length", "SAFETY": "content_filter", "UNEXPECTED_TOOL_CALL": "error"}


def model_of(exchange: Exchange) -> str:
    return re.search(r"([^/]+):", exchange.path).group(1)


def either(held: dict[str, Any], camel: str) -> Any:
    """Returns a field of a body that may be written in camel case or in snake case."""
    return held.get(camel) or held.get(re.sub("([A-Z])", r"_\1", camel).lower())


def expected(exchange: Exchange) -> dict[str, Any]:
    """Returns what has to come out for a recording."""
    body = exchange.request
    found = {"request_model": model_of(exchange), "status": "unset"}
    found |= _embedded(body) if "mbedContent" in exchange.path else _asked(body)
    if exchange.status >= 400:
        failure = exchange.answer["error"]["message"]
        return found | {"status": "error", "output": [], "finish_reasons": None, "error_message": failure}
    if "mbedContent" in exchange.path:
        count = (exchange.answer.get("usageMetadata") or {}).get("promptTokenCount")
        return found | {"input_tokens": count, "output_tokens": None, "finish_reasons": None}
    return found | _answered(exchange.events if "stream" in exchange.path else [exchange.answer])


def _embedded(body: dict[str, Any]) -> dict[str, Any]:
    texts = [each["content"]["parts"][0]["text"] for each in body["requests"]]
    return {"operation": "embeddings", "embedded": texts}


def _asked(body: dict[str, Any]) -> dict[str, Any]:
    system = either(body, "systemInstruction")
    told = [message(system["parts"], "system")] if system else []
    tools: list[str] = []
    offered = body.get("tools") or []
    for tool in [offered] if isinstance(offered, dict) else offered:
        declared = either(tool, "functionDeclarations")
        tools += [each["name"] for each in declared] if declared else [re.sub("_(.)", _upper, *tool)]
    return {
        "operation": "generate_content",
        "input": told + [message(each["parts"], each.get("role", "user")) for each in body["contents"]],
        "tools": tools,
    }


def _upper(found: re.Match[str]) -> str:
    return found.group(1).upper()


def message(parts: list[dict[str, Any]], role: str) -> dict[str, Any]:
    """Returns a message's digest."""
    found: dict[str, Any] = {"text": "", "reasoning": "", "calls": [], "results": [], "media": 0}
    found |= {"server_calls": [], "server_results": []}
    for part in parts:
        call, answer = either(part, "functionCall"), either(part, "functionResponse")
        if "text" in part:
            found["reasoning" if part.get("thought") else "text"] += part["text"]
        elif call:
            found["calls"].append((call.get("id"), call["name"], call.get("args") or {}))
        elif answer:
            found["results"].append((answer.get("id") or answer["name"], ""))
        elif "executableCode" in part:
            found["server_calls"].append("executable_code")
        elif "toolCall" in part:
            found["server_calls"].append(part["toolCall"]["toolType"].lower())
        elif "toolResponse" in part:
            found["server_results"].append(part["toolResponse"]["toolType"].lower())
        elif "codeExecutionResult" in part:
            found["server_results"].append("code_execution_result")
        elif either(part, "inlineData") or either(part, "fileData"):
            found["media"] += 1
    return digest("assistant" if role == "model" else role, **found)


def _answered(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    parts: dict[int, list[dict[str, Any]]] = {}
    reasons: dict[int, str] = {}
    usage: dict[str, Any] = {}
    feedback: dict[str, Any] = {}
    for chunk in chunks:
        usage |= chunk.get("usageMetadata", {})
        feedback |= chunk.get("promptFeedback", {})
        for place, candidate in enumerate(chunk.get("candidates", [])):
            index = candidate.get("index", place)
            parts.setdefault(index, [])
            parts[index] += candidate.get("content", {}).get("parts", [])
            if "finishReason" in candidate:
                reasons[index] = FOLDED.get(candidate["finishReason"], candidate["finishReason"])
    made = [usage[name] for name in ("candidatesTokenCount", "thoughtsTokenCount") if name in usage]
    sent = [usage[name] for name in ("promptTokenCount", "toolUsePromptTokenCount") if name in usage]
    blocked = ["content_filter"] if "blockReason" in feedback else None
    return {
        "output": [message(parts[index], "model") for index in sorted(parts)],
        "finish_reasons": [reasons[index] for index in sorted(reasons)] or blocked,
        "input_tokens": sum(sent) if sent else None,
        "output_tokens": sum(made) if made else None,
        "cached_input_tokens": usage.get("cachedContentTokenCount"),
        "reasoning_output_tokens": usage.get("thoughtsTokenCount"),
        "response_model": chunks[-1].get("modelVersion"),
    }
