"""Content capture: the one place where what people and models wrote is copied, cut and scrubbed.

Runs inside the traced call, because what the application changes afterwards is not what was sent. The result
is made of fresh plain values (str, int, float, bool, None, list, dict with string keys); it becomes JSON
later, off the call path, so cutting a string can never break the JSON.
"""

from collections.abc import Callable

from spanwise import guard
from spanwise.config import Config
from spanwise.redact import scrub_value
from spanwise.snapshot import snapshot, text_lengths

MARK = "… [truncated by spanwise: {kept} of {total} characters]"
UNREADABLE = "[not recorded: scrubbing failed]"
_MARGIN = 256


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
        plain = snapshot(value)
        lengths = text_lengths(plain)
        if sum(lengths) > self._max_chars:
            return self._cut(plain, _fair_cap(lengths, self._max_chars))
        return self._scrubbed(plain)

    def text(self, text: str) -> str:
        """Returns a short text that is not content itself, such as an error message, scrubbed."""
        return str(self._scrubbed(text))

    def _cut(self, value: object, cap: int) -> object:
        """Cuts every string to ``cap`` characters, and scrubs."""
        if isinstance(value, str) and len(value) > cap:
            # A little more than is kept is scrubbed, so that a secret across the cut is not left in half.
            kept = str(self._scrubbed(value[: cap + _MARGIN]))[:cap]
            return kept + MARK.format(kept=cap, total=len(value))
        if isinstance(value, dict):
            return {key: self._cut(item, cap) for key, item in value.items()}
        if isinstance(value, list):
            return [self._cut(item, cap) for item in value]
        return self._scrubbed(value)

    def _scrubbed(self, value: object) -> object:
        try:
            if self._scrub is True:
                return scrub_value(value)
            return value if self._scrub is False else _mapped(value, self._scrub)
        except Exception as error:  # noqa: BLE001  the app's scrubber may raise anything; then nothing is kept
            guard.fault("scrubbing content", error)
            return UNREADABLE


def _mapped(value: object, function: Callable[[str], str]) -> object:
    """Applies the app's own scrubber to every string."""
    if isinstance(value, str):
        if not isinstance(clean := function(value), str):
            raise TypeError(f"the scrub function returned {type(clean).__name__}, not str")
        return clean
    if isinstance(value, dict):
        return {key: _mapped(item, function) for key, item in value.items()}
    if isinstance(value, list):
        return [_mapped(item, function) for item in value]
    return value


def _fair_cap(lengths: list[int], limit: int) -> int:
    """Returns the length to cut strings to so that all of them together stay within ``limit`` characters.

    The longest strings give first: of a long conversation with one huge document the document is cut.
    """
    left, remaining = limit, len(lengths)
    for length in sorted(lengths):
        if length * remaining > left:
            break
        left -= length
        remaining -= 1
    return left // max(remaining, 1)
