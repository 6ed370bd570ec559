"""Settings: from the environment and flags, with errors that name the value and the fix."""

import argparse
from dataclasses import fields
from pathlib import Path

import pytest

from spanwise_collector.commands import add_server_arguments, settings_from
from spanwise_collector.settings import Settings, SettingsError, check_exposure, variable


def parse(*flags: str) -> Settings:
    parser = argparse.ArgumentParser()
    add_server_arguments(parser)
    return settings_from(parser.parse_args(flags))


def test_flags_win_over_variables_and_variables_over_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPANWISE_PORT", "5000")
    monkeypatch.setenv("SPANWISE_REDACT", "off")
    monkeypatch.setenv("SPANWISE_CORS_ORIGINS", "https://a.example, https://b.example")
    settings = parse("--port", "6000", "--data-dir", "/x")
    assert (settings.port, settings.redact, settings.data_dir) == (6000, False, Path("/x"))
    assert settings.cors_origins == ("https://a.example", "https://b.example")
    assert parse("--redact").redact is True


def test_every_setting_has_a_flag_and_a_description() -> None:
    parser = argparse.ArgumentParser()
    add_server_arguments(parser)
    text = parser.format_help()
    for item in fields(Settings):
        assert "--" + item.name.replace("_", "-") in text
        assert variable(item.name) in text


@pytest.mark.parametrize(
    ("name", "value"),
    [("SPANWISE_PORT", "http"), ("SPANWISE_FSYNC", "maybe"), ("SPANWISE_LINGER_MS", "x")],
)
def test_an_unreadable_variable_is_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"{name}='{value}'") as error:
        Settings.from_env()
    assert error.value.fix


@pytest.mark.parametrize(
    "bad",
    [
        {"port": 70000},
        {"retention_days": 0},
        {"max_body_bytes": 5},
        {"tls_cert": Path("c.pem")},
        {"clickhouse_url": "localhost:8123"},
        {"cors_origins": ("example.com",)},
        {"max_spans_per_second": 0},
    ],
)
def test_contradictions_are_refused_with_a_fix(bad: dict[str, object]) -> None:
    with pytest.raises(SettingsError) as error:
        Settings(**bad)  # type: ignore[arg-type]
    assert error.value.fix


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "spanwise.example.com", "::"])
def test_a_network_address_needs_key_and_password(host: str) -> None:
    with pytest.raises(SettingsError, match="--ingest-key and --ui-password") as error:
        check_exposure(Settings(host=host))
    assert "--allow-anonymous-on-network" in error.value.fix
    with pytest.raises(SettingsError, match="--ui-password"):
        check_exposure(Settings(host=host, ingest_key="k"))
    check_exposure(Settings(host=host, ingest_key="k", ui_password="p"))
    check_exposure(Settings(host=host, allow_anonymous_on_network=True))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_loopback_needs_nothing(host: str) -> None:
    check_exposure(Settings(host=host))


def test_14_the_default_body_limit_is_between_4_and_64_mib() -> None:
    assert 4 * 2**20 <= Settings().max_body_bytes <= 64 * 2**20


def test_the_url_can_be_opened() -> None:
    assert Settings(host="0.0.0.0", port=80).url == "http://127.0.0.1:80"
    assert Settings(host="::1").with_port(9).url == "http://[::1]:9"
    assert Settings(tls_cert=Path("c"), tls_key=Path("k")).url == "https://127.0.0.1:4318"
