"""A limit on accepted spans a second, as a bucket that refills all the time."""

import math
import time
from collections.abc import Callable

from spanwise_collector.auth import TooManyRequests

BURST_S = 10.0
"""Seconds of the limit that may be used at once."""


class Quota:
    """Spans that may still be accepted. Belongs to one event loop."""

    def __init__(self, spans_per_second: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._clock = spans_per_second, clock
        self._left = (spans_per_second or 0) * BURST_S
        self._then = clock()

    def take(self, count: int) -> None:
        """Uses ``count`` spans of the limit.

        Raises:
            TooManyRequests: Not enough is left; says when it will be.
        """
        if self._rate is None:
            return
        now = self._clock()
        self._left = min(self._rate * BURST_S, self._left + (now - self._then) * self._rate)
        self._then = now
        # A batch larger than the bucket passes when the bucket is full, else it could never be sent.
        if self._left < min(count, self._rate * BURST_S):
            missing = min(count, self._rate * BURST_S) - self._left
            raise TooManyRequests(
                f"the limit is {self._rate} spans a second",
                fix="send the same request again later, or raise max_spans_per_second",
                retry_after_s=math.ceil(missing / self._rate),
            )
        self._left -= count
