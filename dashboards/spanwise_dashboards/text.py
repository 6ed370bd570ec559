"""Foreign text on a page. Every prompt is hostile input: it is escaped, isolated, cut and made visible here.

Control characters that reorder, hide or break text are shown by their code point, so that what a reader sees
is what the model read. Markup made here is the only way content reaches a template.
"""

import re
from dataclasses import dataclass

from markupsafe import Markup, escape

FOLD_CHARACTERS = 480
"""Longer text is folded to a few lines, with a button that shows all of it."""
FOLD_LINES = 6
LOAD_CHARACTERS = 20_000
"""Longer text is not sent with the page at all beyond this; the rest is loaded on demand."""

_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
_JOINERS = frozenset("\u200c\u200d")
"""Joiners that real words and emoji need; they reorder nothing and stay as they are."""


def code_point(character: str) -> str:
    """Returns ``U+202E`` for a character."""
    return f"U+{ord(character):04X}"


def visible(content: str) -> Markup:
    """Returns escaped markup in which invisible and reordering characters stand as marked code points."""
    if not _INVISIBLE.search(content):
        return escape(content)
    parts: list[str] = []
    position = 0
    for match in _INVISIBLE.finditer(content):
        character = match.group()
        if character in _JOINERS:
            continue
        parts.append(str(escape(content[position : match.start()])))
        parts.append(f'<span class="ctl" title="invisible character">{code_point(character)}</span>')
        position = match.end()
    parts.append(str(escape(content[position:])))
    return Markup("".join(parts))  # noqa: S704 - every piece was escaped above


def plain(content: str, limit: int | None = None) -> str:
    """Returns plain text for attributes, titles and JSON: code points visible, cut with an ellipsis."""
    cut = content if limit is None or len(content) <= limit else content[: limit - 1] + "…"
    if not _INVISIBLE.search(cut):
        return cut
    return _INVISIBLE.sub(lambda m: m.group() if m.group() in _JOINERS else f"⟨{code_point(m.group())}⟩", cut)


@dataclass(frozen=True)
class Passage:
    """A piece of content that a page shows.

    ``path`` addresses the whole text in its span (``input_messages/3/parts/0/content``), to load the rest.
    """

    content: str
    length: int
    path: str

    @property
    def is_folded(self) -> bool:
        """True when only the first lines are shown until asked for."""
        return self.length > FOLD_CHARACTERS or self.content.count("\n") >= FOLD_LINES

    @property
    def is_partial(self) -> bool:
        """True when the page holds only the beginning."""
        return len(self.content) < self.length

    @property
    def markup(self) -> Markup:
        """The content, escaped and made visible."""
        return visible(self.content)


def passage(content: str, path: str = "") -> Passage:
    """Returns a passage with at most ``LOAD_CHARACTERS`` of the content in it."""
    return Passage(content[:LOAD_CHARACTERS], len(content), path)


_TELLING = re.compile(
    r'"(?:question|query|input|prompt|text|message|content|task|user_input|messages)"\s*:\s*(?:\[\s*)?'
    r'(?:\{[^{}]*?"content"\s*:\s*)?"((?:[^"\\]|\\.)*)'
)
_ANY_STRING = re.compile(r'[:\[,]\s*"((?:[^"\\]|\\.)*)(?:"(?!\s*:)|$)')
_ESCAPES = {"n": " ", "t": " ", "r": " ", '"': '"', "\\": "\\", "/": "/"}


def preview_text(raw: str) -> str:
    """Returns one line that tells what was asked: out of JSON, even cut JSON, the text a person wrote."""
    if raw[:1] in ("{", "["):
        match = _TELLING.search(raw) or _ANY_STRING.search(raw)
        if match and match.group(1).strip():
            raw = re.sub(r"\\(u[0-9a-fA-F]{4}|.)", _unescape, match.group(1))
    return " ".join(raw.split())


def _unescape(match: re.Match[str]) -> str:
    held = match.group(1)
    return chr(int(held[1:], 16)) if held[0] == "u" and len(held) == 5 else _ESCAPES.get(held, held)
