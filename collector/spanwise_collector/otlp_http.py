"""The OTLP/HTTP receiver: ``POST /v1/traces`` and ``/v1/logs``, and honest refusals for the rest of ``/v1``.

A 200 means that the spans are durable. Every other answer is a ``google.rpc.Status`` in the request's own
encoding; 422 and redirects never occur. Of logs the evaluation events are stored, the rest is refused by
partial success. Metrics are answered 404, which exporters take as final.

Source: opentelemetry-proto 1.11.0, docs/specification.md, OTLP/HTTP.
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from spanwise_collector.auth import Access, TooManyRequests
from spanwise_collector.deps import DEFAULT_PROJECT
from spanwise_collector.errors import CollectorError, Unavailable
from spanwise_collector.ingest import batch as refusals
from spanwise_collector.ingest import otlp_json, otlp_logs, otlp_protobuf
from spanwise_collector.ingest.batch import Batch, Undecodable
from spanwise_collector.ingest.pipeline import Pipeline
from spanwise_collector.ingest.quota import Quota
from spanwise_collector.ingest.writer import Reservation, Writer
from spanwise_collector.metrics import Metrics
from spanwise_collector.model import Score, Span, Vector
from spanwise_collector.otlp_body import CODINGS, Corrupt, TooLarge, decompress
from spanwise_collector.otlp_status import Encoding, encoding_of, failure, success
from spanwise_collector.settings import Settings

_log = logging.getLogger(__name__)
T = TypeVar("T")
READ_TIMEOUT_S = 120.0
"""A sender that stops in the middle of its body must not hold its place for ever."""
DRAIN_TIMEOUT_S = 5.0
_INLINE_BYTES = 16 * 1024
"""Plain bodies up to this size are decoded on the event loop: a thread would cost more than the work."""


@dataclass(frozen=True, slots=True)
class _Refusal(Exception):
    """An answer other than 200, before it is written in the request's encoding."""

    status: int
    message: str


Reader = Callable[[bytes, str], Batch]
"""Decodes a plain body for a project."""


@dataclass(frozen=True, slots=True)
class _Signal:
    """How the requests of one signal are read, and what their answers call what was refused."""

    readers: dict[Encoding, Reader]
    counted_as: str
    has_spans: bool


_SIGNALS = {
    "traces": _Signal(
        {"protobuf": otlp_protobuf.read_traces, "json": otlp_json.read_traces}, "rejectedSpans", True
    ),
    "logs": _Signal(
        {"protobuf": otlp_logs.read_protobuf, "json": otlp_logs.read_json}, "rejectedLogRecords", False
    ),
}


class Receiver:
    """Receives OTLP requests and has them stored."""

    def __init__(
        self,
        settings: Settings,
        access: Access,
        pipeline: Pipeline,
        writer: Writer[Span],
        score_writer: Writer[Score],
        vector_writer: Writer[Vector],
        metrics: Metrics,
    ) -> None:
        self._settings, self._access, self._pipeline = settings, access, pipeline
        self._writer, self._score_writer, self._metrics = writer, score_writer, metrics
        self._vector_writer = vector_writer
        self._quota = Quota(settings.max_spans_per_second)
        self._threads = ThreadPoolExecutor(
            max_workers=max(2, os.cpu_count() or 2), thread_name_prefix="spanwise-decode"
        )

    def close(self) -> None:
        """Ends the decoding threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def answer(self, request: Request) -> Response:
        """Answers any request below an OTLP prefix."""
        encoding = encoding_of(request.headers.get("content-type", ""))
        reservation = self._writer.reserve()
        try:
            return await self._receive(request, encoding, reservation)
        except _Refusal as refusal:
            await self._drain(request)
            headers = {"Allow": "POST"} if refusal.status == 405 else None
            return failure(refusal.status, refusal.message, encoding, headers=headers)
        except CollectorError as error:
            return failure(error.status, _sentence(error), encoding, headers=_headers(error))
        except ClientDisconnect:
            return failure(400, "the client hung up before its request was complete", encoding)
        except Exception:  # noqa: BLE001 (logged with its trace; the sender keeps its spans)
            # A fault of ours: told apart from the sender's in the log, and worth sending again.
            _log.exception("an OTLP request failed")
            return failure(
                503, "internal error, see the server's log", encoding, headers={"Retry-After": "5"}
            )
        finally:
            reservation.close()

    async def _receive(
        self, request: Request, encoding: Encoding | None, reservation: Reservation
    ) -> Response:
        signal = self._signal_of(request)
        if not signal.has_spans:
            self._writer.leave(reservation)
        self._access.check_ingest(request.headers)
        if encoding is None:
            given = request.headers.get("content-type", "")
            raise _Refusal(415, f"Content-Type {given!r}: send application/x-protobuf or application/json")
        coding = request.headers.get("content-encoding", "").strip().lower() or "identity"
        if coding not in CODINGS:
            raise _Refusal(415, f"Content-Encoding {coding!r}: send gzip, deflate, zstd or none")
        body = await self._read(request, reservation)
        batch = await self._decode(body, signal.readers[encoding], coding, reservation)
        self._quota.take(len(batch.spans) + len(batch.scores))
        await self._store(batch, reservation)
        return success(
            encoding, rejected=batch.rejected_count, message=batch.message, counted_as=signal.counted_as
        )

    def _signal_of(self, request: Request) -> _Signal:
        name = request.path_params["signal"].rstrip("/")
        if name not in (*_SIGNALS, "metrics"):
            raise _Refusal(404, f"no such path: {request.url.path}; traces go to /v1/traces")
        if request.method != "POST":
            raise _Refusal(405, f"{request.method} is not allowed: send POST")
        if name not in _SIGNALS:
            raise _Refusal(404, f"this collector does not take {name}, only traces and scores (as logs)")
        return _SIGNALS[name]

    async def _read(self, request: Request, reservation: Reservation) -> bytes:
        limit = self._settings.max_body_bytes
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length) > limit:
            raise _Refusal(413, f"the body has {length} bytes, the limit is {limit}: send smaller batches")
        pieces: list[bytes] = []
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                async for piece in request.stream():
                    if reservation.size + len(piece) > limit:
                        raise _Refusal(413, f"the body is larger than {limit} bytes: send smaller batches")
                    self._writer.grow(reservation, len(piece))
                    pieces.append(piece)
        except TimeoutError as error:
            raise Unavailable(
                f"the body did not arrive within {READ_TIMEOUT_S:.0f} seconds", fix="send smaller batches"
            ) from error
        self._metrics.received_bytes.inc(reservation.size)
        return b"".join(pieces)

    async def _drain(self, request: Request) -> None:
        """Reads past what is left of a body that is refused for good.

        Closing on a sender that still writes resets its connection: it would never read the refusal and try
        again for ever. A sender without a key gets no such patience.
        """
        left = self._settings.max_body_bytes
        with contextlib.suppress(TimeoutError, ClientDisconnect, RuntimeError):  # RuntimeError: all was read
            async with asyncio.timeout(DRAIN_TIMEOUT_S):
                async for piece in request.stream():
                    left -= len(piece)
                    if left < 0:
                        return

    async def _decode(self, body: bytes, read: Reader, coding: str, reservation: Reservation) -> Batch:
        try:
            if coding == "identity" and len(body) <= _INLINE_BYTES:
                return self._decode_now(body, read, coding, reservation)
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(
                self._threads, self._decode_now, body, read, coding, reservation
            )
        except TooLarge as error:
            raise _Refusal(413, f"{error}: send smaller batches") from error
        except (Corrupt, Undecodable) as error:
            raise _Refusal(400, str(error)) from error

    def _decode_now(self, body: bytes, read: Reader, coding: str, reservation: Reservation) -> Batch:
        plain = decompress(
            body, coding, self._settings.max_body_bytes, lambda size: self._writer.grow(reservation, size)
        )
        return self._pipeline.process(read(plain, DEFAULT_PROJECT))

    async def _store(self, batch: Batch, reservation: Reservation) -> None:
        refused = await self._writer.write(batch.spans, reservation)
        for span in refused:
            batch.reject(refusals.POISON, f"span {span.span_id} cannot be stored")
        if batch.scores:
            refused_scores = await self._store_beside(self._score_writer, batch.scores)
            for score in refused_scores:
                batch.reject(refusals.POISON, f"score {score.name!r} cannot be stored")
            self._metrics.scores.inc(len(batch.scores) - len(refused_scores))
        if batch.vectors and (lost := await self._store_beside(self._vector_writer, batch.vectors)):
            batch.notes.append(f"{len(lost)} vectors cannot be stored; their spans are")
        for reason, count in batch.rejected.items():
            self._metrics.rejected.labels(reason).inc(count)
        self._metrics.accepted.inc(len(batch.spans) - len(refused))

    async def _store_beside(self, writer: Writer[T], items: list[T]) -> list[T]:
        """Stores what is no span durably; returns what was refused for good."""
        reservation = writer.reserve()
        try:
            return await writer.write(items, reservation)
        finally:
            reservation.close()


def _sentence(error: CollectorError) -> str:
    return f"{error.message}: {error.fix}" if error.fix else error.message


def _headers(error: CollectorError) -> dict[str, str] | None:
    if isinstance(error, (Unavailable, TooManyRequests)):
        return {"Retry-After": str(error.retry_after_s)}
    return {"WWW-Authenticate": "Bearer"} if error.status == 401 else None
