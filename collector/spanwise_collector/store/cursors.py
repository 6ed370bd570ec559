"""Where a page of a list ends: the sort key of its last row, opaque to the caller.

The key is (start, id), which never ties, so that pages neither repeat nor skip a row while new ones arrive.
"""

import base64
import binascii
from dataclasses import dataclass

from spanwise_collector.errors import BadRequest


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last row of a page: its start and its id."""

    start_ns: int
    row_id: str

    def encode(self) -> str:
        """Return the cursor as text that is safe in a URL."""
        return base64.urlsafe_b64encode(f"{self.start_ns}|{self.row_id}".encode()).decode("ascii").rstrip("=")


def decode_cursor(text: str) -> Cursor:
    """Read a cursor.

    Raises:
        BadRequest: It is not one that a list gave out.
    """
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("utf-8")
        start, separator, row_id = raw.partition("|")
        if not separator:
            raise ValueError(raw)
        return Cursor(int(start), row_id)
    except (ValueError, binascii.Error) as error:
        raise BadRequest(
            f"cursor {text[:80]!r} is not one that this list gave out", fix="start again without a cursor"
        ) from error
