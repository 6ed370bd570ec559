"""What happens to one batch: encode, send, retry, give up; what is counted, and what is said about it.

An outage is one log line, however long it lasts, and one more when it ends. The first fault is not an outage
yet: a collector that restarts within seconds costs nothing and is not worth a word.
"""

import logging
import math
import random
import time
from dataclasses import dataclass

from spanwise.backlog import Backlog, Batch
from spanwise.config import Config
from spanwise.encode import Encoder
from spanwise.gate import ContentGate
from spanwise.sender import Answer, Sender, Verdict, unanswered

logger = logging.getLogger("spanwise")

_OUTAGE_AFTER_S = 5.0
_FIRST_DELAY_S = 1.0
_MAX_DELAY_S = 32.0
_CLOSING_DELAY_S = 0.25
_TOO_LARGE = 413


@dataclass(slots=True)
class Counts:
    """What became of the spans of one process; each is counted in exactly one of the first four."""

    exported: int = 0
    """Acknowledged by the endpoint."""
    refused: int = 0
    """Sent, and not accepted: an answer that is not worth a retry, or a partial success."""
    failed: int = 0
    """Not sent because of a fault of ours."""
    lost: int = 0
    """Still waiting when the pipeline was shut down."""
    withheld: int = 0
    """Exported without their content, because the default endpoint is not Spanwise."""
    last_error: str = ""


class Delivery:
    """Sends batches to one endpoint and keeps account.

    ``deliver`` runs in one thread; the other methods may be called from any.

    Args:
        config: Endpoint and limits.
        sender: What sends one request.
        encoder: What makes a request of a batch.
        backlog: Ends waits when something new has happened, and is packed meanwhile.
        noun: What is sent, for the log.
    """

    def __init__(
        self, config: Config, sender: Sender, encoder: Encoder, backlog: Backlog, noun: str = "spans"
    ) -> None:
        self.noun = noun
        self._config = config
        self._sender = sender
        self._encoder = encoder
        self._backlog = backlog
        self._gate = ContentGate(config, sender)
        self._refusals_said: set[int] = set()
        self.reset()

    def reset(self) -> None:
        """Starts anew: a forked child counts for itself and opens its own connection."""
        self.counts = Counts()
        self.is_ended = False
        self._sender.reset()
        self._gate.forget()
        self._is_hurried = False
        self._is_withholding = False
        self._close_at: float | None = None
        self._failing_since: float | None = None
        self._is_outage_said = False
        self._dropped_said = 0
        self._concluded = 0
        """Spans of the batch in progress whose fate is known, when it had to be sent in parts."""
        self._refused_bytes: float = math.inf
        """Size of the smallest request that was too large for the endpoint."""

    @property
    def is_failing(self) -> bool:
        """True while the endpoint takes nothing."""
        return self._failing_since is not None

    def hurry(self) -> None:
        """Ends the present wait between two attempts: somebody waits for the spans. Wake the waiter too."""
        self._is_hurried = True

    def close_by(self, deadline: float) -> None:
        """Announces the end: attempts follow one another quickly, and none lasts beyond ``deadline``.

        Args:
            deadline: In terms of ``time.monotonic()``.
        """
        self._close_at = deadline
        self._is_hurried = True

    def end(self, held: int) -> None:
        """Stops after the attempt in progress, gives up the ``held`` spans, and says how many are lost."""
        self.is_ended = True
        self._is_hurried = True
        self.counts.lost += held - self._concluded
        if self.counts.lost:
            logger.warning(
                "spanwise: %d %s were not delivered to %s: %s",
                self.counts.lost,
                self.noun,
                self._sender.where,
                self.counts.last_error or "no answer in time",
            )

    def deliver(self, batch: Batch) -> None:
        """Sends a batch until it is accepted, refused for good, or the end has come.

        What is too large for the endpoint is sent in halves, down to single spans.
        """
        self._concluded = 0
        parts = [batch]
        while parts:
            part = parts.pop()
            if self._is_through(part):
                self._concluded += len(part.spans)
            else:
                parts += reversed(part.halves())
        self._concluded = 0

    def _is_through(self, batch: Batch) -> bool:
        """Sends a batch or a part of one; False when it is to be sent in parts."""
        from urllib3.exceptions import HTTPError  # urllib3 is imported by the worker, not by the app's thread

        body: bytes | None = None
        attempt = 0
        while (timeout_s := self._time_left_s()) > 0:
            began_at = time.monotonic()
            self._is_hurried = False
            try:
                if body is None:
                    body = self._request(batch, timeout_s)
                    if self._is_too_large(batch, body):
                        return False
                answer = self._sender.post(body, timeout_s)
            except (HTTPError, OSError) as error:
                answer = unanswered(error)
            if body is not None and self._is_too_large(batch, body, answer.status):
                return False
            if answer.verdict is not Verdict.RETRY:
                self._conclude(batch, answer)
                return True
            self._note_failure(answer, began_at)
            if self._close_at is not None and not answer.is_listening and self._sender.is_loopback:
                break  # nothing listens on this machine, and waiting would only delay the app's exit
            if self._gate.is_needed:
                self._gate.forget()
                body = None
            self._pause(self._delay_s(attempt, answer))
            attempt += 1
        if not self.is_ended:  # else ``end`` has counted this batch among what was held
            self.counts.lost += len(batch.spans)
        return True

    def count_failure(self, batch: Batch, error: Exception) -> None:
        """Counts the spans of a batch that a fault of ours has cost."""
        self.counts.failed += len(batch.spans) - self._concluded
        self._concluded = 0
        self.counts.last_error = f"{type(error).__name__}: {error}"

    def report_dropped(self, dropped: int) -> None:
        """Says once an episode how many spans found no room; ``dropped`` counts from the start.

        Called whenever the backlog has run empty.
        """
        if dropped > self._dropped_said and not self.is_failing:
            logger.warning(
                "spanwise: %d %s were dropped: more than %.3g MiB waited for export. "
                "instrument(max_queue_bytes=...) makes room for more.",
                dropped - self._dropped_said,
                self.noun,
                self._config.max_queue_bytes / 2**20,
            )
            self._dropped_said = dropped

    def _time_left_s(self) -> float:
        """Returns the seconds that the next attempt may take; 0 or less when there is none."""
        if self.is_ended:
            return 0.0
        if self._close_at is None:
            return self._config.timeout_s
        return min(self._config.timeout_s, self._close_at - time.monotonic())

    def _is_too_large(self, batch: Batch, body: bytes, status: int = 0) -> bool:
        """Tells whether to send a request in parts: it was refused for its size, or a smaller one was."""
        if status == _TOO_LARGE:
            self._refused_bytes = min(self._refused_bytes, len(body))
        return len(batch.spans) > 1 and len(body) >= self._refused_bytes

    def _request(self, batch: Batch, timeout_s: float) -> bytes:
        self._is_withholding = not self._gate.allows(timeout_s)
        return self._encoder.request(batch.spans, with_content=not self._is_withholding)

    def _conclude(self, batch: Batch, answer: Answer) -> None:
        """Counts a final answer."""
        count = len(batch.spans)
        if answer.verdict is Verdict.ACCEPTED:
            refused = min(answer.rejected_spans, count)
            self.counts.exported += count - refused
            if self._is_withholding:
                self.counts.withheld += sum(1 for span in batch.spans if span.content)
        else:
            refused = count
            self.counts.last_error = answer.reason
        self.counts.refused += refused
        if (refused or answer.message) and answer.status not in self._refusals_said:
            self._refusals_said.add(answer.status)
            logger.warning(
                "spanwise: %s refused %d of %d %s (%s) %s; further refusals are counted, not logged",
                self._sender.where,
                refused,
                count,
                self.noun,
                answer.reason or "partial success",
                answer.message,
            )
        self._note_recovery()

    def _note_failure(self, answer: Answer, began_at: float) -> None:
        self.counts.last_error = answer.reason
        if self._failing_since is None:
            self._failing_since = began_at
        # While closing, ``end`` says what the outage has cost: that is the one line then.
        if self._is_outage_said or self._close_at is not None:
            return
        if time.monotonic() - self._failing_since < _OUTAGE_AFTER_S:
            return
        self._is_outage_said = True
        logger.warning(
            "spanwise: %s takes no %s: %s. Up to %.3g MiB are kept and sent when it is back; "
            "what does not fit, or is left at exit, is dropped and counted.",
            self._sender.where,
            self.noun,
            answer.reason,
            self._config.max_queue_bytes / 2**20,
        )

    def _note_recovery(self) -> None:
        if self._failing_since is not None and self._is_outage_said:
            away_s = time.monotonic() - self._failing_since
            logger.warning("spanwise: %s takes %s again after %.0f s", self._sender.where, self.noun, away_s)
            self._refused_bytes = math.inf  # it may have been restarted with another limit
        self._failing_since = None
        self._is_outage_said = False

    def _delay_s(self, attempt: int, answer: Answer) -> float:
        if self._close_at is not None:
            return _CLOSING_DELAY_S
        if answer.retry_after_s is not None:
            return answer.retry_after_s
        jitter = random.uniform(0.8, 1.2)  # noqa: S311 - spreads retries, keeps no secret
        return float(min(_MAX_DELAY_S, _FIRST_DELAY_S * 2 ** min(attempt, 10))) * jitter

    def _pause(self, delay_s: float) -> None:
        """Waits for the next attempt, less when somebody waits for the spans."""
        end_at = time.monotonic() + delay_s
        if self._close_at is not None:
            time.sleep(max(0.0, min(delay_s, self._close_at - time.monotonic())))
            return
        while not self._is_hurried and (remaining_s := end_at - time.monotonic()) > 0:
            self._backlog.wait(remaining_s)
            self._backlog.pack()
