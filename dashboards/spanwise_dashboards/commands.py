"""The commands ``spanwise serve`` and ``spanwise demo``. Nothing heavy is imported before a command runs."""

import argparse
import errno
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

from spanwise.cli import Command

READY_AFTER_S = 60.0


def _configure_serve(parser: argparse.ArgumentParser) -> None:
    from spanwise_collector.commands import add_server_arguments

    add_server_arguments(parser)


def _serve(namespace: argparse.Namespace) -> int:
    return run(namespace, when_ready=_announce)


def run(namespace: argparse.Namespace, when_ready: Callable[[str], None]) -> int:
    """Runs a server until it is told to stop; ``when_ready`` is called with its URL once it answers.

    Returns:
        0 after a clean stop, 1 when it could not start, 2 for settings that cannot be used.
    """
    from spanwise_collector.commands import bind, settings_from
    from spanwise_collector.errors import CollectorError
    from spanwise_collector.settings import SettingsError

    try:
        settings = settings_from(namespace)
        listener, settings = bind(settings)
    except SettingsError as error:
        return _fail(error.message, error.fix, 2)
    except OSError as error:
        return _fail(*_bind_problem(error, settings.host, settings.port), 1)
    from spanwise_collector.app import open_store
    from spanwise_collector.commands import run_server
    from spanwise_dashboards.server import create_server

    try:
        store = open_store(settings)
    except CollectorError as error:
        listener.close()
        return _fail(error.message, error.fix, 1)
    if threading.current_thread() is threading.main_thread():
        # Uvicorn drains on SIGTERM and then sends it again: this turns the second one into a clean exit.
        signal.signal(signal.SIGTERM, _leave)
    waiting = threading.Thread(target=_when_ready, args=(settings.url, when_ready), daemon=True)
    try:
        waiting.start()
        run_server(create_server(settings, store), settings, listener)
    finally:
        store.close()
    return 0


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(0)


def _bind_problem(error: OSError, host: str, port: int) -> tuple[str, str]:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} on {host} is in use by another program",
            f"stop it, or choose another port: spanwise serve --port {port + 1}",
        )
    if error.errno == errno.EACCES:
        return f"this user may not listen on port {port}", "choose a port from 1024: --port 4318"
    return f"cannot listen on {host}:{port}: {error.strerror or error}", "check --host and --port"


def _fail(message: str, fix: str, status: int) -> int:
    print(f"spanwise: {message}", file=sys.stderr)
    if fix:
        print(f"  {fix}", file=sys.stderr)
    return status


def _when_ready(url: str, tell: Callable[[str], None]) -> None:
    """Asks the server until it answers as healthy, then tells."""
    import ssl
    import urllib.request

    trusting = ssl.create_default_context()
    trusting.check_hostname = False  # our own process on this machine, with whatever certificate it was given
    trusting.verify_mode = ssl.CERT_NONE
    handlers = [urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusting)]
    opener = urllib.request.build_opener(*handlers)
    until = time.monotonic() + READY_AFTER_S
    while time.monotonic() < until:
        try:
            with opener.open(f"{url}/healthz", timeout=5) as answer:
                if answer.status == 200:
                    tell(url)
                    return
        except OSError:
            time.sleep(0.02)


def _announce(url: str) -> None:
    print(f"Spanwise is ready: {url}", flush=True)
    print("  OTLP, API and pages on this one address. Stop it with Ctrl+C.", flush=True)


def _configure_demo(parser: argparse.ArgumentParser) -> None:
    from spanwise_dashboards.demo.command import configure

    configure(parser)


def _demo(namespace: argparse.Namespace) -> int:
    from spanwise_dashboards.demo.command import run_demo

    return run_demo(namespace)


SERVE = Command(
    name="serve",
    help="run the server: OTLP in, JSON API and pages out, on one port",
    configure=_configure_serve,
    run=_serve,
)
DEMO = Command(
    name="demo",
    help="run a server and an example assistant that fills it with traces",
    configure=_configure_demo,
    run=_demo,
)
