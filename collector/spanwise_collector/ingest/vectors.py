"""Takes the vectors of embeddings calls out of the spans: they are stored apart, and never searched as text.

The attribute is written by Spanwise's SDK: JSON with ``mime_type``, ``shape`` and bfloat16 in base64.
"""

import base64
import binascii
import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from spanwise import semconv
from spanwise_collector.model import AnyValue, Span, Vector

MIME_TYPE = "application/x-bfloat16"
MAX_NUMBERS = 1_000_000
UNREADABLE = "vectors_unreadable"


def take_vectors(span: Span) -> list[AnyValue]:
    """Removes what a span's attributes hold of vectors and returns it; empty for nearly every span."""
    if semconv.EMBEDDINGS_VECTORS not in span.attributes:
        return []
    # The attributes of one request may share values, but each span has a dictionary of its own.
    return [span.attributes.pop(semconv.EMBEDDINGS_VECTORS)]


def vectors_of(span: Span, taken: list[AnyValue]) -> list[Vector]:
    """Returns the vectors of a normalised and scrubbed span; what cannot be read becomes a warning."""
    found: list[Vector] = []
    for value in taken:
        try:
            numbers = _numbers(value)
        except (ValueError, TypeError, KeyError, binascii.Error):
            span.warnings.append(UNREADABLE)
            continue
        texts = _texts(span.input_text)
        model = span.response_model or span.request_model or "unknown"
        embedder = f"{model}/{numbers.shape[1]}"
        for item, vector in enumerate(numbers):
            content = texts[item].encode("utf-8", "replace") if item < len(texts) else vector.tobytes()
            found.append(
                Vector(
                    span.project_id,
                    embedder,
                    hashlib.blake2b(content, digest_size=16).hexdigest(),
                    span.trace_id,
                    span.span_id,
                    item,
                    vector,
                    span.received_ns,
                )
            )
    return found


def _numbers(value: AnyValue) -> npt.NDArray[np.float32]:
    part = orjson.loads(value) if isinstance(value, str) else value
    if not isinstance(part, dict) or part.get("mime_type") != MIME_TYPE:
        raise ValueError("not the vectors of Spanwise's SDK")
    count, size = (int(number) for number in part["shape"])
    if not 0 < count * size <= MAX_NUMBERS or size < 1:
        raise ValueError(f"a shape of {count} x {size}")
    words = np.frombuffer(base64.b64decode(part["content"], validate=True), "<u2")
    numbers = (words.astype(np.uint32) << 16).view(np.float32).reshape(count, size)
    if not np.isfinite(numbers).all():
        raise ValueError("a number that is not finite")
    return numbers


def _texts(document: str) -> list[str]:
    # A JSON value of any type: hence Any.
    try:
        texts: Any = orjson.loads(document) if document else []
    except orjson.JSONDecodeError:
        return []
    texts = texts if isinstance(texts, list) else [texts]
    return [text if isinstance(text, str) else orjson.dumps(text).decode() for text in texts]
