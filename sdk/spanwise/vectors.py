"""Vectors of an embeddings call, packed for the way: two bytes a dimension instead of some twenty of JSON.

bfloat16 is the upper half of a float32: the same range, three decimal digits. Similarities and drift are the
same to well below what they vary by, and the store keeps vectors in this type anyway.
"""

import base64
import struct
from collections.abc import Sequence
from functools import cache
from typing import Any

MAX_BYTES = 256 * 1024
"""Packed bytes kept of one call: 85 vectors of 1536 dimensions. Further vectors are left out, and counted."""
ENCODING = "bfloat16"
_FLOAT_BYTES = 4


def packed(vectors: Sequence[Any]) -> dict[str, object] | None:
    """Returns vectors as a message part that is not text, ``None`` when they are none.

    Args:
        vectors: Each a sequence of numbers (an array or tensor too), or float32 in base64 as OpenAI's wire
            has them. Those after one that cannot be read, or is not as long as the first, are left out.

    Returns:
        ``{"type": "blob", "mime_type": "application/x-bfloat16", "shape": [vectors, dimensions], "total":
        vectors of the call, "content": base64}``: little-endian bfloat16, one vector after another, in the
        order of the texts.
    """
    pieces: list[bytes] = []
    size = 0
    for vector in vectors:
        try:
            piece = _bfloat16(vector)
        except (TypeError, ValueError, OverflowError, struct.error):
            break  # foreign objects: not numbers, not base64, not as long as they say
        if not piece or size + len(piece) > MAX_BYTES or (pieces and len(piece) != len(pieces[0])):
            break
        pieces.append(piece)
        size += len(piece)
    if not pieces:
        return None
    return {
        "type": "blob",
        "mime_type": f"application/x-{ENCODING}",
        "shape": [len(pieces), len(pieces[0]) // 2],
        "total": len(vectors),
        "content": base64.b64encode(b"".join(pieces)).decode("ascii"),
    }


def _bfloat16(vector: Any) -> bytes:
    """Returns one vector, each number rounded to the nearest; empty for what is no vector of floats."""
    if isinstance(vector, str):
        raw = base64.b64decode(vector)
        count = len(raw) // _FLOAT_BYTES
        raw = raw[: count * _FLOAT_BYTES]
    else:
        if hasattr(vector, "tolist"):  # an array or tensor: all at once instead of number by number
            vector = vector.tolist()
        count = len(vector)
        raw = struct.pack(f"<{count}f", *vector)
    if not count:
        return b""
    # Half a unit is added to every number at once, as one large integer: a carry ends within its number,
    # because none of them is all ones (that would be NaN).
    rounded = (int.from_bytes(raw, "little") + _halves(count)).to_bytes(count * _FLOAT_BYTES + 1, "little")
    halved = bytearray(2 * count)
    halved[0::2] = rounded[2 : count * _FLOAT_BYTES : _FLOAT_BYTES]
    halved[1::2] = rounded[3 : count * _FLOAT_BYTES : _FLOAT_BYTES]
    return bytes(halved)


@cache
def _halves(count: int) -> int:
    return int.from_bytes(b"\x00\x80\x00\x00" * count, "little")
