"""Dated prices from genai-prices, compiled once a model so that pricing a span costs a microsecond.

The library finds a model by rules over names and picks the price of a date, which takes some 50 us; here its
answer is kept per (provider, model, tier), and the arithmetic over token classes is done on compiled numbers.
The package is imported at the first priced span, not at start-up.

Source: genai-prices (https://github.com/pydantic/genai-prices), whose semantics of tiers and of nested token
classes are followed: a class with a price of its own is taken out of the class that contains it.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from threading import Lock
from typing import Any

_MILLION = Decimal(1_000_000)
_NS = 1_000_000_000
_DAY_NS = 86_400 * _NS
MAX_KNOWN = 8192
MAX_MODEL_CHARS = 256
"""Longer names are no models; looking for them would cost time."""

PROVIDER_IDS = {
    "azure.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "aws.bedrock": "aws",
    "gcp.gemini": "google",
    "gcp.vertex_ai": "google",
    "gcp.gen_ai": "google",
    "mistral_ai": "mistral",
    "x_ai": "x-ai",
    "moonshot_ai": "moonshotai",
    "together_ai": "together",
}
"""OpenTelemetry's provider names to the table's."""
NO_PROVIDERS = frozenset({"", "langchain", "crewai", "litellm", "llamaindex", "haystack"})
"""Frameworks and blanks: who answered is guessed from the model's name."""

CLASSES = ("input", "output", "cache_read", "cache_write", "audio_input", "audio_output", "cached_audio")
_KEYS = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write",
    "input_audio_mtok": "audio_input",
    "output_audio_mtok": "audio_output",
}


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token counts of one call: totals, and subsets that are included in them."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    audio_input: int = 0
    audio_output: int = 0


@dataclass(frozen=True, slots=True)
class Rate:
    """A price per token, which may rise once a request's input passes a threshold."""

    base: Decimal
    tiers: tuple[tuple[int, Decimal], ...] = ()
    """(input tokens above which the price holds, price), ascending."""

    def at(self, input_tokens: int) -> Decimal:
        """Returns the price per token for a request of that many input tokens."""
        price = self.base
        for start, tier_price in self.tiers:
            if input_tokens > start:
                price = tier_price
        return price


@dataclass(frozen=True, slots=True)
class Price:
    """All rates of a model at one time, in USD a token, and where they come from."""

    source: str
    input: Rate | None = None
    output: Rate | None = None
    cache_read: Rate | None = None
    cache_write: Rate | None = None
    audio_input: Rate | None = None
    audio_output: Rate | None = None
    per_request: Decimal = Decimal(0)

    def cost(self, tokens: Tokens) -> Decimal:
        """Returns USD for one call; a subset with a rate of its own leaves the total that contains it."""
        size = tokens.input
        total = self.per_request
        rest = tokens.input
        for rate, count in (
            (self.cache_read, tokens.cache_read),
            (self.cache_write, tokens.cache_write),
            (self.audio_input, tokens.audio_input),
        ):
            if count and rate is not None:
                taken = min(count, rest)
                rest -= taken
                total += rate.at(size) * taken
        if rest and self.input is not None:
            total += self.input.at(size) * rest
        rest = tokens.output
        if tokens.audio_output and self.audio_output is not None:
            taken = min(tokens.audio_output, rest)
            rest -= taken
            total += self.audio_output.at(size) * taken
        if rest and self.output is not None:
            total += self.output.at(size) * rest
        return total


class _Model:
    """One model's prices over time."""

    def __init__(self, provider: Any, model: Any, tier: str, version: str) -> None:
        # genai_prices' own classes, imported late: hence Any.
        self._provider, self._model, self._version = provider, model, version
        self._context = {"service_tier": tier} if tier else None
        self._starts = _changes(model)
        self._by_period: dict[int, Price] = {}

    def at(self, start_ns: int) -> Price:
        """Returns the price of the day, or of the hour where a provider prices by the hour."""
        if self._starts is None:
            return self._price(start_ns)
        period = bisect_right(self._starts, start_ns)
        price = self._by_period.get(period)
        if price is None:
            price = self._by_period[period] = self._price(start_ns)
        return price

    def _price(self, start_ns: int) -> Price:
        when = datetime.fromtimestamp(start_ns // _NS, tz=timezone.utc)
        rates = self._model.get_prices(when, self._context)
        since = _since(self._model, when)
        source = f"genai-prices {self._version}, {self._provider.id}/{self._model.id}"
        return _compile(rates, f"{source} since {since}" if since else f"{source}, undated list price")


class PriceTable:
    """Finds the price of a model at a time; remembers what it found, and what it did not."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], _Model | None] = {}
        self._lock = Lock()

    def find(self, provider: str, model: str, tier: str, start_ns: int) -> Price | None:
        """Returns the price, or ``None`` for a model that is not in the table."""
        key = (provider, model, tier)
        try:
            found = self._known[key]
        except KeyError:
            found = self._look_up(key)
        return None if found is None else found.at(start_ns)

    def _look_up(self, key: tuple[str, str, str]) -> _Model | None:
        with self._lock:
            found = _find(*key) if len(key[1]) <= MAX_MODEL_CHARS else None
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            self._known[key] = found
        return found


def _find(provider: str, model: str, tier: str) -> _Model | None:
    # The library's own lookup remembers every name it does not know, for ever; its parts do not.
    from genai_prices import __version__
    from genai_prices.data_snapshot import find_provider_by_id, get_snapshot

    providers = get_snapshot().providers  # bundled with the installed package: no network
    model = model.lower()
    if provider in NO_PROVIDERS:
        head, slash, rest = model.partition("/")
        owner = find_provider_by_id(providers, head) if slash else None
        if owner is not None:
            model = rest
        else:
            matching = (item for item in providers if item.model_match and item.model_match.is_match(model))
            owner = next(matching, None)
    else:
        owner = find_provider_by_id(providers, PROVIDER_IDS.get(provider, provider))
    info = owner.find_model(model, all_providers=providers) if owner is not None else None
    return None if info is None else _Model(owner, info, tier, __version__)


def _changes(model: Any) -> Sequence[int] | None:
    """Returns the moments at which the price may change, or ``None`` when it depends on the hour."""
    constraints = [item.constraint for item in model.prices] if isinstance(model.prices, list) else []
    constraints += [item.constraint for item in model.price_variants or ()]
    starts = set()
    for constraint in constraints:
        if constraint is None:
            continue
        start = getattr(constraint, "start_date", None)
        if start is None:
            return None
        starts.add((start.toordinal() - 719_163) * _DAY_NS)
    return sorted(starts)


def _since(model: Any, when: datetime) -> str:
    dates = [
        item.constraint.start_date
        for item in (model.prices if isinstance(model.prices, list) else ())
        if getattr(item.constraint, "start_date", None) and item.constraint.active(when)
    ]
    return max(dates).isoformat() if dates else ""


def _compile(rates: Any, source: str) -> Price:
    values = {name: _rate(getattr(rates, key)) for key, name in _KEYS.items()}
    per_request = getattr(rates, "requests_kcount", None)
    base = getattr(per_request, "base", per_request)
    return Price(source=source, per_request=base / 1000 if base else Decimal(0), **values)


def _rate(value: Any) -> Rate | None:
    if value is None:
        return None
    if isinstance(value, Decimal):
        return Rate(value / _MILLION)
    tiers = tuple((tier.start, tier.price / _MILLION) for tier in value.tiers)
    return Rate(value.base / _MILLION, tiers)
