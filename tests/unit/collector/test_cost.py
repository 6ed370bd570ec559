"""Cost: equal to genai-prices' own arithmetic, dated, never counted twice, never zero when unknown."""

import random
from collections.abc import Callable
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import genai_prices
import pytest
from genai_prices.data_snapshot import get_snapshot

from spanwise_collector.ingest import prices
from spanwise_collector.ingest.prices import PriceTable, Tokens
from spanwise_collector.model import Span

Ingest = Callable[..., Span]
NS = 1_000_000_000
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o"}


def at(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=timezone.utc).timestamp()) * NS


def usage(**counts: int) -> dict[str, int]:
    return {f"gen_ai.usage.{name.replace('__', '.')}": count for name, count in counts.items()}


def test_every_model_costs_what_the_library_says() -> None:
    table, chance, compared = PriceTable(), random.Random(11), 0
    names = {"input": "input_tokens", "output": "output_tokens", "cache_read": "cache_read_tokens"}
    for provider in get_snapshot().providers:
        for model in provider.models:
            prices = model.prices if isinstance(model.prices, list) else []
            days = ["2024-03-01T12:00", "2025-09-15T03:00", "2026-11-01T18:30"] if prices else ["2026-11-01"]
            for day in days:
                total = chance.choice((1000, 150_000, 900_000))
                tokens = Tokens(
                    input=total, output=chance.randrange(9000), cache_read=chance.randrange(total)
                )
                counts = {theirs: getattr(tokens, ours) for ours, theirs in names.items()}
                price = table.find(provider.id, model.id, "", at(day))
                try:
                    when = datetime.fromisoformat(day).replace(tzinfo=timezone.utc)
                    expected = genai_prices.calc_price(
                        genai_prices.Usage(**counts),
                        model.id,
                        provider_id=provider.id,
                        genai_request_timestamp=when,
                    ).total_price
                except (LookupError, ValueError):
                    continue
                assert price is not None
                assert abs(price.cost(tokens) - expected) < Decimal("1e-12"), (provider.id, model.id, day)
                compared += 1
    assert compared > 1500


def test_the_price_of_the_spans_own_day_is_used_and_named() -> None:
    table = PriceTable()
    dated = [
        (provider.id, model)
        for provider in get_snapshot().providers
        for model in provider.models
        if isinstance(model.prices, list) and getattr(model.prices[-1].constraint, "start_date", None)
    ]
    provider_id, model = dated[0]
    change = model.prices[-1].constraint.start_date  # type: ignore[index, union-attr]
    midnight = int(datetime(change.year, change.month, change.day, tzinfo=timezone.utc).timestamp()) * NS
    before, after = (table.find(provider_id, model.id, "", midnight + shift) for shift in (-1, 0))
    assert before is not None
    assert after is not None
    assert before != after
    assert after.source == f"genai-prices {genai_prices.__version__}, {provider_id}/{model.id} since {change}"


def test_cached_tokens_are_charged_once_at_their_own_rate(ingest: Ingest) -> None:
    plain = ingest({**CHAT, **usage(input_tokens=1000, output_tokens=0)})
    cached = ingest({**CHAT, **usage(input_tokens=1000, output_tokens=0, cache_read__input_tokens=1000)})
    assert plain.cost_usd == Decimal("0.0025")
    assert cached.cost_usd == Decimal("0.00125")


def test_reasoning_tokens_are_part_of_the_output(ingest: Ingest) -> None:
    without = ingest({**CHAT, **usage(input_tokens=0, output_tokens=500)})
    with_reasoning = ingest(
        {**CHAT, **usage(input_tokens=0, output_tokens=500, reasoning__output_tokens=400)}
    )
    assert without.cost_usd == with_reasoning.cost_usd == Decimal("0.005")


def test_audio_tokens_have_their_own_price(ingest: Ingest) -> None:
    openai = next(provider for provider in get_snapshot().providers if provider.id == "openai")
    heard = next(
        model.id
        for model in openai.models
        if model.get_prices(datetime.now(timezone.utc)).input_audio_mtok and "realtime" in model.id
    )
    model = {**CHAT, "gen_ai.request.model": heard}
    text = ingest({**model, **usage(input_tokens=1000, output_tokens=0)})
    audio = ingest({**model, **usage(input_tokens=1000, output_tokens=0, audio__input_tokens=1000)})
    assert text.cost_usd is not None
    assert audio.cost_usd is not None
    assert audio.cost_usd > text.cost_usd


def test_the_answering_model_is_priced_before_the_requested_one(ingest: Ingest) -> None:
    span = ingest({**CHAT, "gen_ai.response.model": "gpt-4o-mini-2024-07-18", **usage(input_tokens=1000)})
    deployment = ingest(
        {
            **CHAT,
            "gen_ai.provider.name": "azure.ai.openai",
            "gen_ai.request.model": "our-deployment",
            "gen_ai.response.model": "gpt-4o-2024-08-06",
            **usage(input_tokens=1000),
        }
    )
    unknown = ingest({**CHAT, "gen_ai.response.model": "no-such-model", **usage(input_tokens=1000)})
    assert "gpt-4o-mini" in span.price_source
    assert deployment.cost_status == "priced"
    assert unknown.cost_usd == Decimal("0.0025")


@pytest.mark.parametrize("provider", ["ollama", "acme"])
def test_an_unknown_price_is_unknown_not_zero(provider: str, ingest: Ingest) -> None:
    span = ingest({**CHAT, "gen_ai.provider.name": provider, **usage(input_tokens=5, output_tokens=5)})
    assert (span.cost_usd, span.cost_status, span.is_billable) == (None, "unpriced", True)
    assert provider in span.price_source


def test_a_reported_cost_stands_in_only_where_no_price_is_known(ingest: Ingest) -> None:
    priced = ingest({**CHAT, **usage(input_tokens=1000), "gen_ai.usage.cost": 9.5})
    unpriced = ingest(
        {**CHAT, "gen_ai.request.model": "zz", **usage(input_tokens=1), "gen_ai.usage.cost": 9.5}
    )
    assert (priced.cost_usd, priced.reported_cost_usd) == (Decimal("0.0025"), Decimal("9.5"))
    assert (unpriced.cost_usd, unpriced.cost_status) == (Decimal("9.5"), "reported")


def test_without_usage_there_is_no_cost_and_a_failed_call_is_not_charged(ingest: Ingest) -> None:
    silent, failed = ingest(CHAT), ingest(CHAT, status="error")
    assert (silent.cost_usd, silent.cost_status) == (None, "unpriced")
    assert (failed.cost_usd, failed.cost_status) == (None, "not_billable")


@pytest.mark.parametrize("provider", ["", "langchain"])
def test_a_framework_is_no_provider_the_models_name_tells(provider: str, ingest: Ingest) -> None:
    attributes: dict[str, Any] = {**CHAT, "gen_ai.provider.name": provider, **usage(input_tokens=1000)}
    assert ingest(attributes).cost_usd == Decimal("0.0025")


def test_a_gateways_model_name_carries_its_provider(ingest: Ingest) -> None:
    litellm = {
        **CHAT,
        "gen_ai.provider.name": "litellm",
        "gen_ai.request.model": "anthropic/claude-sonnet-4-5",
    }
    assert "anthropic/claude-sonnet-4-5" in ingest({**litellm, **usage(input_tokens=9)}).price_source


def test_unknown_models_are_not_remembered_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prices, "MAX_KNOWN", 100)
    table, missed_before = PriceTable(), set(get_snapshot()._provider_misses)
    for number in range(250):
        assert table.find("acme", f"model-{number}", "", at("2026-11-01")) is None
    assert table.find("openai", "x" * 1_000_000, "", at("2026-11-01")) is None
    assert len(table._known) <= 100
    assert set(get_snapshot()._provider_misses) == missed_before


def test_a_cost_beyond_its_column_is_flagged(ingest: Ingest) -> None:
    span = ingest({**CHAT, **usage(input_tokens=10**12)})
    assert (span.input_tokens, span.cost_usd, span.cost_status) == (10**12, None, "unpriced")
    assert "cost_out_of_range" in span.warnings


@pytest.mark.parametrize("absurd", [2**60, 1e30, "1e300", 10**12 + 1])
def test_an_absurd_count_is_flagged_and_breaks_neither_columns_nor_sums(
    ingest: Ingest, absurd: int | float | str
) -> None:
    span = ingest({**CHAT, **usage(input_tokens=absurd)})
    assert (span.input_tokens, span.cost_usd, span.cost_status) == (None, None, "unpriced")
    assert span.warnings == ["unreadable:gen_ai.usage.input_tokens"]
    assert span.attributes["gen_ai.usage.input_tokens"] == absurd
