"""Secrets leave content on every way in, and JSON stays JSON."""

import json
import time
from collections.abc import Callable

import pytest

from spanwise import redact
from spanwise_collector.ingest.batch import Batch
from spanwise_collector.ingest.cost import Pricer
from spanwise_collector.ingest.pipeline import Pipeline
from spanwise_collector.model import Span

KEY, CARD = "sk-proj-a1B2c3D4e5F6g7H8i9J0", "4111111111111111"


@pytest.fixture
def clean(make_span: Callable[..., Span]) -> Callable[..., Span]:
    pipeline = Pipeline(Pricer(), 90, redact.scrub)

    def run(attributes: dict[str, object], **fields: object) -> Span:
        return pipeline.process(Batch(spans=[make_span(attributes, **fields)])).spans[0]

    return run


def test_messages_lose_their_secrets_and_stay_json(clean: Callable[..., Span]) -> None:
    part = {"type": "text", "content": f'my "key" is {KEY}\nand mail a.b@example.com'}
    span = clean({"gen_ai.input.messages": json.dumps([{"role": "user", "parts": [part]}])})
    assert json.loads(span.input_messages)[0]["parts"][0]["content"] == (
        'my "key" is [api_key]\nand mail [email]'
    )


def test_a_card_number_written_as_a_number_leaves_json_behind(clean: Callable[..., Span]) -> None:
    arguments = {"card": int(CARD), "amount": 12, "note": f"card {CARD}"}
    span = clean(
        {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.call.arguments": json.dumps(arguments)}
    )
    assert json.loads(span.tool_arguments) == {
        "card": "[card_number]",
        "amount": 12,
        "note": "card [card_number]",
    }


def test_content_that_stays_in_attributes_and_events_is_scrubbed_too(clean: Callable[..., Span]) -> None:
    span = clean(
        {"gen_ai.input.messages": f'[{{"cut {KEY}', "http.request.id": KEY},
        events=[("exception", 1, {"exception.message": f"bad key {KEY}", "exception.stacktrace": KEY})],
        status="error",
        status_message=f"refused {KEY}",
    )
    assert span.attributes["gen_ai.input.messages"] == '[{"cut [api_key]'
    assert span.attributes["http.request.id"] == KEY  # an identifier of the caller's own, not content
    assert span.status_message == "refused [api_key]"
    assert set(span.events[0].attributes.values()) == {"bad key [api_key]", "[api_key]"}


def test_tokens_and_cost_are_those_of_what_was_sent(clean: Callable[..., Span]) -> None:
    span = clean(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.usage.input_tokens": 4111111111,
            "gen_ai.response.id": "resp-4111111111111111",
        }
    )
    assert (span.input_tokens, span.response_id) == (4111111111, "resp-4111111111111111")


def test_ordinary_text_costs_little() -> None:
    text = "The museum opens at nine and tickets cost twelve euros; bring a coat, it is cold inside. " * 23
    best = min(_seconds(text) for _ in range(5))
    assert best < 300e-6, "scrubbing 2 kB of ordinary text must not dominate ingest"


def _seconds(text: str) -> float:
    started = time.perf_counter()
    for _ in range(50):
        redact.scrub(text)
    return (time.perf_counter() - started) / 50
