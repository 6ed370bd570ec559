"""What scrubbing costs: microseconds for 2,000 characters of ordinary text, and of text full of findings.

    python benchmarks/redact.py [--json]

Reads the conversations of ../shared/datasets (SPANWISE_SHARED); without them, a text of its own. The ratio is
to ``str.encode`` of the same text, which makes runs on different machines comparable.
"""

import argparse
import json
import os
import statistics
import timeit
from collections.abc import Callable
from pathlib import Path

from spanwise.redact import scrub

SIZE = 2_000
ROUNDS = 9
DATASET = "datasets/hh_rlhf_harmless_conversations.jsonl"
FALLBACK = (
    "In 1969, on the 20th of July, two people walked where nobody had walked before; 600 million watched. "
)
SECRETS = (
    "write to jane.doe@example.com or call +44 20 7946 0958; the card is 4111 1111 1111 1111, "
    "the key sk-" + "a1B2c3D4e5F6g7H8i9J0k1L2 and the address postgres://app:hunter22@db/x. "
)


def texts() -> list[str]:
    """Returns ordinary text in pieces of SIZE characters."""
    shared = Path(os.environ.get("SPANWISE_SHARED", Path(__file__).resolve().parents[2] / "shared"))
    path = shared / DATASET
    if not path.is_file():
        return [(FALLBACK * 50)[:SIZE]] * 200
    messages = [
        message["content"] for line in path.open(encoding="utf-8") for message in json.loads(line)["messages"]
    ]
    whole = "\n".join(messages)
    return [whole[start : start + SIZE] for start in range(0, len(whole) - SIZE, SIZE)]


def microseconds(function: Callable[[str], object], pieces: list[str]) -> float:
    """Returns the median over ROUNDS of the time for one piece."""

    def run() -> None:
        for piece in pieces:
            function(piece)

    return statistics.median(timeit.repeat(run, number=1, repeat=ROUNDS)) / len(pieces) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    as_json = parser.parse_args().json
    ordinary = texts()
    encode = microseconds(lambda piece: piece.encode("utf-8", "replace"), ordinary)
    plain = microseconds(scrub, ordinary)
    full = microseconds(scrub, [(SECRETS * 20)[:SIZE]] * 50)
    figures = {
        "pieces": len(ordinary),
        "ordinary_us_per_2000_chars": round(plain, 1),
        "ordinary_ratio_to_encode": round(plain / encode, 1),
        "full_of_findings_us_per_2000_chars": round(full, 1),
    }
    if as_json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:40} {value}")


if __name__ == "__main__":
    main()
