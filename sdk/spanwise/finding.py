"""One line of a diagnosis, and how lines are drawn."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

Word = Literal["ok", "info", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    ``info`` is neither good nor bad; ``warn`` works but not as one would expect; ``fail`` means no traces.
    """

    section: str
    word: Word
    subject: str
    detail: str


_COLOURS: dict[Word, str] = {"ok": "32", "info": "2", "warn": "33", "fail": "31"}


def draw(findings: Iterable[Finding], *, is_coloured: bool = False) -> Iterator[str]:
    """Yields the lines of a report: a section's heading, then its findings in aligned columns."""
    listed = list(findings)
    widths: dict[str, int] = {}
    for finding in listed:
        widths[finding.section] = max(widths.get(finding.section, 0), len(finding.subject))
    section = None
    for finding in listed:
        width = widths[finding.section]
        if finding.section != section:
            if section is not None:
                yield ""
            section = finding.section
            yield f"\x1b[1m{section}\x1b[0m" if is_coloured else section
        word = finding.word.ljust(4)
        if is_coloured:
            word = f"\x1b[{_COLOURS[finding.word]}m{word}\x1b[0m"
        first, *further = finding.detail.splitlines() or [""]
        yield f"  {word}  {finding.subject.ljust(width)}  {first}".rstrip()
        for line in further:
            yield f"        {' ' * width}  {line}"
