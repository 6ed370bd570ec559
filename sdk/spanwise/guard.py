"""Telemetry never breaks the app: where a fault of ours goes instead of into the app's call.

A guarded place catches ``Exception`` (never ``BaseException``, which belongs to the app) and hands it to
``fault``. Faults are counted by place and the first one of each place is logged with its stack; ``spanwise
doctor`` shows the counts. Under our own tests ``is_strict`` is set and faults are raised again, so that the
guard cannot hide a bug from us.
"""

import logging
import os
import threading

logger = logging.getLogger("spanwise")

is_strict = os.environ.get("SPANWISE_STRICT") == "1"
"""True re-raises faults where they happen. For our own tests only."""

_counts: dict[str, int] = {}
_lock = threading.RLock()  # reentrant: a finalizer may fault while another fault is being counted


def fault(place: str, error: Exception) -> None:
    """Counts a fault and logs the first of its place.

    Args:
        place: What was being done, low in variety: it is the key that faults are counted by.
        error: What went wrong. Call from inside the ``except`` block.

    Raises:
        Exception: the same error, only when ``is_strict`` is set.
    """
    with _lock:
        count = _counts[place] = _counts.get(place, 0) + 1
    if count == 1:
        logger.warning(
            "spanwise: %s failed; the app is not affected, the trace may be incomplete. "
            "Further failures here are counted, not logged.",
            place,
            exc_info=error,
        )
    if is_strict:
        raise error


def faults() -> dict[str, int]:
    """Returns how often each place has failed in this process."""
    with _lock:
        return dict(_counts)


_said: set[str] = set()


def say_once(key: str, message: str, *values: object) -> None:
    """Logs a warning the first time that ``key`` is seen in this process."""
    with _lock:
        if key in _said:
            return
        _said.add(key)
    logger.warning(message, *values)
