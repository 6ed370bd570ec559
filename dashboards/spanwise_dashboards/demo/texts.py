"""Small language tools of the demo: passages, word vectors, extraction. Pure, no model, no network."""

import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

DIMENSIONS = 256
MIN_SHARED = 0.25
"""Share of the question's words that a passage must hold to be an answer."""
_WORD = re.compile(r"[a-zäöüßéèà0-9_]+", re.IGNORECASE)
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_COMMON = frozenset(
    _WORD.findall(
        "a an and are as at be by can do does for from how i if in into is it its me my not of on or our so "
        "that the their then there they this to was what when where which who why will with you your we have "
        "has had but about"
    )
)


@dataclass(frozen=True)
class HelpPage:
    """One passage of the handbook that the assistant answers from."""

    id: str
    title: str
    content: str


def handbook() -> list[HelpPage]:
    """Returns the help pages that ship with the package."""
    text = files("spanwise_dashboards.demo").joinpath("handbook.md").read_text("utf-8")
    pages = []
    for section in re.split(r"^# ", text, flags=re.MULTILINE)[1:]:
        title, _, body = section.partition("\n")
        name = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
        pages.append(HelpPage(id=name, title=title.strip(), content=body.strip()))
    return pages


def words(text: str) -> list[str]:
    """Returns the words that carry meaning, lower case, roughly reduced to their stem."""
    return [_stem(word) for word in _WORD.findall(text.lower()) if word not in _COMMON]


def _stem(word: str) -> str:
    for ending in ("ing", "es", "ed", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def count_tokens(text: str) -> int:
    """Returns about how many tokens a text has: one for four characters, at least one."""
    return max(1, round(len(text) / 4))


def embed(text: str) -> list[float]:
    """Returns a unit vector of hashed words: texts that share words point the same way."""
    vector = [0.0] * DIMENSIONS
    for word in words(text):
        digest = hashlib.blake2b(word.encode(), digest_size=8).digest()
        sign = 1.0 if digest[4] & 1 else -1.0
        vector[int.from_bytes(digest[:4], "big") % DIMENSIONS] += sign
    length = math.sqrt(sum(value * value for value in vector)) or 1.0
    return [round(value / length, 6) for value in vector]


def similarity(left: Sequence[float], right: Sequence[float]) -> float:
    """Returns the cosine of two unit vectors."""
    return sum(a * b for a, b in zip(left, right, strict=True))


def extract(question: str, passages: str, limit: int = 3) -> str:
    """Returns up to ``limit`` sentences of one passage that answer a question, with the passage's number.

    ``passages`` are blocks of ``[n] title``, a line break and text, apart by an empty line. ``""`` when no
    passage shares enough words with the question.
    """
    wanted = set(words(question))
    blocks = [block.strip() for block in passages.split("\n\n") if block.strip()]
    if not blocks or not wanted:
        return ""
    scores = [len(wanted & set(words(block))) / len(wanted) for block in blocks]
    best = max(range(len(blocks)), key=lambda index: scores[index])
    if scores[best] < MIN_SHARED:
        return ""
    title, _, body = blocks[best].partition("\n")
    sentences = [sentence.strip() for sentence in _SENTENCE.split(body) if sentence.strip()]
    ranked = sorted(range(len(sentences)), key=lambda i: (-len(wanted & set(words(sentences[i]))), i))
    chosen = sorted(ranked[:limit])
    return " ".join(sentences[index] for index in chosen) + f" {title.partition(']')[0]}]"
