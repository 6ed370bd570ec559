"""Numbers and times as the design fixes them."""

from datetime import timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from spanwise_dashboards import format as fmt

NB = fmt.NBSP
NS = 1_000_000_000


@pytest.mark.parametrize(
    ("nanoseconds", "written"),
    [
        (0, "0 ms"),
        (1, "<1 ms"),
        (1_500_000, "1.5 ms"),
        (9_960_000, "10 ms"),
        (214_000_000, "214 ms"),
        (999_600_000, "1.00 s"),
        (2_714_000_000, "2.71 s"),
        (17_440_000_000, "17.4 s"),
        (59_960_000_000, "1 min"),
        (72 * NS, "1 min 12 s"),
        (7_500 * NS, "2 h 5 min"),
        (200_000 * NS, "2 d 7 h"),
    ],
)
def test_durations_have_three_digits_that_matter(nanoseconds: int, written: str):
    assert fmt.duration(nanoseconds).replace(NB, " ") == written


@pytest.mark.parametrize(
    ("usd", "written"),
    [
        ("0", "$0"),
        ("0.00004", "<$0.0001"),
        ("0.03421", "$0.0342"),
        ("1", "$1.00"),
        ("61234.5", "$61,234.50"),
        ("-0.5", f"{fmt.MINUS}$0.5000"),
    ],
)
def test_money_has_four_decimals_below_one(usd: str, written: str):
    assert fmt.money(Decimal(usd)) == written


def test_counts_and_shares():
    assert fmt.count(11572) == "11,572"
    assert fmt.count(-3) == f"{fmt.MINUS}3"
    assert fmt.short_count(9_999) == "9,999"
    assert fmt.short_count(12_340) == f"12.3{NB}k"
    assert fmt.short_count(4_100_000) == f"4.1{NB}M"
    assert fmt.share(1, 3) == f"33.3{NB}%"
    assert fmt.share(1, 10_000) == f"<0.1{NB}%"
    assert fmt.share(0, 0) == "no data"
    assert fmt.plural(1, "span") == "1 span"
    assert fmt.plural(2, "span") == "2 spans"


def test_instants_keep_nine_digits():
    assert fmt.iso(1_763_562_713_207_000_001) == "2025-11-19T14:31:53.207000001Z"
    assert fmt.iso(0) == "1970-01-01T00:00:00.000000000Z"


def test_a_clock_speaks_the_readers_zone():
    now = 1_763_562_713_207_000_000  # 2025-11-19 14:31:53 UTC
    utc, tokyo = fmt.Clock(timezone.utc, now), fmt.Clock(ZoneInfo("Asia/Tokyo"), now)
    assert utc.moment(now) == "14:31:53"
    assert tokyo.moment(now) == "23:31:53"
    assert tokyo.zone_name == "JST"
    assert utc.moment(now - 86_400 * NS) == "Nov 18, 14:31"
    assert utc.exact(now) == "Nov 19, 14:31:53.207"
    assert utc.minute(now - 400 * 86_400 * NS).startswith("Oct 15 2024")
    assert utc.span(now - 3_600 * NS, now) == "Nov 19 13:31 to 14:31"
    assert utc.span(now - 86_400 * NS, now) == "Nov 18 14:31 to Nov 19 14:31"


def test_how_long_since():
    assert fmt.ago(3 * NS) == f"3{NB}s ago"
    assert fmt.ago(7_300 * NS) == f"2{NB}h ago"
