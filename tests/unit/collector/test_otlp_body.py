"""Decompression: every coding, damage, and bombs that never unfold."""

import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
import zstandard

from spanwise_collector.otlp_body import Corrupt, TooLarge, decompress

TEXT = b"the quick brown fox " * 5000
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


def unpack(body: bytes, coding: str, limit: int = 10_000_000) -> bytes:
    return decompress(body, coding, limit, lambda _size: None)


@pytest.mark.parametrize("coding", PACKERS)
def test_09_every_coding_gives_the_body_back(coding: str) -> None:
    assert unpack(PACKERS[coding](TEXT), coding) == TEXT
    assert unpack(PACKERS[coding](b""), coding) == b""


def test_09_gzip_members_and_zstd_frames_follow_each_other() -> None:
    assert unpack(gzip.compress(b"one ") + gzip.compress(b"two") + b"\0\0", "gzip") == b"one two"
    assert unpack(PACKERS["zstd"](b"one ") + PACKERS["zstd"](b"two"), "zstd") == b"one two"


def test_deflate_without_its_header_is_read_too() -> None:
    raw = zlib.compressobj(wbits=-15)
    assert unpack(raw.compress(TEXT) + raw.flush(), "deflate") == TEXT


@pytest.mark.parametrize("coding", PACKERS)
def test_10_damage_is_told(coding: str) -> None:
    packed = PACKERS[coding](TEXT)
    with pytest.raises(Corrupt):
        unpack(b"not " + packed, coding)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_10_a_cut_body_is_told(coding: str) -> None:
    with pytest.raises(Corrupt, match="too early"):
        unpack(PACKERS[coding](TEXT)[:-9], coding)


@pytest.mark.parametrize("coding", PACKERS)
def test_13_a_bomb_is_refused_without_being_unfolded(coding: str) -> None:
    bomb = PACKERS[coding](bytes(60_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge, match="1000000"):
            unpack(bomb, coding, limit=1_000_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20_000_000


def test_every_piece_is_accounted_before_it_is_kept() -> None:
    sizes: list[int] = []
    decompress(gzip.compress(TEXT), "gzip", 10**7, sizes.append)
    assert sum(sizes) == len(TEXT)
