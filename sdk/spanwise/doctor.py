"""``spanwise doctor``: why there are no traces. What is installed, what is patched, and whether spans arrive.

``diagnose`` can be called in an app too, where it sees the app's own patches and TracerProvider.
"""

import argparse
import dataclasses
import importlib
import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Iterator

from opentelemetry import trace
from opentelemetry.trace import ProxyTracerProvider

from spanwise import guard, integrations
from spanwise._version import __version__
from spanwise.cli import Command
from spanwise.config import Config
from spanwise.finding import Finding, Word, draw
from spanwise.round_trip import check_endpoint

_PACKAGES = (
    "opentelemetry-api",
    "opentelemetry-sdk",
    "opentelemetry-proto",
    "urllib3",
    "wrapt",
)
_STATES: dict[str, Word] = {
    integrations.PATCHED: "ok",
    integrations.WAITING: "ok",
    integrations.NOT_INSTALLED: "info",
    integrations.OFF: "info",
    integrations.DISABLED: "warn",
    integrations.UNSUPPORTED: "warn",
    integrations.FAILED: "fail",
}
_RIVALS = "opentelemetry_instrumentor"


def diagnose(config: Config) -> Iterator[Finding]:
    """Yields everything that is known about this process and its endpoint; sends one test span."""
    yield from _installed()
    yield from _libraries()
    yield from _settings(config)
    if config.disabled:
        yield Finding("Endpoint", "fail", "disabled", "OTEL_SDK_DISABLED=true: nothing is recorded or sent")
    else:
        yield from check_endpoint(config)


def _installed() -> Iterator[Finding]:
    where = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    yield Finding("Installed", "ok", "spanwise", f"{__version__} on {where}")
    for name in _PACKAGES:
        version = _version(name)
        if version is None:
            yield Finding("Installed", "fail", name, f"missing: pip install {name}")
        else:
            yield Finding("Installed", "ok", name, version)


def _libraries() -> Iterator[Finding]:
    """Yields what was done about each library, and who else traces the same one."""
    points = importlib.metadata.entry_points(group=_RIVALS)
    rivals = {point.name: point for point in points if not point.value.startswith("spanwise.")}
    for item in integrations.status():
        parts = [f"{item.version}: " if item.version else "", item.detail or item.state]
        if item.targets:
            parts.append(f", {len(item.targets)} methods")
        if item.missing:
            parts.append(
                f", not in this version: {', '.join(path.partition(':')[2] for path in item.missing)}"
            )
        yield Finding("Libraries", _STATES.get(item.state, "info"), item.name, "".join(parts))
        if item.version and (rival := rivals.get(item.name)) is not None:
            name = rival.dist.name if rival.dist is not None else rival.value
            detail = f"{name} is installed too: where it is active, Spanwise leaves these calls to it"
            yield Finding("Libraries", "warn", item.name, detail)


def _settings(config: Config) -> Iterator[Finding]:
    origin = " (default)" if config.is_endpoint_default else ""
    yield Finding("Settings", "ok", "endpoint", config.endpoint + origin)
    service = config.service_name or os.environ.get("OTEL_SERVICE_NAME")
    if service:
        yield Finding("Settings", "ok", "service", service)
    elif "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", ""):
        yield Finding("Settings", "ok", "service", "named in OTEL_RESOURCE_ATTRIBUTES")
    else:
        detail = "unnamed: pass instrument(service_name=...) or set OTEL_SERVICE_NAME"
        yield Finding("Settings", "warn", "service", detail)
    content = config.capture.name + (", scrubbed" if config.scrub else ", not scrubbed")
    yield Finding("Settings", "ok", "content", content if config.capture.wants_content else "not recorded")
    if sampler := os.environ.get("OTEL_TRACES_SAMPLER"):
        argument = os.environ.get("OTEL_TRACES_SAMPLER_ARG")
        word: Word = "warn" if sampler.endswith("always_off") else "info"
        yield Finding("Settings", word, "sampler", sampler + (f" {argument}" if argument else ""))
    yield _provider()
    for place, count in guard.faults().items():
        yield Finding("Settings", "warn", "faults", f"{place}: {count}")


def _provider() -> Finding:
    provider = trace.get_tracer_provider()
    if isinstance(provider, ProxyTracerProvider):
        detail = "none is set here: Spanwise's own becomes global at the first span"
        return Finding("Settings", "ok", "provider", detail)
    name = f"{type(provider).__module__}.{type(provider).__qualname__}"
    if callable(getattr(provider, "add_span_processor", None)):
        return Finding("Settings", "ok", "provider", f"the app's {name} is used")
    detail = f"the app's {name} takes no span processors: Spanwise uses its own beside it"
    return Finding("Settings", "warn", "provider", detail)


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _patch_what_is_installed() -> None:
    """Patches in this process, as an app would, so that what cannot be patched is seen."""
    integrations.instrument()
    for item in integrations.status():
        if item.state != integrations.WAITING:
            continue
        try:
            importlib.import_module(_module_of(item.name))
        except Exception as error:  # noqa: BLE001 - a library that cannot be imported is a finding
            guard.fault(f"importing {item.name}", error)


def _module_of(name: str) -> str:
    module: str = importlib.import_module(f"spanwise.integrations.{name}").INTEGRATION.module
    return module


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--endpoint", metavar="URL", help="collector to try instead of the configured one")
    parser.add_argument("--api-key", metavar="KEY", help="ingest key of that collector")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def _run(arguments: argparse.Namespace) -> int:
    try:
        config = Config.from_env(endpoint=arguments.endpoint, api_key=arguments.api_key)
    except ValueError as error:
        print(f"spanwise doctor: {error}", file=sys.stderr)
        return 2
    _patch_what_is_installed()
    findings = list(diagnose(config))
    is_failed = any(finding.word == "fail" for finding in findings)
    if arguments.json:
        listed = [dataclasses.asdict(finding) for finding in findings]
        print(json.dumps({"ok": not is_failed, "findings": listed}, indent=2))
    else:
        is_coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        print("\n".join(draw(findings, is_coloured=is_coloured)))
        print("\n" + ("There is a problem: see the lines that say fail." if is_failed else "All is well."))
    return 1 if is_failed else 0


COMMAND = Command("doctor", "find out why there are no traces", _configure, _run)
