"""Keys, passwords, cookies, throttling: who gets in, and how long wrong guesses are borne."""

import base64
from collections.abc import Mapping
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from spanwise_collector import auth
from spanwise_collector.auth import (
    MAX_FAILURES,
    Access,
    Throttle,
    TooManyRequests,
    Unauthorized,
    safe_next,
)
from spanwise_collector.ingest.quota import Quota
from spanwise_collector.settings import Settings


@pytest.fixture(autouse=True)
def quick_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    """argon2 with its smallest cost: how slow it is by default is not what is tested here."""
    monkeypatch.setattr(auth, "_hasher", lambda: PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


def access(tmp_path: Path, **fields: object) -> Access:
    return Access(Settings(data_dir=tmp_path, **fields))  # type: ignore[arg-type]


def basic(user: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer k1"},
        {"authorization": "bearer  k1"},
        {"x-api-key": "k1"},
        basic("k1", ""),
        basic("public", "k1"),
    ],
)
def test_17_every_form_of_the_key_is_accepted(headers: Mapping[str, str], tmp_path: Path) -> None:
    access(tmp_path, ingest_key="k1").check_ingest(headers)


@pytest.mark.parametrize(
    "headers",
    [{}, {"authorization": "Bearer k2"}, {"x-api-key": ""}, {"authorization": "Basic %%%"}, basic("a", "b")],
)
def test_16_a_missing_or_wrong_key_is_refused(headers: Mapping[str, str], tmp_path: Path) -> None:
    with pytest.raises(Unauthorized):
        access(tmp_path, ingest_key="k1").check_ingest(headers)


async def test_a_login_gives_a_cookie_that_ends_with_time_and_with_the_password(tmp_path: Path) -> None:
    now = [1_000_000.0]
    settings = Settings(data_dir=tmp_path, ui_password="p", session_hours=1)
    first = Access(settings, clock=lambda: now[0])
    cookie = await first.login("p", "127.0.0.1")
    assert await first.is_allowed({}, cookie, "127.0.0.1")
    assert Access(settings, clock=lambda: now[0]).is_session(cookie), "a restart keeps logins"
    other = Settings(data_dir=tmp_path, ui_password="q")
    assert not Access(other, clock=lambda: now[0]).is_session(cookie)
    now[0] += 3601
    assert not first.is_session(cookie)


@pytest.mark.parametrize("forged", ["", ".", "9999999999.x.", "9999999999.abc.deadbeef", "x" * 5000, "é.é.é"])
def test_a_forged_cookie_opens_nothing(forged: str, tmp_path: Path) -> None:
    assert not access(tmp_path, ui_password="p").is_session(forged)


async def test_scripts_may_send_the_password_and_the_ingest_key_reads_nothing(tmp_path: Path) -> None:
    guard = access(tmp_path, ui_password="p", ingest_key="k")
    assert await guard.is_allowed({"authorization": "Bearer p"}, None, "a")
    assert await guard.is_allowed(basic("anyone", "p"), None, "a")
    assert not await guard.is_allowed({"authorization": "Bearer k"}, None, "a")
    assert not await guard.is_allowed({}, None, "a")


async def test_wrong_passwords_are_counted_by_address(tmp_path: Path) -> None:
    guard = access(tmp_path, ui_password="p")
    for _ in range(MAX_FAILURES - 1):
        guard._throttle.fail("10.0.0.1")
    with pytest.raises(Unauthorized):
        await guard.login("wrong", "10.0.0.1")
    with pytest.raises(TooManyRequests) as refusal:
        await guard.login("p", "10.0.0.1")
    assert refusal.value.retry_after_s > 0
    assert await guard.login("p", "10.0.0.2")


def test_waiting_is_over_after_the_window_and_a_64_is_one_address() -> None:
    now = [0.0]
    throttle = Throttle(lambda: now[0])
    for host in range(MAX_FAILURES):
        throttle.fail(f"2001:db8::{host}")
    with pytest.raises(TooManyRequests):
        throttle.check("2001:db8::ffff")
    now[0] = 301
    throttle.check("2001:db8::ffff")


def test_the_cookie_key_is_private(tmp_path: Path) -> None:
    access(tmp_path, ui_password="p")
    assert (tmp_path / "session.secret").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/traces?q=1", "/traces?q=1"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("/a\r\nSet-Cookie: x", "/"),
        (None, "/"),
    ],
)
def test_login_leads_only_to_this_server(target: str | None, path: str) -> None:
    assert safe_next(target) == path


def test_19_a_quota_says_when_to_come_back() -> None:
    now = [0.0]
    quota = Quota(100, lambda: now[0])
    quota.take(1000)
    with pytest.raises(TooManyRequests) as refusal:
        quota.take(250)
    assert refusal.value.retry_after_s == 3
    now[0] = 3
    quota.take(250)
    now[0] = 1000
    quota.take(5000)  # larger than the bucket: passes when it is full
    with pytest.raises(TooManyRequests):
        quota.take(1)
