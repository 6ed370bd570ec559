"""Undoes the compression of an OTLP body without ever holding more than the limit.

Source: RFC 1952 (gzip, members may follow each other), RFC 1950/1951 (deflate), RFC 8878 (zstd).
"""

import io
import zlib
from collections.abc import Callable, Iterator

CODINGS = ("identity", "gzip", "deflate", "zstd")
_STEP = 256 * 1024
_ZSTD_WINDOW = 1 << 23


class TooLarge(ValueError):
    """The body is larger than the limit."""


class Corrupt(ValueError):
    """The compressed bytes are damaged."""


def decompress(body: bytes, coding: str, limit: int, account: Callable[[int], None]) -> bytes:
    """Returns the plain body.

    Args:
        body: The bytes as received.
        coding: One of ``CODINGS``.
        limit: Bytes that the result may have.
        account: Called with the size of each piece before it is kept; may raise.

    Raises:
        TooLarge: The result would be larger than ``limit``; stops as soon as that is known.
        Corrupt: The bytes are not what ``coding`` says.
    """
    if coding == "identity":
        return body
    pieces: list[bytes] = []
    size = 0
    for piece in _pieces(body, coding):
        size += len(piece)
        if size > limit:
            raise TooLarge(f"the body is larger than {limit} bytes once decompressed")
        account(len(piece))
        pieces.append(piece)
    return b"".join(pieces)


def _pieces(body: bytes, coding: str) -> Iterator[bytes]:
    if coding == "gzip":
        return _gzip(body)
    return _deflate(body) if coding == "deflate" else _zstd(body)


def _gzip(body: bytes) -> Iterator[bytes]:
    while body:
        member = zlib.decompressobj(31)
        yield from _inflate(member, body, "gzip")
        # Members may follow each other, and some senders pad the end with zeros.
        body = member.unused_data.lstrip(b"\0")


def _deflate(body: bytes) -> Iterator[bytes]:
    # The standard means a zlib stream; some senders leave its header out.
    is_zlib = len(body) >= 2 and body[0] & 15 == 8 and (body[0] << 8 | body[1]) % 31 == 0
    yield from _inflate(zlib.decompressobj(15 if is_zlib else -15), body, "deflate")


def _inflate(stream: "zlib._Decompress", body: bytes, coding: str) -> Iterator[bytes]:
    try:
        while not stream.eof:
            piece = stream.decompress(body, _STEP)
            body = stream.unconsumed_tail
            if not piece and not body:
                break  # neither input left nor output held back: the stream was cut
            yield piece
    except zlib.error as error:
        raise Corrupt(f"the body is not {coding}: {error}") from error
    if not stream.eof:
        raise Corrupt(f"the {coding} body ends too early")


def _zstd(body: bytes) -> Iterator[bytes]:
    import zstandard

    reader = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).stream_reader(
        io.BytesIO(body), read_across_frames=True
    )
    try:
        while piece := reader.read(_STEP):
            yield piece
    except zstandard.ZstdError as error:
        raise Corrupt(f"the body is not zstd: {error}") from error
