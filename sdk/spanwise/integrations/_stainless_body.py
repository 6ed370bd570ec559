"""Folds the bytes of a response body as an application reads them.

A raw or streamed response hands out its body late, in any way the application likes: as bytes, lines,
parsed events, or never. All of these read the same bytes, so these are what is folded: server-sent events
one by one, a JSON document at its end.
"""

import codecs
import json
from collections.abc import Callable, Iterator
from typing import Any

_DONE = "[DONE]"


class EventLines:
    """Cuts server-sent events out of text that arrives in pieces of any size."""

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._rest = ""
        self._data: list[str] = []

    def feed(self, piece: bytes, final: bool = False) -> Iterator[str]:
        """Yields the data of every event completed by these bytes."""
        text = self._rest + self._decode(piece, final)
        if final:
            text += "\n\n"
        # A carriage return at the end may be half of a line break: it waits for the next piece.
        cut = len(text) - 1 if text.endswith("\r") else len(text)
        lines = text[:cut].replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._rest = lines.pop() + text[cut:]
        for line in lines:
            if line.startswith("data:"):
                self._data.append(line[5:].removeprefix(" "))
            elif not line and self._data:
                yield "\n".join(self._data)
                self._data.clear()


class BodyFold:
    """The fold of one body. ``add`` receives a stream's events; ``document`` returns anything else."""

    def __init__(self, add: Callable[[Any], None]) -> None:
        self._add = add
        self._events: EventLines | None = None
        self._document = bytearray()

    def feed(self, piece: bytes) -> None:
        """Takes the next bytes of the body."""
        if self._events is None:
            self._document += piece
            start = self._document.lstrip()[:1]
            if not start or start in b"{[":
                return
            self._events, piece = EventLines(), bytes(self._document)
            self._document.clear()
        self._consume(self._events.feed(piece))

    def document(self) -> bytes | None:
        """Ends the body. Returns a document's bytes; None when it was a stream or never read."""
        if self._events is not None:
            self._consume(self._events.feed(b"", final=True))
            return None
        return bytes(self._document) or None

    def _consume(self, events: Iterator[str]) -> None:
        for data in events:
            if data.startswith(_DONE):
                continue
            try:
                event = json.loads(data)
            except ValueError:  # a stream that is cut off, or text that only looks like a stream
                continue
            self._add(event)
