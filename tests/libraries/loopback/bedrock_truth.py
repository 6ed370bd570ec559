"""What a recording of Bedrock holds, read from its raw JSON without any code of the SDK.

Also writes and reads AWS's binary event streams, with botocore's own reader.
"""

import base64
import json
import struct
import zlib
from typing import Any
from urllib.parse import unquote

from botocore.config import Config
from botocore.eventstream import EventStreamBuffer
from botocore.exceptions import ClientError
from botocore.session import get_session
from cassettes import Exchange
from recorded_truth import digest

__all__ = ["ClientError", "Config", "EventStreamBuffer", "get_session"]

FOLDED = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "FINISH": "stop",
    "LENGTH": "length",
    "MAX_TOKENS": "length",
    "max_tokens": "length",
    "tool_use": "tool_call",
    "guardrail_intervened": "content_filter",
}


def model_of(exchange: Exchange) -> str:
    return unquote(exchange.path.split("/model/")[1].rpartition("/")[0])


def operation_of(exchange: Exchange) -> str:
    """Returns the last word of the path, e.g. ``converse-stream``."""
    return exchange.path.rpartition("/")[2]


def sent(exchange: Exchange) -> dict[str, Any]:
    """Returns the request's JSON; some were recorded without."""
    return json.loads(exchange.sent) if exchange.sent else {}


def frame(kind: str, payload: Any, **headers: str) -> bytes:
    """Returns one binary event; ``kind`` is its ``:event-type``."""
    named = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    named |= {f":{name.replace('_', '-')}": value for name, value in headers.items()}
    head = b"".join(_header(name, value) for name, value in named.items() if value)
    body = json.dumps(payload).encode()
    prelude = struct.pack("!II", 16 + len(head) + len(body), len(head))
    prelude += struct.pack("!I", zlib.crc32(prelude))
    return (whole := prelude + head + body) + struct.pack("!I", zlib.crc32(whole))


def _header(name: str, value: str) -> bytes:
    return bytes([len(name)]) + name.encode() + b"\x07" + struct.pack("!H", len(value)) + value.encode()


def chunk(payload: Any) -> bytes:
    """Returns one event of ``invoke_model_with_response_stream``."""
    return frame("chunk", {"bytes": base64.b64encode(json.dumps(payload).encode()).decode()})


def events(body: bytes) -> list[tuple[str, dict[str, Any]]]:
    """Returns kind and JSON of every event, a model's own chunks unpacked."""
    buffer, found = EventStreamBuffer(), []
    buffer.add_data(body)
    for event in buffer:
        payload = json.loads(event.payload)
        if "bytes" in payload:
            payload = json.loads(base64.b64decode(payload["bytes"]))
        found.append((event.headers[":event-type"], payload))
    return found


def expected(exchange: Exchange) -> dict[str, Any]:
    """Returns what has to come out for a recording."""
    body, failed = sent(exchange), exchange.status >= 400
    found = _asked(body, model_of(exchange)) | {"request_model": model_of(exchange)}
    if failed:
        return found | {"status": "error", "output": [], "finish_reasons": None, "input_tokens": None}
    if operation_of(exchange).endswith("stream"):
        answer = _unstreamed(events(exchange.body))
    else:
        answer = exchange.answer
    return found | {"status": "unset"} | _answered(answer, exchange.headers)


# --- the request -------------------------------------------------------------------------------------------


def _asked(body: dict[str, Any], model: str) -> dict[str, Any]:
    if "embed" in model:
        nova = body.get("singleEmbeddingParams", {}).get("text", {}).get("value")
        embedded = body.get("texts") or [body.get("inputText") or nova]
        return {"operation": "embeddings", "embedded": embedded, "input": [], "tools": []}
    texts = [body[name] for name in ("prompt", "inputText", "message") if name in body]
    if "messages" not in body:
        said = [digest("user", text=text) for text in texts]
        operation = "chat" if "message" in body else "text_completion"
        return {"operation": operation, "input": said, "tools": []}
    system = body.get("system") or []
    told = system if isinstance(system, str) else "".join(part.get("text", "") for part in system)
    history = [message(each["role"], each["content"]) for each in body["messages"]]
    tools = body.get("toolConfig", {}).get("tools") or body.get("tools") or []
    held = [next(iter(tool.values())) if "name" not in tool else tool for tool in tools]
    return {
        "operation": "chat",
        "input": ([digest("system", text=told)] if told else []) + history,
        "tools": [tool["name"] for tool in held],
    }


def message(role: str, content: Any) -> dict[str, Any]:
    """Returns a message's digest, in Bedrock's format or Anthropic's."""
    blocks = [{"text": content}] if isinstance(content, str) else content
    found: dict[str, Any] = {"text": "", "reasoning": "", "calls": [], "results": [], "media": 0}
    found |= {"server_calls": [], "server_results": []}
    for block in blocks:
        _add(found, block)
    return digest(role, **found)


def _add(found: dict[str, Any], block: dict[str, Any]) -> None:
    kind = block.get("type")
    if "toolUse" in block or kind == "tool_use":
        _add_call(found, block.get("toolUse") or block)
    elif "toolResult" in block or kind == "tool_result":
        _add_result(found, block.get("toolResult") or block)
    elif "guardContent" in block:
        found["text"] += block["guardContent"]["text"]["text"]
    elif "reasoningContent" in block:
        found["reasoning"] += block["reasoningContent"].get("reasoningText", {}).get("text", "")
    elif kind == "image" or "image" in block or "document" in block:
        found["media"] += 1
    elif "text" in block:
        found["text"] += block["text"]


def _add_call(found: dict[str, Any], use: dict[str, Any]) -> None:
    if use.get("type") == "server_tool_use":
        found["server_calls"].append("server_tool_use")
    else:
        found["calls"].append((use.get("toolUseId") or use["id"], use["name"], use["input"]))


def _add_result(found: dict[str, Any], result: dict[str, Any]) -> None:
    content, kind = result["content"], result.get("type", "tool_result")
    if kind != "tool_result":
        found["server_results"].append(kind)
        return
    shown = content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
    found["results"].append((result.get("toolUseId") or result["tool_use_id"], shown))


# --- the answer --------------------------------------------------------------------------------------------


def _answered(answer: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
    outputs = _outputs(answer)
    reasons = [FOLDED.get(reason, reason) for _, reason in outputs if reason]
    return _counts(answer, headers) | {
        "response_model": answer.get("model"),
        "finish_reasons": reasons or None,
        "output": [message("assistant", content) for content, _ in outputs],
    }


def _outputs(answer: dict[str, Any]) -> list[tuple[Any, str | None]]:
    """Returns content and the reason why it ended, of each alternative."""
    if "output" in answer:
        return [(answer["output"]["message"]["content"], answer.get("stopReason"))]
    if "content" in answer:
        return [(answer["content"], answer["stop_reason"])]
    lists = {
        "results": ("outputText", "completionReason"),
        "generations": ("text", "finish_reason"),
        "outputs": ("text", "stop_reason"),
        "choices": ("text", "finish_reason"),
    }
    for name, (text, reason) in lists.items():
        if name in answer:
            return [(each[text], each.get(reason)) for each in answer[name]]
    for text, reason in (
        ("generation", "stop_reason"),
        ("completion", "stop_reason"),
        ("text", "finish_reason"),
    ):
        if text in answer:
            return [(answer[text], answer[reason])]
    return []


def _counts(answer: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
    def header(name: str) -> int | None:
        value = headers.get(f"x-amzn-bedrock-{name}-token-count")
        return None if value is None else int(value)

    usage = answer.get("usage") or {}

    def first(header_name: str, *names: str) -> int | None:
        return next((usage[name] for name in names if name in usage), header(header_name))

    made = first("output", "outputTokens", "output_tokens", "completion_tokens")
    uncached = first("input", "inputTokens", "input_tokens", "prompt_tokens")
    read = first(
        "cache-read-input", "cacheReadInputTokens", "cacheReadInputTokenCount", "cache_read_input_tokens"
    )
    written = first(
        "cache-write-input",
        "cacheWriteInputTokens",
        "cacheWriteInputTokenCount",
        "cache_creation_input_tokens",
    )
    known = [count for count in (uncached, read, written) if count is not None]
    return {"input_tokens": sum(known) if known else None, "output_tokens": made, "cached_input_tokens": read}


# --- streams -----------------------------------------------------------------------------------------------


def _unstreamed(found: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """Returns the answer that a stream's events are the pieces of."""
    kinds = [kind for kind, _ in found]
    payloads = [payload for _, payload in found]
    if "messageStart" in kinds:
        return _converse([{kind: payload} for kind, payload in found])
    if any("messageStart" in payload for payload in payloads):
        return _converse(payloads)
    if any(payload.get("type") == "message_start" for payload in payloads):
        return _claude(payloads)
    last = payloads[-1]
    text = "".join(payload["outputText"] for payload in payloads)
    reasons = [payload.get("completionReason") for payload in payloads if payload.get("completionReason")]
    sent = next(payload["inputTextTokenCount"] for payload in payloads if "inputTextTokenCount" in payload)
    metrics = last.get("amazon-bedrock-invocationMetrics", {})
    made = last.get("totalOutputTextTokenCount", metrics.get("outputTokenCount"))
    return {
        "results": [{"outputText": text, "completionReason": reasons[-1] if reasons else None}],
        "usage": {"input_tokens": int(sent), "output_tokens": None if made is None else int(made)},
    }


def _converse(payloads: list[dict[str, Any]]) -> dict[str, Any]:
    content: dict[int, dict[str, Any]] = {}
    answer: dict[str, Any] = {}
    for payload in payloads:
        start, delta = payload.get("contentBlockStart"), payload.get("contentBlockDelta")
        if start:
            ((kind, held),) = start["start"].items()
            content[start["contentBlockIndex"]] = {kind: {**held, "input": "", "content": []}}
        if delta:
            _grow(content.setdefault(delta["contentBlockIndex"], {}), delta["delta"])
        answer |= payload.get("messageStop", {}) | payload.get("metadata", {})
    for block in content.values():
        if "toolUse" in block:
            block["toolUse"]["input"] = json.loads(block["toolUse"]["input"] or "{}")
    return answer | {"output": {"message": {"content": [content[index] for index in sorted(content)]}}}


def _grow(block: dict[str, Any], delta: dict[str, Any]) -> None:
    ((kind, piece),) = delta.items()
    if kind == "text":
        block["text"] = block.get("text", "") + piece
    elif kind == "toolUse":
        block[kind]["input"] += piece["input"]
    elif kind == "toolResult":
        block[kind]["content"] += piece
    elif "text" in piece:
        shown = block.setdefault(kind, {"reasoningText": {"text": ""}})["reasoningText"]
        shown["text"] += piece["text"]
    elif "redactedContent" in piece:
        block[kind] = piece


def _claude(payloads: list[dict[str, Any]]) -> dict[str, Any]:
    answer: dict[str, Any] = {}
    blocks: list[dict[str, Any]] = []
    for payload in payloads:
        if payload["type"] == "message_start":
            answer = dict(payload["message"])
        elif payload["type"] == "content_block_start":
            blocks.append(dict(payload["content_block"], input=""))
        elif payload["type"] == "content_block_delta":
            delta = payload["delta"]
            if "text" in delta:
                blocks[payload["index"]]["text"] += delta["text"]
            blocks[payload["index"]]["input"] += delta.get("partial_json", "")
        elif payload["type"] == "message_delta":
            answer["usage"] = answer["usage"] | payload["usage"]
            answer["stop_reason"] = payload["delta"]["stop_reason"]
    for block in blocks:
        block["input"] = json.loads(block["input"] or "{}")
    return answer | {"content": blocks}
