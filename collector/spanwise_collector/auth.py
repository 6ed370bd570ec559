"""Who may send and who may look: the ingest key, the password, login cookies, limits on wrong guesses.

Secrets are compared in constant time and never logged. The password is kept as an argon2 hash; a login yields
a cookie signed with HMAC, which a new password invalidates.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import ipaddress
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from spanwise_collector.errors import BadRequest
from spanwise_collector.settings import Settings

if TYPE_CHECKING:
    from argon2 import PasswordHasher

COOKIE = "spanwise_session"
MAX_FAILURES = 10
"""Wrong passwords from one address before it has to wait."""
FAILURE_WINDOW_S = 300.0
_MAX_ADDRESSES = 10_000
_COOKIE_KEY_FILE = "session.secret"


class Unauthorized(BadRequest):
    """No credentials, or wrong ones."""

    status = 401
    title = "Credentials needed"


class Forbidden(BadRequest):
    """Never allowed from there."""

    status = 403
    title = "Not allowed"


class TooManyRequests(BadRequest):
    """Slow down."""

    status = 429
    title = "Too many requests"

    def __init__(self, message: str, *, fix: str = "", retry_after_s: int = 1) -> None:
        super().__init__(message, fix=fix)
        self.retry_after_s = retry_after_s


class Throttle:
    """Counts wrong guesses by address."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def check(self, address: str) -> None:
        """Refuses an address that guessed wrong too often.

        Raises:
            TooManyRequests: Until its window is over.
        """
        count, since = self._failures.get(_network(address), (0, 0.0))
        left = since + FAILURE_WINDOW_S - self._clock()
        if count >= MAX_FAILURES and left > 0:
            raise TooManyRequests(
                f"{count} wrong passwords from {address}",
                fix=f"wait {int(left) + 1} seconds",
                retry_after_s=int(left) + 1,
            )

    def fail(self, address: str) -> None:
        """Counts one wrong guess."""
        network = _network(address)
        count, since = self._failures.pop(network, (0, self._clock()))
        if self._clock() - since > FAILURE_WINDOW_S:
            count, since = 0, self._clock()
        self._failures[network] = (count + 1, since)
        if len(self._failures) > _MAX_ADDRESSES:
            self._failures.popitem(last=False)

    def succeed(self, address: str) -> None:
        """Forgets an address's wrong guesses."""
        self._failures.pop(_network(address), None)


class Access:
    """Decides who may do what on one server."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._ingest_key = settings.ingest_key
        self._session_s = settings.session_hours * 3600
        self._throttle = Throttle()
        self._secret = _session_secret(settings)
        self._password = settings.ui_password
        self._hash: str | None = None
        self._verified: set[bytes] = set()

    @property
    def needs_login(self) -> bool:
        """True when pages and the JSON API ask for a password."""
        return self._password is not None

    def check_ingest(self, headers: Mapping[str, str]) -> None:
        """Checks the key of an OTLP request.

        Raises:
            Unauthorized: The key is missing or wrong.
        """
        if self._ingest_key is None:
            return
        offered = credentials(headers)
        if not offered:
            raise Unauthorized(
                "this collector needs an ingest key",
                fix='set OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20<key>"',
            )
        # Every candidate is compared, so that time tells nothing about which one was close.
        if not any([_same(candidate, self._ingest_key) for candidate in offered]):
            raise Unauthorized(
                "the ingest key is wrong", fix="compare it with the server's SPANWISE_INGEST_KEY"
            )

    def is_ingest_key(self, headers: Mapping[str, str]) -> bool:
        """True when the request carries the ingest key."""
        key = self._ingest_key
        return key is not None and any([_same(candidate, key) for candidate in credentials(headers)])

    async def is_allowed(self, headers: Mapping[str, str], cookie: str | None, address: str) -> bool:
        """True when a request may see pages and the API: by cookie, or by the password as Bearer or Basic.

        Raises:
            TooManyRequests: After too many wrong passwords from that address.
        """
        if self._password is None or (cookie is not None and self.is_session(cookie)):
            return True
        offered = credentials(headers)
        if not offered:
            return False
        self._throttle.check(address)
        for candidate in offered:
            # Hashing is slow on purpose; a script that sends the password each time pays it once.
            seen = hmac.digest(self._secret, candidate.encode(), "sha256")
            if seen in self._verified or await self._is_password(candidate):
                self._verified.add(seen)
                return True
        if not self.is_ingest_key(headers):
            self._throttle.fail(address)
        return False

    async def login(self, password: str, address: str) -> str:
        """Returns the cookie of a new session.

        Raises:
            Unauthorized: The password is wrong.
            TooManyRequests: After too many wrong ones from that address.
        """
        self._throttle.check(address)
        if not await self._is_password(password):
            self._throttle.fail(address)
            raise Unauthorized("the password is wrong", fix="it is the server's SPANWISE_UI_PASSWORD")
        self._throttle.succeed(address)
        payload = f"{int(self._clock()) + self._session_s}.{secrets.token_urlsafe(12)}"
        return f"{payload}.{self._sign(payload)}"

    def is_session(self, cookie: str) -> bool:
        """True for a cookie of ours that has not run out."""
        payload, _, signature = cookie.rpartition(".")
        if not _same(signature, self._sign(payload)):
            return False
        expiry = payload.partition(".")[0]
        return expiry.isdecimal() and self._clock() < int(expiry)

    def _sign(self, payload: str) -> str:
        # The password is part of the key: changing it ends every session.
        key = hmac.digest(self._secret, (self._password or "").encode(), "sha256")
        return hmac.new(key, payload.encode(), hashlib.sha256).hexdigest()

    async def _is_password(self, candidate: str) -> bool:
        return await asyncio.to_thread(self._verify, candidate)

    def _verify(self, candidate: str) -> bool:
        from argon2.exceptions import VerificationError

        hasher = _hasher()
        if self._hash is None:
            self._hash = hasher.hash(self._password or secrets.token_urlsafe(32))
        try:
            return hasher.verify(self._hash, candidate)
        except VerificationError:
            return False


def credentials(headers: Mapping[str, str]) -> list[str]:
    """Returns the secrets that a request offers: Bearer, both halves of Basic, ``x-api-key``."""
    found = []
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        found.append(value.strip())
    elif scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            user = password = ""
        found += [user, password]
    found.append(headers.get("x-api-key", "").strip())
    return [item for item in found if item]


def safe_next(target: str | None) -> str:
    """Returns a path on this server to go to after login; ``/`` for anything that leads elsewhere."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")):
        return "/"
    return "/" if any(ord(char) < 32 or char == "\\" for char in target) else target


def _same(left: str, right: str) -> bool:
    return hmac.compare_digest(left.encode(), right.encode())


def _hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher

    return PasswordHasher()


def _network(address: str) -> str:
    """Returns what one attacker cheaply owns: an IPv4 address, or a /64 of IPv6."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    return str(ipaddress.ip_network((address, 64), strict=False))


def _session_secret(settings: Settings) -> bytes:
    """Returns the key of cookies: the setting, else a file beside the database, so that logins outlive us."""
    if settings.session_secret:
        return settings.session_secret.encode()
    if settings.ui_password is None or settings.clickhouse_url is not None:
        return secrets.token_bytes(32)
    path = Path(settings.data_dir) / _COOKIE_KEY_FILE
    try:
        return path.read_bytes()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(secrets.token_bytes(32))
        return path.read_bytes()
