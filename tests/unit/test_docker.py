"""The container files cannot be started where there is no Docker engine; this checks what can be."""

import argparse
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def test_both_services_have_health_checks_and_restart(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {"clickhouse", "spanwise"}
    for service in compose["services"].values():
        assert service["healthcheck"]["test"]
        assert service["restart"] == "unless-stopped"


def test_the_server_waits_for_a_healthy_clickhouse(compose: dict[str, Any]) -> None:
    assert compose["services"]["spanwise"]["depends_on"] == {"clickhouse": {"condition": "service_healthy"}}


def test_every_secret_comes_from_env_and_is_required(compose: dict[str, Any]) -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    example = dict(
        line.split("=", 1)
        for line in (ROOT / ".env.example").read_text().splitlines()
        if line and line[0] != "#"
    )
    assert set(example) == {"CLICKHOUSE_PASSWORD", "SPANWISE_INGEST_KEY", "SPANWISE_UI_PASSWORD"}
    assert set(example.values()) == {""}, "an example must not carry a usable secret"
    for name in example:
        assert f"${{{name}:?" in text, f"{name} must be required, not defaulted"


def test_ports_are_published_on_loopback_only(compose: dict[str, Any]) -> None:
    published = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert published == ["127.0.0.1:4318:4318"]


def test_named_volumes_and_mounted_files_exist(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            if source.startswith("./"):
                assert (ROOT / source).is_file(), source
            else:
                assert source in compose["volumes"], source


def test_clickhouse_system_logs_are_bounded() -> None:
    root = ET.parse(ROOT / "collector/docker/clickhouse-config.xml").getroot()
    for log in root:
        if log.tag == "logger":
            continue
        engine = log.findtext("engine") or ""
        assert log.get("remove") == "1" or "TTL" in engine, f"{log.tag} would grow without bound"
    removed = {log.tag for log in root if log.get("remove") == "1"}
    assert {"trace_log", "metric_log", "text_log", "asynchronous_metric_log"} <= removed


def test_the_image_runs_unprivileged_and_copies_what_exists() -> None:
    text = (ROOT / "collector/docker/Dockerfile").read_text()
    assert re.search(r"^USER spanwise$", text, re.MULTILINE)
    assert "HEALTHCHECK" in text
    for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source


def test_the_command_of_the_image_is_one_that_spanwise_understands() -> None:
    """The flags in CMD and the variables in compose must be the server's own."""
    from spanwise_dashboards.commands import SERVE

    parser = argparse.ArgumentParser()
    SERVE.configure(parser)
    command = re.search(r"^CMD \[(.+)\]$", (ROOT / "collector/docker/Dockerfile").read_text(), re.MULTILINE)
    assert command
    words = [word.strip().strip('"') for word in command[1].split(",")]
    arguments = parser.parse_args(words[1:])
    assert (words[0], arguments.host, arguments.port) == ("serve", "0.0.0.0", 4318)
