"""Content capture: the one place where what people and models wrote is copied, cut and scrubbed.

What the application changes after a call is not what was sent, so content is copied inside the call: by the
readers where they promise that all they return is fresh (``Reader.is_fresh``), else here. The copy is made of
plain values (str, int, float, bool, None, list, dict with string keys), and cut before it becomes JSON, so
that cutting a string can never break the JSON.

Scrubbing is part of the same step, and nothing can be seen before it: a copy that waits for the export thread
is wrapped in ``content.Waiting``, which opens only through here. On a span's attributes, on log events and
through an app's own scrub function it happens inside the call.
"""

from collections.abc import Callable

from spanwise import guard
from spanwise.config import Config
from spanwise.content import JsonText, Waiting, decoded, encoded
from spanwise.redact import REDACTED, is_secret_field, may_change, scrub
from spanwise.snapshot import BINARY, snapshot

MARK = "… [truncated by spanwise: {kept} of {total} characters]"
UNREADABLE = "[not recorded: scrubbing failed]"
_MARGIN = 256
_FAST_CHARS = 65_536
"""Longer JSON is not searched as a whole: it mostly holds an image, which need not be searched at all."""


class Capture:
    """The capture policy of one set-up.

    Args:
        config: Its ``capture``, ``scrub`` and ``max_content_chars`` are used.
    """

    __slots__ = ("_max_chars", "_scrub", "wants_content")

    def __init__(self, config: Config) -> None:
        self.wants_content = config.capture.wants_content
        self._max_chars = config.max_content_chars
        self._scrub = config.scrub

    def content(self, value: object) -> object:
        """Returns a plain copy of any value: JSON-able, within the limit, scrubbed."""
        if value.__class__ is JsonText:
            value = decoded(value)
        strings = _Strings(self.scrubbed, self._max_chars)
        plain = snapshot(value, strings.keep)
        if not strings.totals and sum(strings.lengths) <= self._max_chars:
            return plain
        cap = _fair_cap(strings.lengths, self._max_chars)
        return snapshot(plain, lambda string, field: strings.cut(string, field, cap))

    def json(self, value: object) -> JsonText | None:
        """Returns content as JSON if it can stay as it is, else None: then ``content`` is what to call.

        Nearly all content is made of plain values, within the limit, and has nothing to scrub. That is seen
        fastest on its JSON, which is the copy at the same time: a third of the cost of ``content``.
        """
        if value.__class__ is JsonText:  # a reader's own: numbers, in which there is nothing to scrub
            return value
        if value.__class__ is str or not isinstance(self._scrub, bool):
            return None
        try:
            text = encoded(value)
        except (TypeError, ValueError, RecursionError):
            return None
        if len(text) > min(self._max_chars, _FAST_CHARS) or (self._scrub and may_change(text)):
            return None
        return text

    def kept(self, value: object) -> object:
        """Returns content as it may be seen: as JSON where that is all it takes, else as a plain copy."""
        return self.json(value) or self.content(value)

    def waiting(self, value: object) -> object:
        """Returns content of fresh plain values to be settled later, in the export thread.

        A scrub function of the app's runs here and now: it may ask for what only this thread knows.
        """
        return Waiting(value, self.kept) if self.may_wait else self.kept(value)

    @property
    def may_wait(self) -> bool:
        """False when the app's own function scrubs."""
        return isinstance(self._scrub, bool)

    def text(self, text: str) -> str:
        """Returns a short text that is not content itself, such as an error message, scrubbed."""
        return self.scrubbed(text, "")

    def scrubbed(self, text: str, field: str) -> str:
        """Returns a string as it may be kept; nothing of it when the scrubber fails."""
        try:
            if self._scrub is True:
                return REDACTED if field and text and is_secret_field(field) else scrub(text)
            if self._scrub is False:
                return text
            clean = self._scrub(text)
            if not isinstance(clean, str):
                raise TypeError(f"the scrub function returned {type(clean).__name__}, not str")
        except Exception as error:  # noqa: BLE001  the app's scrubber may raise anything; then nothing is kept
            guard.fault("scrubbing content", error)
            return UNREADABLE
        return clean


class _Strings:
    """Scrubs the strings of one value, and notes how long they are."""

    __slots__ = ("_limit", "_scrubbed", "lengths", "totals")

    def __init__(self, scrubbed: Callable[[str, str], str], limit: int) -> None:
        self._scrubbed = scrubbed
        self._limit = limit
        self.lengths: list[int] = []
        self.totals: dict[str, int] = {}
        """Original lengths of strings that alone are over the limit, by what is left of them."""

    def keep(self, string: str, field: str) -> str:
        total = len(string)
        if field is BINARY:
            string = string if total <= self._limit else _note(total)
        elif total > self._limit:
            # A little more than is kept is scrubbed, so that a secret across the cut is not left in half.
            string = self._scrubbed(string[: self._limit + _MARGIN], field)[: self._limit]
            self.totals[string] = total
        else:
            string = self._scrubbed(string, field)
        self.lengths.append(len(string))
        return string

    def cut(self, string: str, field: str, cap: int) -> str:
        """Returns a kept string cut to ``cap`` characters, saying how long it was; data is left out whole."""
        total = self.totals.get(string, len(string))
        if total <= cap:
            return string
        return _note(total) if field is BINARY else string[:cap] + MARK.format(kept=cap, total=total)


def _note(chars: int) -> str:
    return f"[{chars * 3 // 4} bytes not recorded by spanwise]"


def _fair_cap(lengths: list[int], limit: int) -> int:
    """Returns the length to cut strings to so that all of them together stay within ``limit`` characters.

    The longest strings give first: of a long conversation with one huge document the document is cut.
    """
    left, remaining = limit, len(lengths)
    for length in sorted(lengths):
        if length * remaining > left:
            return left // remaining
        left -= length
        remaining -= 1
    return limit
