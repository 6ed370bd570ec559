"""Switching Spanwise on and off: ``instrument``, ``uninstrument``, ``flush``, ``shutdown``."""

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from spanwise import integrations, runtime, threads
from spanwise.capture import Capture
from spanwise.config import CaptureMode, Config
from spanwise.suppression import has_provider

logger = logging.getLogger("spanwise")

_lock = threading.RLock()
_is_provisional = False
"""True while the set-up in force was not asked for by the app's own code."""


def instrument(
    *names: str,
    endpoint: str | None = None,
    service_name: str | None = None,
    environment: str | None = None,
    api_key: str | None = None,
    headers: Mapping[str, str] | None = None,
    capture: bool | str | CaptureMode | None = None,
    scrub: bool | Callable[[str], str] | None = None,
    isolated: bool | None = None,
    propagate_threads: bool | None = None,
    **settings: Any,
) -> None:
    """Traces the model calls of this process and sends them to Spanwise.

    Call it once, before or after the libraries are imported and before or after the app's own OpenTelemetry
    set-up. A second call adds the libraries it names; other settings are ignored with a warning.

    Args:
        names: Libraries to trace, such as ``"openai"``; none means all that are installed.
        endpoint: Base URL of the collector; default ``OTEL_EXPORTER_OTLP_ENDPOINT``, else
            ``http://127.0.0.1:4318``.
        service_name: The app's name; default ``OTEL_SERVICE_NAME``.
        environment: Where it runs, such as ``"production"``.
        api_key: Sent as ``Authorization: Bearer``; default ``SPANWISE_API_KEY``.
        headers: Further HTTP headers of every export.
        capture: False records no content; True, the default, records it for Spanwise only; the name of a
            ``CaptureMode`` puts it on spans or events too. Default: OpenTelemetry's capture variable.
        scrub: False keeps secrets and personal data in content; a function replaces the scrubber.
        isolated: True keeps a private TracerProvider apart from the app's.
        propagate_threads: False leaves threads and executors without the current span and context.
        settings: Further fields of ``spanwise.config.Config``.

    Raises:
        TypeError, ValueError: an argument that does not exist or cannot work.
        spanwise.integrations.IntegrationError: a library asked for by name is missing or untested.
    """
    given = {
        "endpoint": endpoint,
        "service_name": service_name,
        "environment": environment,
        "api_key": api_key,
        "headers": headers,
        "capture": capture,
        "scrub": scrub,
        "isolated": isolated,
        "propagate_threads": propagate_threads,
        **settings,
    }
    _switch_on(names, Config.from_env(**given), is_configured=any(v is not None for v in given.values()))


def instrument_from_environment(*names: str, **settings: Any) -> None:
    """Traces libraries without a line in the app: for ``spanwise run`` and ``opentelemetry-instrument``.

    Libraries that are missing or untested are left alone quietly. An ``instrument()`` of the app's, should
    there be one, replaces these settings.

    Raises:
        TypeError, ValueError: an argument that does not exist or cannot work, or an unknown name.
    """
    global _is_provisional
    config = Config.from_env(**settings)
    if config.disabled:
        return
    with _lock:
        integrations.instrument(*names, is_needed=False)
        if runtime.current() is None:
            _start(config)
            _is_provisional = True


def uninstrument(*names: str) -> None:
    """Takes the patches of the named libraries off; without names, everything is undone and exporting stops.

    Raises:
        ValueError: a name that no integration has.
    """
    with _lock:
        integrations.uninstrument(*names)
        if not names:
            threads.uninstall()
            shutdown()


def flush(timeout_s: float = 30.0) -> bool:
    """Exports every span that has ended; returns False when not all could be within ``timeout_s`` seconds."""
    active = runtime.current()
    return True if active is None else active.pipeline.flush(timeout_s)


def shutdown(timeout_s: float | None = None) -> bool:
    """Exports what has ended and stops recording; patched libraries and decorated functions run untraced.

    Args:
        timeout_s: Seconds to spend at most; ``None`` takes the exporter's own deadline.

    Returns:
        False when something could not be exported.
    """
    with _lock:
        active = runtime.install(None)
    return True if active is None else active.pipeline.shutdown(timeout_s)


def _switch_on(names: tuple[str, ...], config: Config, *, is_configured: bool) -> None:
    if config.disabled:
        return
    global _is_provisional
    with _lock:
        integrations.instrument(*names)
        active = runtime.current()
        if _is_provisional and is_configured:
            shutdown()
            active = None
        _is_provisional = False
        if active is None:
            _start(config)
        elif is_configured and active.config != config:
            logger.warning(
                "spanwise: instrument() was called again with other settings; they are ignored. "
                "Call spanwise.uninstrument() first to change them."
            )


def _start(config: Config) -> None:
    from spanwise.pipeline import Pipeline

    if config.propagate_threads:
        threads.install()
    pipeline = Pipeline(config)
    runtime.install(runtime.Runtime(config, pipeline, Capture(config)))
    if has_provider() and not config.isolated:
        pipeline.tracer()  # listen at once: GenAI spans of other instrumentations are recorded too
