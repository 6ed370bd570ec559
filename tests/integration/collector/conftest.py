"""A running collector in this process: the real app, the real store on embedded ClickHouse, HTTP by ASGI."""

import json
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from spanwise_collector.app import create_app
from spanwise_collector.settings import Settings
from spanwise_collector.store import Store, StoreSettings

Running = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = Store.open(StoreSettings(data_dir=tmp_path_factory.mktemp("store")))
    yield opened
    opened.close()


@pytest.fixture
def serve(store: Store, tmp_path: Path) -> Running:
    """Returns a context manager: a client of an app with the given settings."""

    @asynccontextmanager
    async def run(
        *,
        backend: Any = None,
        base_url: str = "http://127.0.0.1:4318",
        headers: dict[str, str] | None = None,
        **settings: Any,
    ) -> AsyncIterator[httpx.AsyncClient]:
        app = create_app(Settings(**{"data_dir": tmp_path, **settings}), backend or store)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url=base_url, headers=headers) as client,
        ):
            client.app = app  # type: ignore[attr-defined]
            yield client

    return run


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_value(item) for item in value]}}
    if isinstance(value, dict):
        return {
            "kvlistValue": {"values": [{"key": key, "value": _value(item)} for key, item in value.items()]}
        }
    return {} if value is None else {"stringValue": value}


@pytest.fixture
def otlp() -> Callable[..., dict[str, Any]]:
    """Returns a builder of one span in OTLP's JSON with fresh ids."""

    def build(attributes: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
        start = time.time_ns() - 5_000_000_000
        return {
            "traceId": secrets.token_hex(16),
            "spanId": secrets.token_hex(8),
            "name": "chat gpt-4o",
            "kind": 3,
            "startTimeUnixNano": str(start),
            "endTimeUnixNano": str(start + 1_500_000_000),
            "attributes": [{"key": key, "value": _value(value)} for key, value in (attributes or {}).items()],
            **members,
        }

    return build


@pytest.fixture
def body() -> Callable[..., bytes]:
    """Returns a builder of a whole request."""

    def build(*spans: dict[str, Any], **resource: Any) -> bytes:
        holder = {
            "attributes": [{"key": key.replace("__", "."), "value": _value(v)} for key, v in resource.items()]
        }
        return json.dumps(
            {"resourceSpans": [{"resource": holder, "scopeSpans": [{"spans": list(spans)}]}]}
        ).encode()

    return build
