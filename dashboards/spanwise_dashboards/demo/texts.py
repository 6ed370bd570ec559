"""Small language tools of the demo: passages, word vectors, extraction. Pure functions, no model, no network."""

import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

DIMENSIONS = 256
_WORD = re.compile(r"[a-zäöüßéèà0-9_]+", re.IGNORECASE)
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_COMMON = frozenset(
    "a an and are as at be by can do does for from how i if in into is it its me my not of on or our so that the "
    "their then there they this to was what when where which who why will with you your we have has had but about".split()
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


def extract(question: str, context: str, limit: int = 3) -> str:
    """Returns the sentences of a context that share the most words with a question, in their order."""
    wanted = set(words(question))
    sentences = [sentence.strip() for sentence in _SENTENCE.split(context) if len(sentence.strip()) > 20]
    scored = [(len(wanted & set(words(sentence))), index) for index, sentence in enumerate(sentences)]
    best = sorted(scored, key=lambda pair: (-pair[0], pair[1]))[:limit]
    chosen = sorted(index for score, index in best if score > 0)
    return " ".join(sentences[index] for index in chosen)
