"""The URL as state: filters, ranges, the filter field's language."""

from datetime import timezone
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanwise_dashboards.query import BadQuery, read_query
from spanwise_dashboards.search import split_search

NOW = 1_763_562_713_000_000_000
DAY = 86_400_000_000_000


def read(**given: str):
    return read_query("/traces", given, NOW)


def state(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


def test_the_default_is_the_last_day():
    query = read()
    assert (query.range, query.is_range_given, query.where.from_ns) == ("24h", False, NOW - DAY)
    assert query.url() == "/traces"
    assert not query.has_filters


def test_filters_reach_the_store_and_the_chips():
    query = read(
        status="error", model="gpt-4.1", min_duration_ms="50", min_cost_usd="0.1", unpriced="1", q="refund"
    )
    where = query.where
    assert (where.status, where.model, where.min_duration_ms, where.min_cost_usd) == (
        "error",
        "gpt-4.1",
        50,
        0.1,
    )
    assert (where.is_unpriced, where.q) == (True, "refund")
    sentences = {" ".join((chip.field, chip.operator, chip.value)) for chip in query.chips()}
    assert sentences == {
        "status is error",
        "model is gpt-4.1",
        "latency ≥ 50 ms",
        "cost ≥ $0.1",
        "cost is unpriced",
        "text contains refund",
    }
    without = next(chip.without for chip in query.chips() if chip.key == "status")
    assert "status" not in state(without)
    assert state(without)["q"] == "refund"


def test_a_change_of_filters_forgets_the_cursor():
    query = read(status="error", cursor="abc", at="50", range="7d")
    assert state(query.url(model="m")) == {"status": "error", "model": "m", "range": "7d"}


def test_custom_ranges_survive_in_the_url():
    query = read(**{"from": "2025-11-19T10:00:00Z", "to": "2025-11-19T11:00:00.5Z"})
    assert query.range == "custom"
    assert query.where.to_ns is not None
    assert query.where.to_ns - (query.where.from_ns or 0) == 3_600_500_000_000
    again = read(**state(query.url()))
    assert again.where == query.where


def test_a_date_field_means_the_readers_zone():
    given = {"from": "2025-11-19T10:00"}
    utc = read_query("/traces", given, NOW, timezone.utc).from_ns
    tokyo = read_query("/traces", given, NOW, ZoneInfo("Asia/Tokyo")).from_ns
    assert utc is not None
    assert tokyo is not None
    assert utc - tokyo == 9 * 3_600_000_000_000


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"min_cost_usd": "x"}, "min_cost_usd=x"),
        ({"min_duration_ms": "-1"}, "min_duration_ms=-1"),
        ({"min_duration_ms": "nan"}, "min_duration_ms=nan"),
        ({"range": "3y"}, "range=3y"),
        ({"from": "yesterday"}, "from=yesterday"),
        ({"to": "9999999999999999"}, ""),
    ],
)
def test_what_cannot_be_read_is_named(given: dict[str, str], words: str):
    if not words:
        assert read(**given).where.to_ns is not None
        return
    with pytest.raises(BadQuery, match=words.replace("-", r"\-")):
        read(**given)


@pytest.mark.parametrize(
    ("text", "filters", "rest"),
    [
        ("refund please", {}, "refund please"),
        ("status:error refund", {"status": "error"}, "refund"),
        ('model:"my model" user:u-1', {"model": "my model", "user_id": "u-1"}, ""),
        ("latency>2s cost>0.01", {"min_duration_ms": "2000", "min_cost_usd": "0.01"}, ""),
        ("latency < 50", {"max_duration_ms": "50"}, ""),
        ("cost:unpriced", {"unpriced": "1"}, ""),
        ("https://a.example/x note: this", {}, "https://a.example/x note: this"),
        ("latency>1.2.3", {"min_duration_ms": "1.2.3"}, ""),
    ],
)
def test_the_filter_language(text: str, filters: dict[str, str], rest: str):
    assert split_search(text) == (filters, rest)


@given(st.dictionaries(st.sampled_from(["q", "status", "model", "tag", "user_id"]), st.text(max_size=40)))
def test_any_text_survives_the_way_through_the_url(values: dict[str, str]):
    query = read_query("/traces", values, NOW)
    again = read_query("/traces", state(query.url()), NOW)
    assert again.where == query.where
