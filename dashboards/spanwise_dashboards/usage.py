"""Tokens and cost of one span, by kind of token. Subsets (cached, reasoning) are taken out, never added twice."""

from dataclasses import dataclass
from decimal import Decimal

from spanwise_collector.model import Span
from spanwise_dashboards import format as fmt


@dataclass(frozen=True)
class UsageLine:
    """One kind of token. ``x`` and ``width`` are its place in the bar, in percent; ``colour`` its class."""

    name: str
    tokens: int
    colour: str
    x: float
    width: float

    @property
    def tokens_label(self) -> str:
        """The count with commas."""
        return fmt.count(self.tokens)


@dataclass(frozen=True)
class Usage:
    """The usage card: lines that add up to ``total``, and what the call cost."""

    lines: list[UsageLine]
    total: int
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
        ("Input", fresh, "f1", span.input_tokens is not None),
        ("Input, from cache", cached, "f5", span.cached_input_tokens is not None),
        ("Input, written to cache", written, "f3", bool(written)),
        ("Reasoning", reasoning, "f4", span.reasoning_output_tokens is not None),
        ("Answer" if reasoning else "Output", answer, "f2", span.output_tokens is not None),
    ]
    shown = [(name, tokens, colour) for name, tokens, colour, is_known in kinds if is_known]
    total = sum(tokens for _, tokens, _ in shown)
    return Usage(
        lines=_lines(shown, total),
        total=total,
        cost_usd=span.cost_usd,
        cost_status=span.cost_status,
        price_source=span.price_source,
        reported_cost_usd=span.reported_cost_usd,
        is_estimated=span.sample_weight != 1.0,
    )


def _lines(kinds: list[tuple[str, int, str]], total: int) -> list[UsageLine]:
    lines: list[UsageLine] = []
    position = 0.0
    for name, tokens, colour in kinds:
        width = 100 * tokens / total if total else 0.0
        lines.append(UsageLine(name, tokens, colour, round(position, 2), round(max(0.0, width - 0.4), 2)))
        position += width
    return lines
