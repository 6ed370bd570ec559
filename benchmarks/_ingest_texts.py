"""Real text for the ingest benchmark: prompts and answers cut from ../shared/datasets, never the same twice.

The data sets hold about 3 MB, a run sends far more. Text is therefore cut into its sentences; every pass over
them takes each sentence once, in an order of its own, and a span gets the next few. No two spans share their
text, and within one pass nothing repeats at all.
"""

import json
import os
import random
import re
from collections.abc import Iterator
from pathlib import Path

SHARED = Path(os.environ.get("SPANWISE_SHARED", Path(__file__).parents[2] / "shared"))
_SENTENCE_END = re.compile(r"(?<=[.!?:])\s+|\n+")
INPUT_SHARE = 0.6
"""Of a span's text, what the user said; the rest is the answer."""


def read_sentences() -> list[str]:
    """Returns every different sentence of the two data sets, in their order.

    Raises:
        SystemExit: The data sets are not there.
    """
    folder = SHARED / "datasets"
    seen: dict[str, None] = {}
    try:
        for text in _texts(folder):
            seen.update(dict.fromkeys(part for part in _SENTENCE_END.split(text) if len(part) > 3))
    except FileNotFoundError as error:
        raise SystemExit(
            f"{error.filename} is missing: set SPANWISE_SHARED to the folder with datasets/"
        ) from None
    return list(seen)


def _texts(folder: Path) -> Iterator[str]:
    with (folder / "halueval_general.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            yield record["prompt"]
            yield record["response"]
    with (folder / "hh_rlhf_harmless_conversations.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            yield from (message["content"] for message in record["messages"])
            yield record["chosen"]
            yield record["rejected"]


def bodies_of_text(sentences: list[str], size: int, chance: random.Random) -> Iterator[tuple[str, str]]:
    """Yields pairs of a question and an answer of about ``size`` bytes together, without end."""
    stream = _shuffled(sentences, chance)
    while True:
        yield _take(stream, int(size * INPUT_SHARE)), _take(stream, size - int(size * INPUT_SHARE))


def _shuffled(sentences: list[str], chance: random.Random) -> Iterator[str]:
    order = list(sentences)
    while True:
        chance.shuffle(order)
        yield from order


def _take(stream: Iterator[str], size: int) -> str:
    parts: list[str] = []
    length = 0
    while length < size:
        parts.append(next(stream))
        length += len(parts[-1].encode()) + 1
    # The last sentence is cut, so that spans are of the wanted size and not half a sentence longer.
    return " ".join(parts)[:size]
