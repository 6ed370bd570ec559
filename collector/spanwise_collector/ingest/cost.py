"""What a span cost: which price, from when, from where; unknown is unknown and never zero.

The kind of operation decides whether a span is billed at all: agents and workflows repeat their children's
usage. What the sender reported itself is kept apart, and used only where no price is known.
"""

from decimal import Decimal

from spanwise_collector.ingest.prices import PriceTable, Tokens
from spanwise_collector.ingest.rules import Found
from spanwise_collector.model import Span

_LARGEST = Decimal(999_999)


class Pricer:
    """Prices spans by a table of dated prices."""

    def __init__(self, table: PriceTable | None = None) -> None:
        self._table = table or PriceTable()

    def warm(self) -> None:
        """Loads the price table, so that the first request does not wait for it."""
        self._table.find("openai", "gpt-4o", "", 1_700_000_000_000_000_000)

    def price(self, span: Span, found: Found) -> None:
        """Sets ``cost_usd``, ``cost_status`` and ``price_source``, in place."""
        if not span.is_billable:
            return
        if span.input_tokens is None and span.output_tokens is None:
            self._without_usage(span)
            return
        tier = found["_service_tier"][1] if "_service_tier" in found else ""
        for model in (span.response_model, span.request_model):
            price = self._table.find(span.provider, model, tier, span.start_ns) if model else None
            if price is not None:
                cost = price.cost(_tokens(span, found))
                if cost <= _LARGEST:
                    span.cost_usd, span.cost_status, span.price_source = cost, "priced", price.source
                    return
                span.warnings.append("cost_out_of_range")
        model = span.response_model or span.request_model
        self._unpriced(span, f"no price known for model {model!r} of provider {span.provider!r}"[:200])

    def _without_usage(self, span: Span) -> None:
        if span.status == "error":
            # Providers do not charge for a call that failed before it used anything.
            span.cost_status = "not_billable"
        else:
            self._unpriced(span, "no token usage was reported")

    def _unpriced(self, span: Span, reason: str) -> None:
        if span.reported_cost_usd is not None:
            span.cost_usd, span.cost_status = span.reported_cost_usd, "reported"
            span.price_source = "reported by the sender"
        else:
            span.cost_status, span.price_source = "unpriced", reason


def _tokens(span: Span, found: Found) -> Tokens:
    return Tokens(
        input=span.input_tokens or 0,
        output=span.output_tokens or 0,
        cache_read=span.cached_input_tokens or 0,
        cache_write=span.cache_write_input_tokens or 0,
        audio_input=found["_audio_input_tokens"][1] if "_audio_input_tokens" in found else 0,
        audio_output=found["_audio_output_tokens"][1] if "_audio_output_tokens" in found else 0,
    )
