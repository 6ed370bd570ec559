"""Prints which recordings came out of a running server as they were recorded, and which did not, and why.

    python tests/replay/table.py [--write docs/replay.md] [file ...]

Files are names in ``../shared/cassettes`` without ending; default are all that speak the two clients'
protocols.
"""

import argparse
import sys
import tempfile
import warnings
from collections import Counter
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from recordings import FOLDER, FURTHER, NAMED, Recording, load
from through_server import failures, replay_through, spanwise_server

Row = tuple[Recording, list[str]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("files", nargs="*", default=[*NAMED, *FURTHER])
    parser.add_argument("--write", type=Path, help="also write the table to this Markdown file")
    arguments = parser.parse_args()
    recordings = load(*arguments.files)
    if not recordings:
        print(f"no recordings at {FOLDER} (set SPANWISE_SHARED)", file=sys.stderr)
        return 2
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    with tempfile.TemporaryDirectory() as folder, spanwise_server(Path(folder)) as url:
        spans = replay_through(url, recordings)
    rows = [(recording, failures(recording, spans[recording.key])) for recording in recordings]
    print(table(rows))
    if arguments.write:
        arguments.write.write_text(page(rows), "utf-8")
    return 1 if any(reasons for _, reasons in rows) else 0


def table(rows: list[Row]) -> str:
    """Returns a Markdown table, one line a file, and one line for each recording that failed."""
    totals = Counter(recording.file for recording, _ in rows)
    passed = Counter(recording.file for recording, reasons in rows if not reasons)
    lines = ["| recordings | replayed | passed | failed |", "|---|---|---|---|"]
    lines += [
        f"| {file} | {total} | {passed[file]} | {total - passed[file]} |" for file, total in totals.items()
    ]
    everything, good = sum(totals.values()), sum(passed.values())
    lines.append(f"| **all** | **{everything}** | **{good}** | **{everything - good}** |")
    failed = [
        f"- {recording.key} ({recording.id}): {'; '.join(reason[:300] for reason in reasons)}"
        for recording, reasons in rows
        if reasons
    ]
    return "\n".join([*lines, "", *failed]).rstrip() + "\n"


def page(rows: list[Row]) -> str:
    """Returns the documentation page."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("openai", "anthropic"))
    return f"""# Recorded traffic, replayed

Written by `python tests/replay/table.py --write docs/replay.md` with {libraries}.

Every recording is real traffic of a provider. Its response is served over a local HTTP server (streams in
pieces that cut lines and characters in two), its request is made again with the real client library under
`spanwise.instrument()`, and the span is read back from the JSON API of a running `spanwise serve`. It passes
when exactly one span came out and the operation, the models, all token counts (cached and reasoning too), the
finish reasons, the messages, tool calls, tool results, system instructions, tool names and the error are
those that the raw recording holds, as read by code that shares nothing with the SDK.

{table(rows)}"""


if __name__ == "__main__":
    sys.exit(main())
