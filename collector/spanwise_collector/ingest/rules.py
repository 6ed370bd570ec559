"""The language in which a dialect says what its attributes mean: rows of a table, and value readers.

A row is ``(key, field, rank, reader)``. Of all rows that name a field, the lowest rank present wins. Readers
take any value a sender may write (number, numeric text, list, JSON text) and return ``None`` for "nothing
there"; a reader of content raises ``Unreadable``, and the attribute then stays where it is.

Fields that start with ``_`` are no columns: ``spanwise_collector.ingest.normalise`` folds them together.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any

from spanwise_collector.ingest.json_text import dumps, loads
from spanwise_collector.model import AnyValue

Reader = Callable[[AnyValue], Any]
Row = tuple[str, str, int, Reader]
Found = dict[str, tuple[int, Any, str]]
"""By field: rank, value as read (of the field's own type, hence Any), and the key it came from."""

CONTENT_FIELDS = frozenset(
    {
        "input_messages",
        "output_messages",
        "tool_definitions",
        "tool_arguments",
        "tool_result",
        "documents",
        "input_text",
        "output_text",
        "_system",
        "_input",
        "_output",
        "_query",
    }
)
"""Fields whose source is moved, not copied, out of the attributes."""
MAX_COUNT = 10**12
HIDDEN = "__REDACTED__"
"""What senders write in place of content that they keep back."""


class Unreadable(ValueError):
    """Content that is not what its key promises; kept raw."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One vocabulary of attributes."""

    name: str
    bit: int
    rows: tuple[Row, ...]
    flat: Mapping[str, tuple[str, int]]
    """Prefixes of flattened lists, ``<prefix>.<number>.<rest>``, to (field, rank)."""
    neutral: frozenset[str] = frozenset()
    """Keys of the table that other vocabularies use as well: they tell nothing about the dialect."""
    marks: frozenset[str] = frozenset()
    """Keys that give the dialect away and mean nothing else here."""


def text(value: AnyValue) -> str | None:
    """Reads a name or an id."""
    if type(value) is str:
        return value or None
    if value is None or isinstance(value, (dict, list, bytes)):
        return None
    return str(value)


def text_or_json(value: AnyValue) -> str | None:
    """Reads free content: text as it is, anything structured as JSON."""
    if type(value) is str:
        return value or None
    return None if value is None else dumps(value)


def count(value: AnyValue) -> int | None:
    """Reads a number of tokens; negative and unreadable numbers are nothing.

    Raises:
        Unreadable: It is beyond ``MAX_COUNT``: a fault of its sender, which would wrap the sums it is in.
    """
    if type(value) is int:
        if value > MAX_COUNT:
            raise Unreadable(f"{value} tokens")
        return value if value >= 0 else None
    if isinstance(value, bool) or not isinstance(value, (float, str)):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return count(int(number)) if isfinite(number) and number >= 0 else None


def flag(value: AnyValue) -> bool | None:
    """Reads true or false; only true counts as present."""
    return True if value is True or value == "true" else None


def seconds(value: AnyValue) -> int | None:
    """Reads seconds as nanoseconds."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return round(number * 1_000_000_000) if isfinite(number) and 0 <= number < 1e9 else None


def money(value: AnyValue) -> Decimal | None:
    """Reads an amount of USD."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and 0 <= amount < 1_000_000 else None


def text_list(value: AnyValue) -> list[str] | None:
    """Reads a list of words: an array, JSON text of one, or words between commas."""
    if type(value) is str:
        if value[:1] == "[":
            try:
                value = loads(value)
            except ValueError:
                return [str(value)]
        else:
            value = [part.strip() for part in value.split(",")]
    if not isinstance(value, list):
        return None
    words = [item if isinstance(item, str) else str(item) for item in value if item not in (None, "")]
    return words or None


def status_code(value: AnyValue) -> str | None:
    """Reads an HTTP status as an error type: 400 and above."""
    number = count(value)
    return str(number) if number is not None and number >= 400 else None


def one_of(table: Mapping[str, str], *, fold: bool = True) -> Reader:
    """Returns a reader that translates by ``table``; a word not in it stays as it is."""

    def read(value: AnyValue) -> str | None:
        word = text(value)
        if word is None:
            return None
        return table.get(word.lower() if fold else word, word)

    return read


def json_key(name: str, reader: Reader) -> Reader:
    """Returns a reader of one member of a JSON object, given as text or structured."""

    def read(value: AnyValue) -> Any:
        if type(value) is str:
            try:
                value = loads(value)
            except ValueError:
                return None
        return reader(value.get(name)) if isinstance(value, dict) else None

    return read
