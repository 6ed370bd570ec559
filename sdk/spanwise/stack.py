"""The stack of an exception: what has to be kept of it at once, and its text, which can wait.

Python's own ``traceback`` asks the file system about every file and parses every line to underline a part of
it, which takes longer than the rest of a traced call. Code objects and line numbers are enough for the same
text without underlines, and hold on to no frame and no variable.
"""

import traceback
from types import CodeType
from typing import NamedTuple

_MAX_CHAIN = 8
_MAX_FRAMES = 64
"""Of a deeper stack the middle is left out."""
_CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
_CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n\n"


class Link(NamedTuple):
    """One exception of a chain: where it was raised, how it is written, and why the next one followed."""

    frames: list[tuple[CodeType, int]]
    title: str
    because: str


def stack_of(error: BaseException) -> list[Link]:
    """Returns an exception and those before it, the first one last."""
    chain: list[Link] = []
    because = ""
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and len(chain) < _MAX_CHAIN and id(found) not in seen:
        seen.add(id(found))
        frames: list[tuple[CodeType, int]] = []
        trace = found.__traceback__
        while trace is not None:
            frames.append((trace.tb_frame.f_code, trace.tb_lineno))
            trace = trace.tb_next
        if len(frames) > _MAX_FRAMES:
            frames = frames[: _MAX_FRAMES // 2] + frames[-_MAX_FRAMES // 2 :]
        chain.append(Link(frames, "".join(traceback.format_exception_only(type(found), found)), because))
        cause, context = found.__cause__, found.__context__
        because = _CONTEXT if cause is None else _CAUSE
        found = cause if cause is not None or found.__suppress_context__ else context
    return chain


def text_of(chain: list[Link]) -> str:
    """Returns a chain as Python prints it."""
    pieces: list[str] = []
    for link in reversed(chain):
        places = [
            traceback.FrameSummary(code.co_filename, line, code.co_name, lookup_line=False)
            for code, line in link.frames
        ]
        if places:
            pieces += ("Traceback (most recent call last):\n", *traceback.format_list(places))
        pieces += (link.title, link.because)
    return "".join(pieces)
