"""The flags of every command that runs a server, and running it: shared by ``serve`` and ``demo``.

One flag a setting, derived from ``Settings``; a flag wins over its variable. Nothing heavy is imported here.
"""

import argparse
import asyncio
import contextlib
import gc
import os
import socket
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spanwise_collector.settings import Settings, SettingsError, check_exposure, variable

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI

_LISTS = frozenset({"cors_origins", "allowed_hosts", "otlp_path_prefixes"})
_TYPES: dict[str, "Callable[[str], Any]"] = {
    "port": int,
    "retention_days": int,
    "session_hours": int,
    "max_body_bytes": int,
    "max_queue_bytes": int,
    "max_spans_per_second": int,
    "linger_ms": float,
    "data_dir": Path,
    "tls_cert": Path,
    "tls_key": Path,
}


def add_server_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds one flag for every setting, each naming its environment variable."""
    for item in fields(Settings):
        flag = "--" + item.name.replace("_", "-")
        text = f"{item.metadata['about']} [{variable(item.name)}]".replace("%", "%%")
        if item.type is bool or item.type == "bool":
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=text)
        elif item.name in _LISTS:
            parser.add_argument(flag, type=_comma_list, default=None, metavar="A,B", help=text)
        else:
            parser.add_argument(
                flag, type=_TYPES.get(item.name, str), default=None, metavar="VALUE", help=text
            )


def settings_from(namespace: argparse.Namespace) -> Settings:
    """Returns the settings of the environment with the given flags on top.

    Raises:
        SettingsError: A value cannot be used, or a network address would be served without login.
    """
    given = {item.name: getattr(namespace, item.name, None) for item in fields(Settings)}
    settings = Settings.from_env(**given)
    check_exposure(settings)
    _check_certificate(settings)
    return settings


def _check_certificate(settings: Settings) -> None:
    if settings.tls_cert is None or settings.tls_key is None:
        return
    import ssl

    for path in (settings.tls_cert, settings.tls_key):
        if not os.access(path, os.R_OK):
            raise SettingsError(
                f"the file {path} cannot be read", fix="give --tls-cert and --tls-key PEM files"
            )
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
            settings.tls_cert, settings.tls_key
        )
    except ssl.SSLError as error:
        raise SettingsError(
            f"{settings.tls_cert} and {settings.tls_key} are no certificate and its key: {error}",
            fix="give --tls-cert the PEM file with the certificate chain, --tls-key the one with its key",
        ) from error


def bind(settings: Settings) -> tuple[socket.socket, Settings]:
    """Opens the listening socket first, so that a taken port is told before the database is opened.

    Returns:
        The socket, and the settings with the port that was really taken.

    Raises:
        OSError: The address cannot be bound.
    """
    is_ipv6 = ":" in settings.host
    family = socket.AF_INET6 if is_ipv6 else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host.strip("[]"), settings.port))
        listener.listen(2048)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener, settings.with_port(listener.getsockname()[1])


def run_server(app: "FastAPI", settings: Settings, listener: socket.socket) -> None:
    """Serves ``app`` on ``listener`` until SIGINT or SIGTERM, then drains what was accepted."""
    import uvicorn

    # Spans hold no cycles, and looking for some among thousands of them costs a fifth of the ingest.
    gc.set_threshold(100_000, 50, 100)
    app.state.when_warm = gc.freeze
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            lifespan="on",
            server_header=False,
            timeout_graceful_shutdown=15,
            ssl_certfile=settings.tls_cert,
            ssl_keyfile=settings.tls_key,
        )
    )
    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(server.serve(sockets=[listener]))


def _comma_list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _loop_factory() -> "Callable[[], asyncio.AbstractEventLoop] | None":
    try:
        import uvloop
    except ImportError:  # not on every platform: the standard loop serves as well, a little slower
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
