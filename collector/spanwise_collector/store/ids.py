"""Trace and span ids as callers write them: hex, checked before they reach a statement."""

import re

from spanwise_collector.errors import BadRequest

TRACE_ID_DIGITS = 32
SPAN_ID_DIGITS = 16
_HEX = re.compile(r"[0-9a-fA-F]+", re.ASCII)


def trace_id_of(text: str) -> str:
    """Return a trace id in lower case.

    Raises:
        BadRequest: It is not 32 hexadecimal digits.
    """
    return _checked(text, TRACE_ID_DIGITS, "trace id")


def span_id_of(text: str) -> str:
    """Return a span id in lower case.

    Raises:
        BadRequest: It is not 16 hexadecimal digits.
    """
    return _checked(text, SPAN_ID_DIGITS, "span id")


def _checked(text: str, digits: int, what: str) -> str:
    if len(text) != digits or _HEX.fullmatch(text) is None:
        raise BadRequest(
            f"{what} {text[:80]!r} is not {digits} hexadecimal digits", fix="copy the id as it is shown"
        )
    return text.lower()
