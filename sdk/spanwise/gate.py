"""Whether content may go to the endpoint: always when somebody named it, else only when Spanwise is there.

The default endpoint is a well-known port on which any OpenTelemetry collector may be listening; prompts are
not sent to one that nobody chose.
"""

import logging
import time

from spanwise.config import Config
from spanwise.sender import Sender

logger = logging.getLogger("spanwise")

_TIMEOUT_S = 2.0
_ASK_AGAIN_AFTER_S = 60.0


class ContentGate:
    """Asks a default endpoint once who it is; a no is asked again after a minute.

    Args:
        config: Tells whether the endpoint is the default one.
        sender: What asks.
    """

    def __init__(self, config: Config, sender: Sender) -> None:
        self.is_needed = config.is_endpoint_default and config.capture.wants_content
        self._sender = sender
        self._is_spanwise: bool | None = None
        self._asked_at = 0.0
        self._is_said = False

    def forget(self) -> None:
        """Makes the next ``allows`` ask again: the endpoint was away, another one may have come back."""
        self._is_spanwise = None

    def allows(self, timeout_s: float) -> bool:
        """Tells whether content may be sent.

        Raises:
            OSError, urllib3.exceptions.HTTPError: nothing answered.
        """
        if not self.is_needed or self._is_spanwise:
            return True
        now = time.monotonic()
        if self._is_spanwise is None or now - self._asked_at > _ASK_AGAIN_AFTER_S:
            self._is_spanwise = self._sender.is_spanwise(min(timeout_s, _TIMEOUT_S))
            self._asked_at = now
            if not self._is_spanwise and not self._is_said:
                self._is_said = True
                logger.warning(
                    "spanwise: what listens on the default endpoint %s is not Spanwise: spans are sent "
                    "there without messages. Set OTEL_EXPORTER_OTLP_ENDPOINT to send them all the same.",
                    self._sender.where,
                )
        return self._is_spanwise
