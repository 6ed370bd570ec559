"""What ``spanwise.instrument()`` was told, parsed once: arguments first, then the ``OTEL_*`` variables.

A wrong argument raises, because it is a mistake at set-up that only its author can repair; a wrong
environment variable is logged and ignored, as OpenTelemetry asks, because it must not stop a deployed app.
"""

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any
from urllib.parse import unquote, urlsplit

logger = logging.getLogger("spanwise")

DEFAULT_ENDPOINT = "http://127.0.0.1:4318"
TRACES_PATH = "/v1/traces"
CAPTURE_VARIABLE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


class CaptureMode(Enum):
    """Where message content goes. Every mode but ``NO_CONTENT`` sends it to Spanwise's own endpoint."""

    NO_CONTENT = "no_content"
    SPANWISE = "spanwise"
    """The default: to Spanwise only, never to the app's other OpenTelemetry backends."""
    HASH = "hash"
    """To Spanwise only, and not as text: each text as its digest and length (see ``hashing``)."""
    SPAN_ONLY = "span_only"
    """On the span itself too, so that every backend of the app's TracerProvider sees it."""
    EVENT_ONLY = "event_only"
    """As an OpenTelemetry log event too."""
    SPAN_AND_EVENT = "span_and_event"

    @property
    def wants_content(self) -> bool:
        """False when nothing that people or models wrote may be recorded."""
        return self is not CaptureMode.NO_CONTENT

    @property
    def is_on_span(self) -> bool:
        """True when content becomes an attribute that every span processor of the app can read."""
        return self in (CaptureMode.SPAN_ONLY, CaptureMode.SPAN_AND_EVENT)

    @property
    def is_on_event(self) -> bool:
        """True when content is emitted as a log event."""
        return self in (CaptureMode.EVENT_ONLY, CaptureMode.SPAN_AND_EVENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The settings of one pipeline. Build it with ``Config.from_env``."""

    endpoint: str = "http://127.0.0.1:4318/v1/traces"
    """Where spans are posted to; as an argument also a base URL, which ``/v1/traces`` is appended to."""
    is_endpoint_default: bool = True
    """True when nobody named an endpoint: content is then withheld unless Spanwise answers there."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Sent with every export; keys are lower case. May hold a secret: never log them."""
    service_name: str | None = None
    """``None`` leaves ``OTEL_SERVICE_NAME`` and OpenTelemetry's own fallback in charge."""
    resource_attributes: Mapping[str, str] = field(default_factory=dict)
    """Further resource attributes named in code; those of the environment are read by OpenTelemetry."""
    compression: str = "none"
    """``none``, ``gzip`` or ``deflate``."""
    timeout_s: float = 10.0
    """Seconds one export request may take."""
    certificate: str | None = None
    """Path of the PEM file to verify the endpoint with; ``None`` takes the system's authorities."""
    client_key: str | None = None
    """Path of the PEM file with the key that the client certificate belongs to."""
    client_certificate: str | None = None
    """Path of the PEM file to show to an endpoint that asks who is calling."""
    capture: CaptureMode = CaptureMode.SPANWISE
    """Where message content goes; as an argument also True, False or a mode's name."""
    hash_key: str | None = field(default=None, repr=False)
    """Makes the digests of ``capture="hash"`` an HMAC-SHA256 (``SPANWISE_HASH_KEY``): without a key, short
    texts can be found by trying."""
    scrub: bool | Callable[[str], str] = True
    """True scrubs content with ``spanwise.redact``; a function scrubs in its place; False leaves it."""
    isolated: bool = False
    """True keeps a private TracerProvider: the app's OpenTelemetry set-up is neither used nor touched."""
    max_queue_bytes: int = 128 * 1024 * 1024
    """Memory of the spans that wait for export; what does not fit is dropped and counted. The default holds
    20,000 chat calls with 3 kB of content each."""
    max_content_chars: int = 1_000_000
    """Characters of text kept per content attribute; the longest strings are cut first."""
    capture_embeddings: bool = False
    """Record the vectors of embeddings calls too (``SPANWISE_CAPTURE_EMBEDDINGS=true``), in bfloat16 and at
    most 256 KiB a call: they feed drift. Content: not where ``capture`` is off."""
    propagate_threads: bool = True
    """Carry the current span and ``context()`` into threads and executors."""
    sample_ratio: float | None = None
    """Share of the traces that begin here and are kept, from 0 to 1; the server weighs them. ``None`` leaves
    it to ``OTEL_TRACES_SAMPLER``."""
    sample_by: str = "trace"
    """``trace``, or ``conversation``: all traces that begin in one conversation are kept, or none of them."""
    keep_errors: bool = False
    """True keeps every trace in which a span fails, also where sampling would leave it out."""
    disabled: bool = False
    """``OTEL_SDK_DISABLED``: everything is a no-op."""

    def __post_init__(self) -> None:
        """Checks values that would otherwise fail far from their cause.

        Raises:
            ValueError: a value that cannot work, named together with what would.
        """
        address = urlsplit(self.endpoint)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise ValueError(f"endpoint must be an http:// or https:// URL, not {self.endpoint!r}")
        if self.compression not in ("none", "gzip", "deflate"):
            raise ValueError(f"compression must be 'none', 'gzip' or 'deflate', not {self.compression!r}")
        if not isinstance(self.scrub, bool) and not callable(self.scrub):
            raise ValueError(f"scrub must be True, False or a function of one text, not {self.scrub!r}")
        ratio = self.sample_ratio
        is_share = type(ratio) in (int, float) and 0 <= ratio <= 1  # type: ignore[operator]
        if ratio is not None and not is_share:
            raise ValueError(f"sample_ratio must be a share from 0 to 1, not {ratio!r}")
        if self.sample_by not in ("trace", "conversation"):
            raise ValueError(f"sample_by must be 'trace' or 'conversation', not {self.sample_by!r}")
        for name in ("timeout_s", "max_queue_bytes", "max_content_chars"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be greater than 0, not {getattr(self, name)!r}")

    @classmethod
    def from_env(
        cls,
        *,
        endpoint: str | None = None,
        headers: Mapping[str, str] | None = None,
        api_key: str | None = None,
        capture: "bool | str | CaptureMode | None" = None,
        environment: str | None = None,
        **overrides: Any,
    ) -> "Config":
        """Returns the settings of the environment with the arguments on top; ``None`` is "not given".

        Args:
            endpoint: Base URL of the collector (``/v1/traces`` is appended unless it is there already).
            headers: Sent with every export; they win over those of the environment, key by key.
            api_key: Sent as ``Authorization: Bearer``; also ``SPANWISE_API_KEY``.
            capture: True, False, or a ``CaptureMode`` or its name.
            environment: Becomes the resource attribute ``deployment.environment.name``.
            overrides: Any further field of ``Config``.

        Raises:
            TypeError: an argument that does not exist, or is of a kind that cannot be read.
            ValueError: an argument that cannot work.
        """
        known = {f.name for f in fields(cls)} - {"is_endpoint_default"}
        if unknown := sorted(overrides.keys() - known):
            takes = ", ".join(sorted(known | {"api_key", "environment"}))
            raise TypeError(f"instrument() has no argument {unknown[0]!r}; it takes {takes}")
        values = _environment()
        values.update({name: value for name, value in overrides.items() if value is not None})
        if endpoint is not None:
            if not isinstance(endpoint, str):
                raise TypeError(f"endpoint must be an http:// or https:// URL, not {endpoint!r}")
            values.update(endpoint=_traces_url(endpoint), is_endpoint_default=False)
        values["headers"] = _headers(headers, api_key)
        if capture is not None:
            values["capture"] = _capture_argument(capture)
        if environment is not None:
            attributes = dict(values.get("resource_attributes", {}))
            values["resource_attributes"] = attributes | {"deployment.environment.name": environment}
        return cls(**values)


def is_true(name: str) -> bool:
    """Tells whether an environment variable is set to ``true``, in any case; nothing else is true."""
    return os.environ.get(name, "").strip().lower() == "true"


def _environment() -> dict[str, Any]:
    """Reads the fields that the environment sets; the others keep their defaults."""
    values: dict[str, Any] = {
        "disabled": is_true("OTEL_SDK_DISABLED"),
        "capture_embeddings": is_true("SPANWISE_CAPTURE_EMBEDDINGS"),
    }
    if url := _signal_variable("ENDPOINT", general=False):
        values.update(endpoint=url, is_endpoint_default=False)
    elif base := os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        values.update(endpoint=_traces_url(base), is_endpoint_default=False)
    address = urlsplit(values.get("endpoint", DEFAULT_ENDPOINT))
    if address.scheme not in ("http", "https") or not address.hostname:
        _ignored("OTEL_EXPORTER_OTLP_ENDPOINT", values["endpoint"], "an http:// or https:// URL")
        values.update(endpoint=DEFAULT_ENDPOINT + TRACES_PATH, is_endpoint_default=True)
    if (compression := _signal_variable("COMPRESSION").lower()) in ("none", "gzip", "deflate"):
        values["compression"] = compression
    elif compression:
        _ignored("OTEL_EXPORTER_OTLP_COMPRESSION", compression, "none, gzip or deflate")
    if timeout := _signal_variable("TIMEOUT"):
        _read_seconds(values, timeout)
    values["hash_key"] = os.environ.get("SPANWISE_HASH_KEY") or None
    for name in ("certificate", "client_key", "client_certificate"):
        values[name] = _signal_variable(name.upper()) or None
    if (mode := _capture_variable()) is not None:
        values["capture"] = mode
    if os.environ.get("SPANWISE_SCRUB", "").strip().lower() == "false":
        values["scrub"] = False
    return values


def _signal_variable(suffix: str, *, general: bool = True) -> str:
    """Returns the traces-specific OTLP variable, else the general one, else an empty string."""
    specific = os.environ.get(f"OTEL_EXPORTER_OTLP_TRACES_{suffix}", "").strip()
    return specific or (os.environ.get(f"OTEL_EXPORTER_OTLP_{suffix}", "").strip() if general else "")


def _traces_url(base: str) -> str:
    return base if base.rstrip("/").endswith(TRACES_PATH) else base.rstrip("/") + TRACES_PATH


def _read_seconds(values: dict[str, Any], text: str) -> None:
    """Reads a timeout in seconds, the unit that OpenTelemetry's Python exporters use."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if seconds > 0:
        values["timeout_s"] = seconds
    else:
        _ignored("OTEL_EXPORTER_OTLP_TIMEOUT", text, "a number of seconds greater than 0")


def _headers(given: Mapping[str, str] | None, api_key: str | None) -> dict[str, str]:
    """Merges headers: the environment's, then the key's, then those of the call."""
    headers: dict[str, str] = {}
    for pair in _signal_variable("HEADERS").split(","):
        name, found, value = pair.partition("=")
        if found and name.strip():
            headers[unquote(name).strip().lower()] = unquote(value).strip()
        elif pair.strip():
            logger.warning("spanwise: an entry of OTEL_EXPORTER_OTLP_HEADERS is not name=value; ignored")
    if not isinstance(given or {}, Mapping):
        raise TypeError(f"headers must be a mapping of names to values, not {type(given).__name__}")
    if key := api_key or os.environ.get("SPANWISE_API_KEY"):
        headers["authorization"] = f"Bearer {key}"
    headers.update({name.lower(): value for name, value in (given or {}).items()})
    return headers


def _capture_argument(value: "bool | str | CaptureMode") -> CaptureMode:
    if isinstance(value, CaptureMode):
        return value
    if isinstance(value, bool):
        return CaptureMode.SPANWISE if value else CaptureMode.NO_CONTENT
    try:
        return CaptureMode(value.lower())
    except (ValueError, AttributeError):
        names = ", ".join(repr(mode.value) for mode in CaptureMode)
        raise ValueError(f"capture must be True, False or one of {names}, not {value!r}") from None


def _capture_variable() -> CaptureMode | None:
    """Reads OpenTelemetry's capture variable; what cannot be understood records no content."""
    text = os.environ.get(CAPTURE_VARIABLE, "").strip().lower()
    if not text:
        return None
    if text == "true":
        logger.warning("spanwise: %s=true is the old spelling, read as SPAN_ONLY", CAPTURE_VARIABLE)
        return CaptureMode.SPAN_ONLY
    if text == "false":
        return CaptureMode.NO_CONTENT
    try:
        return CaptureMode(text)
    except ValueError:
        modes = "NO_CONTENT, SPAN_ONLY, EVENT_ONLY or SPAN_AND_EVENT"
        logger.warning("spanwise: %s=%s is not %s; no content is recorded", CAPTURE_VARIABLE, text, modes)
        return CaptureMode.NO_CONTENT


def _ignored(name: str, value: str, wanted: str) -> None:
    logger.warning("spanwise: %s=%s ignored: it must be %s", name, value, wanted)
