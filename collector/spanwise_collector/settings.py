"""The collector's settings: one frozen dataclass, from the environment, from flags, or by hand in a test.

Each field's variable is ``SPANWISE_`` and its name in upper case. Nothing here opens a file or a socket.
"""

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from spanwise_collector.errors import BadRequest

MIB = 1024 * 1024
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


class SettingsError(BadRequest):
    """A setting that cannot be used; raised before anything is opened."""


def default_data_dir() -> Path:
    """Returns the folder of the embedded database: ``$XDG_DATA_HOME/spanwise`` or its usual place."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "spanwise"


def _about(text: str) -> dict[str, str]:
    return {"about": text}


@dataclass(frozen=True, slots=True)
class Settings:
    """How one server runs."""

    host: str = field(default="127.0.0.1", metadata=_about("address to listen on"))
    port: int = field(default=4318, metadata=_about("port for OTLP, API and pages; 0 takes any free one"))
    data_dir: Path = field(
        default_factory=default_data_dir, metadata=_about("folder of the embedded database")
    )
    clickhouse_url: str | None = field(
        default=None, metadata=_about("ClickHouse server to use instead of the embedded engine")
    )
    fsync: bool = field(
        default=False,
        metadata=_about("acknowledge only what survives a power cut, too"),
    )
    retention_days: int = field(default=90, metadata=_about("days spans are kept; older ones are refused"))

    ingest_key: str | None = field(default=None, metadata=_about("key that OTLP senders must present"))
    ui_password: str | None = field(default=None, metadata=_about("password of the pages and the JSON API"))
    session_secret: str | None = field(
        default=None,
        metadata=_about("signs login cookies; set it when several servers share one address"),
    )
    session_hours: int = field(default=12, metadata=_about("hours after which a login ends"))
    allow_anonymous_on_network: bool = field(
        default=False,
        metadata=_about("listen on a network without key and password: anyone reads all prompts"),
    )
    tls_cert: Path | None = field(default=None, metadata=_about("PEM certificate chain, to serve HTTPS"))
    tls_key: Path | None = field(default=None, metadata=_about("PEM private key of the certificate"))
    cors_origins: tuple[str, ...] = field(
        default=(), metadata=_about("web origins whose scripts may send OTLP, comma separated")
    )
    allowed_hosts: tuple[str, ...] = field(
        default=(), metadata=_about("further host names this server answers to, comma separated")
    )
    otlp_path_prefixes: tuple[str, ...] = field(
        default=(),
        metadata=_about("more prefixes before /v1/traces, e.g. /api/public/otel"),
    )

    redact: bool = field(default=True, metadata=_about("scrub keys, cards, e-mail and phone from content"))
    max_body_bytes: int = field(
        default=64 * MIB, metadata=_about("largest OTLP request, before and after decompression")
    )
    max_queue_bytes: int = field(
        default=256 * MIB, metadata=_about("bytes of requests held before answering 503")
    )
    max_spans_per_second: int | None = field(
        default=None, metadata=_about("spans accepted a second on average; more is answered 429")
    )
    linger_ms: float = field(
        default=250.0, metadata=_about("milliseconds an insert waits for requests that are on their way")
    )

    def __post_init__(self) -> None:
        _check(self)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **overrides: Any) -> "Settings":
        """Returns the environment's settings with ``overrides`` on top; ``None`` there is "not given".

        Raises:
            SettingsError: A variable cannot be read, or the settings contradict each other.
        """
        source = os.environ if environ is None else environ
        values = {
            item.name: _read(item.name, text, _default_of(item))
            for item in fields(cls)
            if (text := source.get(variable(item.name), "").strip())
        }
        values.update({name: value for name, value in overrides.items() if value is not None})
        return cls(**values)

    @property
    def is_loopback(self) -> bool:
        """True when only this machine can reach the server."""
        return is_loopback(self.host)

    @property
    def url(self) -> str:
        """The address to open in a browser."""
        scheme = "https" if self.tls_cert else "http"
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104 (compared, not bound)
        host = f"[{host}]" if ":" in host and not host.startswith("[") else host
        return f"{scheme}://{host}:{self.port}"

    def with_port(self, port: int) -> "Settings":
        """Returns the same settings for the port that was really taken."""
        return replace(self, port=port)


def variable(name: str) -> str:
    """Returns the environment variable of a setting."""
    return "SPANWISE_" + name.upper()


def is_loopback(host: str) -> bool:
    """True for addresses and names that only this machine can reach."""
    bare = host.strip("[]").lower()
    if bare == "localhost" or bare.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return False


def check_exposure(settings: Settings) -> None:
    """Refuses to serve prompts to a network without a key and a login.

    Raises:
        SettingsError: The address is not loopback and the ingest key or the password is missing.
    """
    missing = [
        flag
        for flag, value in (("--ingest-key", settings.ingest_key), ("--ui-password", settings.ui_password))
        if not value
    ]
    if settings.is_loopback or settings.allow_anonymous_on_network or not missing:
        return
    variables = " and ".join(variable(flag[2:].replace("-", "_")) for flag in missing)
    raise SettingsError(
        f"refusing to listen on {settings.host!r}: that address is reachable from the network and "
        f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set",
        fix=f"set {variables} (or the flags), listen on 127.0.0.1, or say --allow-anonymous-on-network "
        "to let everyone who reaches this address read and write every trace",
    )


def _default_of(item: Any) -> Any:
    # dataclasses.Field is generic over the field's type, which differs from field to field: hence Any.
    return item.default if item.default is not MISSING else item.default_factory()


_NUMBERS = {
    "max_spans_per_second": int,
    "port": int,
    "retention_days": int,
    "session_hours": int,
    "max_body_bytes": int,
    "max_queue_bytes": int,
    "linger_ms": float,
}
_PATHS = frozenset({"data_dir", "tls_cert", "tls_key"})


def _read(name: str, text: str, default: Any) -> Any:
    if name in _PATHS:
        return Path(text).expanduser()
    if isinstance(default, bool):
        return _read_bool(name, text)
    if isinstance(default, tuple):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if name in _NUMBERS:
        try:
            return _NUMBERS[name](text)
        except ValueError as error:
            raise SettingsError(
                f"{variable(name)}={text!r} is not a number", fix=f"e.g. {default}"
            ) from error
    return text


def _read_bool(name: str, text: str) -> bool:
    if text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    raise SettingsError(f"{variable(name)}={text!r} is neither true nor false", fix="write true or false")


def _check(settings: Settings) -> None:
    for name, low, high in (
        ("port", 0, 65535),
        ("retention_days", 1, 36500),
        ("session_hours", 1, 24 * 365),
        ("max_body_bytes", 1024, 1024 * MIB),
        ("max_queue_bytes", 1024, 64 * 1024 * MIB),
        ("linger_ms", 0, 1000),
    ):
        value = getattr(settings, name)
        if not low <= value <= high:
            raise SettingsError(f"{name}={value!r} is out of range", fix=f"choose {low} to {high}")
    if settings.max_spans_per_second is not None and settings.max_spans_per_second < 1:
        raise SettingsError(
            f"max_spans_per_second={settings.max_spans_per_second!r} would refuse everything",
            fix="choose 1 or more, or leave it out",
        )
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise SettingsError("--tls-cert and --tls-key only work together", fix="give both or neither")
    url = settings.clickhouse_url
    if url is not None and urlsplit(url).scheme not in ("http", "https"):
        raise SettingsError(
            f"clickhouse_url={url!r} is not an HTTP address",
            fix="e.g. http://default:password@localhost:8123/spanwise",
        )
    for origin in settings.cors_origins:
        if urlsplit(origin).scheme not in ("http", "https") or urlsplit(origin).path:
            raise SettingsError(f"cors_origins has {origin!r}", fix="e.g. https://app.example.com")
