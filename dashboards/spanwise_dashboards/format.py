"""Numbers and times as a person reads them: one rule each for durations, money, counts, shares and instants.

Every function is pure. ``None`` means unknown and is said in words by the caller; it never becomes 0.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from decimal import Decimal

NBSP = "\u00a0"
MINUS = "\u2212"
ARROW = "\u2192"
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
NS_PER_S = 1_000_000_000


def duration_parts(nanoseconds: int) -> list[tuple[str, str]]:
    """Returns a duration as (number, unit) pairs of three digits: ``[("1", "min"), ("12", "s")]``."""
    milliseconds = nanoseconds / 1e6
    if milliseconds < 1:
        return [("<1", "ms")] if nanoseconds > 0 else [("0", "ms")]
    if milliseconds < 9.95:
        return [(f"{milliseconds:.1f}", "ms")]
    if milliseconds < 999.5:
        return [(f"{milliseconds:.0f}", "ms")]
    seconds = milliseconds / 1000
    if seconds < 9.995:
        return [(f"{seconds:.2f}", "s")]
    if seconds < 59.95:
        return [(f"{seconds:.1f}", "s")]
    return _long_duration(round(seconds))


def _long_duration(seconds: int) -> list[tuple[str, str]]:
    for unit, size, lower_unit, lower_size in (
        ("d", 86_400, "h", 3_600),
        ("h", 3_600, "min", 60),
        ("min", 60, "s", 1),
    ):
        if seconds >= size:
            rest = seconds % size // lower_size
            first = (f"{seconds // size:,}", unit)
            return [first, (str(rest), lower_unit)] if rest else [first]
    return [(str(seconds), "s")]


def duration(nanoseconds: int) -> str:
    """Returns ``<1 ms``, ``214 ms``, ``2.71 s``, ``1 min 12 s`` or ``2 h 5 min`` for nanoseconds."""
    return " ".join(f"{number}{NBSP}{unit}" for number, unit in duration_parts(nanoseconds))


def money(usd: Decimal) -> str:
    """Returns US dollars: two decimals from 1, four below, ``<$0.0001`` for less; a minus before the $."""
    sign, size = (MINUS, -usd) if usd < 0 else ("", usd)
    if size == 0:
        return "$0"
    if size < Decimal("0.0001"):
        return f"{sign}<$0.0001"
    return f"{sign}${size:,.2f}" if size >= 1 else f"{sign}${size:.4f}"


def exact_money(usd: Decimal) -> str:
    """Returns US dollars with six decimals and without the sign, for tables that name it in the head."""
    return f"{usd:,.6f}"


def count(number: int) -> str:
    """Returns a whole number with commas: ``11,572``."""
    return f"{number:,}" if number >= 0 else f"{MINUS}{-number:,}"


def short_count(number: int) -> str:
    """Returns a count for charts and tight places: ``950``, ``12.3 k``, ``4.1 M``."""
    for unit, size in (("M", 1_000_000), ("k", 1_000)):
        if number >= size * 10 or (unit == "M" and number >= size):
            return f"{number / size:.1f}{NBSP}{unit}"
    return count(number)


def share(part: float, whole: float) -> str:
    """Returns a share with one decimal and a no-break space: ``54.6 %``; ``<0.1 %`` when that small."""
    if whole <= 0:
        return "no data"
    percent = 100 * part / whole
    if 0 < percent < 0.1:
        return f"<0.1{NBSP}%"
    return f"{percent:.1f}{NBSP}%"


def size(characters: int) -> str:
    """Returns a text's length in words: ``1,402 characters``, ``2.1 M characters``."""
    return f"{short_count(characters)} character{'' if characters == 1 else 's'}"


def plural(number: int, noun: str, many: str | None = None) -> str:
    """Returns ``1 span`` or ``13 spans``; ``many`` for nouns that do not just take an s."""
    return f"{count(number)} {noun if number == 1 else many or noun + 's'}"


def iso(nanoseconds: int) -> str:
    """Returns an instant as RFC 3339 UTC with nine digits."""
    seconds, rest = divmod(nanoseconds, NS_PER_S)
    return f"{(EPOCH + timedelta(seconds=seconds)):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def ago(nanoseconds: int) -> str:
    """Returns how long since, in one unit: ``3 s ago``, ``12 min ago``, ``2 d ago``."""
    seconds = max(0, nanoseconds // NS_PER_S)
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length}{NBSP}{unit} ago"
    return f"{seconds}{NBSP}s ago"


@dataclass(frozen=True)
class Clock:
    """Instants in the reader's zone. ``now_ns`` is UTC nanoseconds and decides what "today" is."""

    zone: tzinfo
    now_ns: int

    def local(self, nanoseconds: int) -> datetime:
        """Returns the instant in the reader's zone (to the microsecond)."""
        return (EPOCH + timedelta(microseconds=nanoseconds // 1000)).astimezone(self.zone)

    @property
    def zone_name(self) -> str:
        """The zone's short name now, e.g. ``UTC`` or ``CET``."""
        return self.local(self.now_ns).tzname() or "UTC"

    def moment(self, nanoseconds: int) -> str:
        """Returns ``14:31:47`` today, ``Nov 18, 14:31`` on other days, with the year when it is another."""
        then, now = self.local(nanoseconds), self.local(self.now_ns)
        if then.date() == now.date():
            return f"{then:%H:%M:%S}"
        return self._day(then, now) + f", {then:%H:%M}"

    def minute(self, nanoseconds: int) -> str:
        """Returns ``Nov 18, 14:31``."""
        then = self.local(nanoseconds)
        return self._day(then, self.local(self.now_ns)) + f", {then:%H:%M}"

    def exact(self, nanoseconds: int) -> str:
        """Returns ``Nov 19, 14:31:53.207``."""
        then = self.local(nanoseconds)
        return self._day(then, self.local(self.now_ns)) + f", {then:%H:%M:%S}.{then.microsecond // 1000:03d}"

    def of_day(self, nanoseconds: int) -> str:
        """Returns ``14:31:47``."""
        return f"{self.local(nanoseconds):%H:%M:%S}"

    def span(self, from_ns: int, to_ns: int) -> str:
        """Returns ``Nov 18 15:00 to Nov 19 15:00``, the day once when it is the same."""
        start, end, now = self.local(from_ns), self.local(to_ns), self.local(self.now_ns)
        if start.date() == end.date():
            until = f" to {end:%H:%M}" if f"{start:%H:%M}" != f"{end:%H:%M}" else ""
            return f"{self._day(start, now)} {start:%H:%M}{until}"
        return f"{self._day(start, now)} {start:%H:%M} to {self._day(end, now)} {end:%H:%M}"

    @staticmethod
    def _day(then: datetime, now: datetime) -> str:
        day = f"{MONTHS[then.month - 1]} {then.day}"
        return day if then.year == now.year else f"{day} {then.year}"
