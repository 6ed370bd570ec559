"""OTLP answers: empty on success, partial success with counts, ``google.rpc.Status`` for every error.

An answer is in the encoding of its request. The few messages are written by hand: the Status classes would
bring another dependency.

Source: opentelemetry-proto 1.11.0, docs/specification.md; google/rpc/status.proto and error_details.proto.
"""

from typing import Literal

import orjson
from starlette.responses import Response

Encoding = Literal["protobuf", "json"]
MEDIA_TYPES: dict[str, Encoding] = {"application/x-protobuf": "protobuf", "application/json": "json"}
_CONTENT_TYPES = {encoding: media_type for media_type, encoding in MEDIA_TYPES.items()}
_RPC_CODES = {400: 3, 401: 16, 403: 7, 404: 5, 405: 12, 413: 8, 415: 3, 429: 8, 500: 13, 503: 14}
_BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"
MAX_MESSAGE_CHARS = 4096


def encoding_of(content_type: str) -> Encoding | None:
    """Returns the encoding that a Content-Type names, parameters aside; ``None`` for any other."""
    return MEDIA_TYPES.get(content_type.partition(";")[0].strip().lower())


def success(
    encoding: Encoding, *, rejected: int = 0, message: str = "", counted_as: str = "rejectedSpans"
) -> Response:
    """Returns 200; with a partial success when something was refused or is worth a warning.

    ``counted_as`` is the count's name in JSON, which differs by signal; in protobuf it has no name.
    """
    message = message[:MAX_MESSAGE_CHARS]
    if encoding == "json":
        partial = {counted_as: str(rejected), "errorMessage": message}
        body = orjson.dumps({"partialSuccess": partial} if rejected or message else {})
    else:
        body = b""
        if rejected or message:
            inner = (b"\x08" + _varint(rejected) if rejected else b"") + _field(2, message.encode())
            body = _field(1, inner)
    return Response(body, 200, media_type=_CONTENT_TYPES[encoding])


def failure(
    status: int, message: str, encoding: Encoding | None, *, headers: dict[str, str] | None = None
) -> Response:
    """Returns an error as a Status; JSON when the request's encoding is unknown."""
    code, message = _RPC_CODES.get(status, 2), message[:MAX_MESSAGE_CHARS]
    if encoding == "protobuf":
        body = b"\x08" + _varint(code) + _field(2, message.encode())
        if status == 400:
            violation = _field(1, b"body") + _field(2, message.encode())
            body += _field(3, _field(1, _BAD_REQUEST.encode()) + _field(2, _field(1, violation)))
    else:
        document: dict[str, object] = {"code": code, "message": message}
        if status == 400:
            violations = [{"field": "body", "description": message}]
            document["details"] = [{"@type": _BAD_REQUEST, "fieldViolations": violations}]
        body = orjson.dumps(document)
    return Response(body, status, headers, media_type=_CONTENT_TYPES[encoding or "json"])


def _field(number: int, payload: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
