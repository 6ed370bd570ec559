"""Tokens and cost of one span by kind of token; cached and reasoning ones never count twice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

from spanwise import semconv
from spanwise_collector.ingest.prices import PriceTable
from spanwise_collector.model import Span
from spanwise_dashboards import format as fmt

_ROUNDING = Decimal("0.000001")


@dataclass(frozen=True)
class UsageLine:
    """One kind of token. ``x`` and ``width`` are its place in the bar, in percent; ``colour`` its class."""

    name: str
    tokens: int
    colour: str
    x: float
    width: float
    price_label: str
    """US dollars a million tokens, ``""`` when the price is not known."""
    cost_label: str

    @property
    def tokens_label(self) -> str:
        """The count with commas."""
        return fmt.count(self.tokens)


@dataclass(frozen=True)
class Usage:
    """The usage card: lines that add up to ``total``, and what the call cost."""

    lines: list[UsageLine]
    total: int
    has_prices: bool
    """True when every line has its price and they add up to the stored cost."""
    cost_usd: Decimal | None
    cost_status: str
    price_source: str
    reported_cost_usd: Decimal | None
    is_estimated: bool

    @property
    def total_label(self) -> str:
        """The sum with commas."""
        return fmt.count(self.total)

    @property
    def cost_label(self) -> str:
        """The cost with six decimals, or why there is none."""
        if self.cost_usd is not None:
            return fmt.exact_money(self.cost_usd)
        return {"unpriced": "unpriced", "not_billable": "not billed"}.get(self.cost_status, "unknown")

    @property
    def explanation(self) -> str:
        """One sentence on where the cost comes from."""
        if self.cost_status == "reported":
            return "Cost as the provider reported it."
        if self.cost_usd is not None:
            return f"Price: {self.price_source}." if self.price_source else "Priced at ingest."
        if self.cost_status == "unpriced":
            return (
                "No price is known for this model on the day of the call, so the cost is unknown, not zero."
            )
        return "This span repeats the usage of the calls below it; only those are billed."


def usage_of(span: Span) -> Usage | None:
    """Returns the usage of a span, or ``None`` when it reported no tokens."""
    if span.input_tokens is None and span.output_tokens is None:
        return None
    cached = span.cached_input_tokens or 0
    written = span.cache_write_input_tokens or 0
    reasoning = span.reasoning_output_tokens or 0
    fresh = max(0, (span.input_tokens or 0) - cached - written)
    answer = max(0, (span.output_tokens or 0) - reasoning)
    kinds = [
        _Kind("Input", fresh, "f1", "input", span.input_tokens is not None),
        _Kind("Input, from cache", cached, "f5", "cache_read", span.cached_input_tokens is not None),
        _Kind("Input, written to cache", written, "f3", "cache_write", bool(written)),
        _Kind("Reasoning", reasoning, "f4", "output", span.reasoning_output_tokens is not None),
        _Kind("Answer" if reasoning else "Output", answer, "f2", "output", span.output_tokens is not None),
    ]
    shown = [kind for kind in kinds if kind.is_known]
    rates = _rates(span, shown)
    return Usage(
        lines=_lines(shown, rates),
        total=sum(kind.tokens for kind in shown),
        has_prices=bool(rates),
        cost_usd=span.cost_usd,
        cost_status=span.cost_status,
        price_source=span.price_source,
        reported_cost_usd=span.reported_cost_usd,
        is_estimated=span.sample_weight != 1.0,
    )


@dataclass(frozen=True)
class _Kind:
    name: str
    tokens: int
    colour: str
    rate: str
    is_known: bool


def _rates(span: Span, kinds: Sequence[_Kind]) -> dict[str, Decimal]:
    """Returns USD a token by kind of rate, only if they add up to the cost that was stored with the span.

    The stored cost stands; a table that changed since, or a price with more parts, gives no breakdown.
    """
    if span.cost_usd is None or span.cost_status != "priced":
        return {}
    tier = str(span.attributes.get(semconv.OPENAI_RESPONSE_SERVICE_TIER) or "")
    model = span.response_model or span.request_model
    price = _table().find(span.provider, model, tier, span.start_ns)
    if price is None or price.input is None:
        return {}
    size = span.input_tokens or 0
    base = price.input.at(size)
    rates = {
        "input": base,
        "cache_read": price.cache_read.at(size) if price.cache_read else base,
        "cache_write": price.cache_write.at(size) if price.cache_write else base,
        "output": price.output.at(size) if price.output else Decimal(0),
    }
    total = sum((kind.tokens * rates[kind.rate] for kind in kinds), price.per_request)
    return rates if abs(total - span.cost_usd) < _ROUNDING else {}


@cache
def _table() -> PriceTable:
    return PriceTable()


def _lines(kinds: Sequence[_Kind], rates: Mapping[str, Decimal]) -> list[UsageLine]:
    amounts = [float(kind.tokens * rates[kind.rate]) if rates else float(kind.tokens) for kind in kinds]
    whole = sum(amounts)
    lines: list[UsageLine] = []
    position = 0.0
    for kind, amount in zip(kinds, amounts, strict=True):
        width = 100 * amount / whole if whole else 0.0
        lines.append(
            UsageLine(
                name=kind.name,
                tokens=kind.tokens,
                colour=kind.colour,
                x=round(position, 2),
                width=round(max(0.0, width - 0.4), 2),
                price_label=_per_million(rates[kind.rate]) if rates else "",
                cost_label=fmt.exact_money(kind.tokens * rates[kind.rate]) if rates else "",
            )
        )
        position += width
    return lines


def _per_million(rate: Decimal) -> str:
    whole, _, digits = f"{rate * 1_000_000:,.4f}".partition(".")
    return f"{whole}.{digits.rstrip('0').ljust(2, '0')}"
