"""Real text for the ingest benchmark: prompts and answers cut from ../shared/datasets, never the same twice.

The data sets hold 2.5 MB of different text, a run sends far more. Every pass takes each prompt and answer
once, in an order of its own, one behind the other, and a span gets the next 2.2 kB: no two spans have the
same text, and within one pass nothing repeats at all. Text stays as it was written, since how well it
compresses depends on that: with its sentences shuffled it takes 7 % more space.
"""

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path

SHARED = Path(os.environ.get("SPANWISE_SHARED", Path(__file__).parents[2] / "shared"))
INPUT_SHARE = 0.6
"""Of a span's text, what the user said; the rest is the answer."""


def read_texts() -> list[str]:
    """Returns every different prompt, message and answer of the two data sets.

    Raises:
        SystemExit: The data sets are not there.
    """
    try:
        return list(dict.fromkeys(text for text in _texts(SHARED / "datasets") if text))
    except FileNotFoundError as error:
        raise SystemExit(
            f"{error.filename} is missing: set SPANWISE_SHARED to the folder with datasets/"
        ) from None


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


def bodies_of_text(texts: list[str], size: int, chance: random.Random) -> Iterator[tuple[str, str]]:
    """Yields pairs of a question and an answer of ``size`` characters together, without end."""
    asked = int(size * INPUT_SHARE)
    order, rest = list(texts), ""
    while True:
        chance.shuffle(order)
        for text in order:
            rest += text + "\n"
            while len(rest) >= size:
                yield rest[:asked], rest[asked:size]
                rest = rest[size:]
