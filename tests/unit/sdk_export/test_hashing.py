"""``capture="hash"``: equal texts can be counted, none can be read, the shape of messages stays."""

import hashlib
import hmac
import json
from typing import Any

import pytest

import spanwise
from spanwise import semconv
from spanwise.config import CaptureMode, Config
from spanwise.hashing import Hasher, hasher_of
from spanwise.pipeline import Pipeline
from spanwise.redact import scrub
from spanwise.testing import record_spans

SECRET = "the patient's name is Ada"


def digest(text: str) -> str:
    return f"[sha256:{hashlib.sha256(text.encode()).hexdigest()[:16]} {len(text)} chars]"


def test_what_says_how_messages_are_built_stays() -> None:
    messages = [
        {"role": "user", "name": SECRET, "parts": [{"type": "text", "content": SECRET}, {"type": "text"}]},
        {
            "role": "assistant",
            "finish_reason": "tool_call",
            "parts": [
                {
                    "type": "tool_call",
                    "id": "call_1",
                    "name": "look_up",
                    "arguments": {"name": SECRET, "age": 36},
                }
            ],
        },
        {
            "role": "tool",
            "parts": [{"type": "tool_call_response", "id": "call_1", "response": {"type": SECRET}}],
        },
        {
            "role": "user",
            "parts": [{"type": "blob", "modality": "image", "mime_type": None, "content": "aGk="}],
        },
        {
            "role": "user",
            "parts": [{"type": "other", "name": SECRET, "id": "x" * 129, "nested": [{"role": SECRET}]}],
        },
    ]
    found = Hasher().hashed(semconv.INPUT_MESSAGES, messages)
    arguments = json.dumps({"age": 36, "name": SECRET}, separators=(",", ":"))
    assert found[:4] == [
        {
            "role": "user",
            "name": digest(SECRET),
            "parts": [{"type": "text", "content": digest(SECRET)}, {"type": "text"}],
        },
        {
            "role": "assistant",
            "finish_reason": "tool_call",
            "parts": [
                {"type": "tool_call", "id": "call_1", "name": "look_up", "arguments": digest(arguments)}
            ],
        },
        {
            "role": "tool",
            "parts": [
                {
                    "type": "tool_call_response",
                    "id": "call_1",
                    "response": digest(json.dumps({"type": SECRET}, separators=(",", ":"))),
                }
            ],
        },
        {
            "role": "user",
            "parts": [{"type": "blob", "modality": "image", "mime_type": None, "content": digest("aGk=")}],
        },
    ]
    assert SECRET not in json.dumps(found)
    assert "x" * 129 not in json.dumps(found), "an id that long is none"


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        (semconv.STEP_INPUT, {"name": SECRET, "type": "x"}, digest(f'{{"name":"{SECRET}","type":"x"}}')),
        (semconv.STEP_OUTPUT, SECRET, digest(SECRET)),
        (semconv.STEP_OUTPUT, 42, digest("42")),
        (semconv.STEP_OUTPUT, "", ""),
        (semconv.INPUT_MESSAGES, SECRET, digest(SECRET)),
        (semconv.INPUT_MESSAGES, [SECRET], [digest(SECRET)]),
        (
            semconv.SYSTEM_INSTRUCTIONS,
            [{"type": "text", "content": "x"}],
            [{"type": "text", "content": digest("x")}],
        ),
        (
            semconv.RETRIEVAL_DOCUMENTS,
            [{"id": "faq-7", "score": 0.5, "content": SECRET, "title": SECRET}],
            [{"id": "faq-7", "score": 0.5, "content": digest(SECRET), "title": digest(SECRET)}],
        ),
        (
            semconv.TOOL_DEFINITIONS,
            [{"type": "function", "name": "look_up", "description": "d", "parameters": {}}],
            [{"type": "function", "name": "look_up", "description": digest("d"), "parameters": digest("{}")}],
        ),
        (
            semconv.TOOL_DEFINITIONS,
            [{"type": "function", "function": {"name": "look_up", "description": "d"}}],
            [{"type": "function", "function": {"name": "look_up", "description": digest("d")}}],
        ),
        ("gen_ai.prompt.variable.question", SECRET, digest(SECRET)),
    ],
)
def test_other_content(key: str, value: Any, expected: Any) -> None:
    assert Hasher().hashed(key, value) == expected


def test_a_key_makes_digests_that_nobody_else_can_check() -> None:
    expected = hmac.new(b"k1", SECRET.encode(), "sha256").hexdigest()[:16]
    assert Hasher("k1").digest(SECRET) == f"[hmac:{expected} {len(SECRET)} chars]"
    assert Hasher("k2").digest(SECRET) != Hasher("k1").digest(SECRET)


def test_digests_are_not_scrubbed_on_the_way() -> None:
    hasher = Hasher()
    all_digits = [
        text for text in map(str, range(30_000)) if hashlib.sha256(text.encode()).hexdigest()[:16].isdecimal()
    ]
    assert len(all_digits) > 5
    for text in all_digits:
        assert scrub(hasher.digest(text)) == hasher.digest(text)


@pytest.mark.parametrize("how", ["argument", "variable"])
def test_spans_leave_with_digests_of_scrubbed_text(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if how == "variable":
        monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "HASH")
    config = Config.from_env(isolated=True, capture="hash" if how == "argument" else None)
    assert config.capture is CaptureMode.HASH
    assert (config.capture.is_on_span, config.capture.is_on_event) == (False, False)
    pipeline = Pipeline(config)
    encoded = []
    put = pipeline._backlog.put
    monkeypatch.setattr(
        pipeline._backlog, "put", lambda item: encoded.append(pipeline._backlog._encode(item)) or put(item)
    )
    span = pipeline.tracer().start_span("chat", attributes={"gen_ai.operation.name": "chat"})
    vectors = {"shape": [1, 2], "content": "AAAA"}
    pipeline.put_content(
        span,
        {
            semconv.INPUT_MESSAGES: [{"role": "user", "parts": [{"type": "text", "content": SECRET}]}],
            semconv.EMBEDDINGS_VECTORS: vectors,
        },
    )
    span.end()
    pipeline.shutdown(0)
    (found,) = encoded
    assert digest(SECRET).encode() in found.content
    assert SECRET.encode() not in found.content + found.body
    assert b"AAAA" not in found.content, "a text can be guessed from its vector"


def test_the_apps_own_code_and_scores() -> None:
    with record_spans(capture="hash", hash_key="k1") as recorder:

        @spanwise.workflow
        def answer(question: str) -> str:
            spanwise.score("grounded", 0.5, comment=SECRET)
            return f"Reply to ada@example.com: {question}"

        assert answer(SECRET).endswith(SECRET)
    (span,) = recorder.spans
    hasher = Hasher("k1")
    assert span.attributes[semconv.STEP_INPUT] == hasher.digest({"question": SECRET})
    # The digest is that of the scrubbed text: who can guess an address cannot check the guess.
    assert span.attributes[semconv.STEP_OUTPUT] == hasher.digest(f"Reply to [email]: {SECRET}")
    assert recorder.scores[0].comment == hasher.digest(SECRET)


def test_the_key_stays_out_of_logs_and_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPANWISE_HASH_KEY", "k-secret")
    config = Config.from_env(capture="hash")
    assert "k-secret" not in repr(config)
    found = hasher_of(config)
    assert found is not None
    assert found.digest("x").startswith("[hmac:")
    assert hasher_of(Config.from_env()) is None
