"""Whether the app's own exporter already sends to our endpoint: then we do not send the same spans again.

That is so under ``opentelemetry-instrument``, whose OTLP exporter obeys the same variables, and in an app
that exports to Spanwise by itself. Its copy of a span would lack the messages and could arrive last and win.
"""

from collections.abc import Sequence
from enum import Enum
from typing import Any
from urllib.parse import urlsplit

from spanwise import guard
from spanwise.config import TRACES_PATH, Config

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_PORTS = {"http": 80, "https": 443}


class Carriage(Enum):
    """How the spans of a TracerProvider come to our endpoint."""

    OURS = "ours"
    """Nobody but us sends them there."""
    SHARED = "shared"
    """The app's exporter does, and others send them to other places."""
    SOLE = "sole"
    """The app's exporter does, and no other place sees its spans."""


class Listeners:
    """The span processors of a TracerProvider, watched for additions.

    Args:
        provider: The provider; one that is not of OpenTelemetry's SDK has no processors to us.
        ours: Our own processor on it.
        config: Names our endpoint.
    """

    __slots__ = ("_config", "_holder", "_ours", "_seen", "carriage", "carriers")

    def __init__(self, provider: object, ours: object, config: Config) -> None:
        self._holder: Any = getattr(provider, "_active_span_processor", None)
        if not isinstance(getattr(self._holder, "_span_processors", None), tuple):
            self._holder = _Nobody
        self._ours = ours
        self._config = config
        self.carriers: list[Any] = []
        """The app's processors whose exporters send to our endpoint."""
        self.carriage = Carriage.OURS
        self._seen: object = None

    @property
    def are_unchanged(self) -> bool:
        """False when a processor was added since ``look``; the SDK then has a new tuple of them."""
        return self._holder._span_processors is self._seen

    def look(self) -> None:
        """Finds out who sends the provider's spans to our endpoint."""
        processors: Sequence[Any] = self._holder._span_processors
        self._seen = processors
        others = [found for found in processors if found is not self._ours]
        there = _place(self._config.endpoint)
        self.carriers = [found for found in others if _place(_endpoint_of(found)) == there]
        if not self.carriers:
            self.carriage = Carriage.OURS
        else:
            self.carriage = Carriage.SOLE if len(self.carriers) == len(others) else Carriage.SHARED


class _Nobody:
    """Stands for the processors of a provider that does not show them."""

    _span_processors = ()


def holds_content(carriage: Carriage, config: Config) -> bool:
    """Tells whether content must be on the span to get to the endpoint, and may be; says what is missing."""
    if carriage is Carriage.OURS or not config.capture.wants_content or config.capture.is_on_span:
        return False
    if carriage is Carriage.SOLE and not config.is_endpoint_default:
        return True
    if config.is_endpoint_default:
        how = "name the endpoint: OTEL_EXPORTER_OTLP_ENDPOINT or instrument(endpoint=...)"
    else:
        how = "let every exporter see them: OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=SPAN_ONLY"
    guard.say_once(
        "carried without content",
        "spanwise: the app's own exporter sends to %s too, so Spanwise leaves the sending to it; its spans "
        "are without messages. To have these, %s.",
        urlsplit(config.endpoint).hostname,
        how,
    )
    return False


def _endpoint_of(processor: Any) -> object:
    """Returns where a span processor of OpenTelemetry's SDK sends to, if it is one that does."""
    exporter = getattr(processor, "span_exporter", None)
    if exporter is None:
        exporter = getattr(getattr(processor, "_batch_processor", None), "_exporter", None)
    return getattr(exporter, "_endpoint", None)


def _place(endpoint: object) -> tuple[str, int, str] | None:
    """Returns host, port and path of a URL, with the names of this machine made one."""
    if not isinstance(endpoint, str):
        return None
    address = urlsplit(endpoint)
    if not address.hostname or not address.path.endswith(TRACES_PATH):
        return None
    host = "localhost" if address.hostname in _LOOPBACK else address.hostname
    return host, address.port or _PORTS.get(address.scheme, 0), address.path
