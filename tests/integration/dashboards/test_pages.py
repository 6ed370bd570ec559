"""The pages over a real store, without a browser: answers, headers, errors, parts that load later."""

import base64
import json
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from spanwise_collector.model import Span
from spanwise_collector.settings import Settings
from spanwise_collector.store import Store, StoreSettings
from spanwise_dashboards.server import create_server

NOW = time.time_ns()
S = 1_000_000_000
TRACE = "ab" * 16
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\0" * 20).decode()
SVG = base64.b64encode(b"<svg onload=alert(1)>").decode()


def spans() -> list[Span]:
    images = [{"type": "blob", "mime_type": "image/png", "content": body} for body in (PNG, SVG)]
    asked = [{"role": "user", "parts": [{"type": "text", "content": "x" * 50_000}, *images]}]
    return [
        Span(
            "default",
            TRACE,
            "01" * 8,
            "invoke_workflow answer",
            NOW - 9 * S,
            NOW - 5 * S,
            operation="invoke_workflow",
            service="shop",
            conversation_id="a/b c",
            input_text='{"question": "How?"}',
        ),
        Span(
            "default",
            TRACE,
            "02" * 8,
            "chat m",
            NOW - 8 * S,
            NOW - 6 * S,
            parent_span_id="01" * 8,
            operation="chat",
            service="shop",
            conversation_id="a/b c",
            request_model="m",
            is_billable=True,
            cost_usd=Decimal("0.25"),
            cost_status="priced",
            input_tokens=7,
            output_tokens=3,
            input_messages=json.dumps(asked),
        ),
        Span("default", "cd" * 16, "03" * 8, "old", NOW - 200_000 * S, NOW - 199_999 * S, service="attic"),
    ]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store.open(StoreSettings(data_dir=tmp_path_factory.mktemp("store"))) as opened:
        opened.insert_spans(spans())
        yield opened


@pytest.fixture(scope="module")
def client(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("unused"))
    with TestClient(create_server(settings, store), base_url="http://127.0.0.1:4318") as made:
        yield made


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/traces", "How?"),
        ("/traces?full=1", "of 1"),
        ("/traces?range=all", "old"),
        ("/traces/rows", "How?"),
        ("/traces/facets?range=all", "attic"),
        ("/traces/histogram", "1 in all"),
        ("/traces/totals", "$0.2500"),
        (f"/traces/{TRACE}", "1 of 1 call priced"),
        (f"/traces/{TRACE}/peek", "Full page"),
        (f"/traces/{TRACE}/spans/{'02' * 8}", "Show all, 50.0"),
        (f"/traces/{TRACE}/spans/{'02' * 8}/json", "request_model"),
        ("/sessions", "a/b c"),
        ("/sessions/a%2Fb%20c", "Turn 1"),
        ("/reference", "/api/v1/traces"),
        ("/api/v1/docs", "/api/v1/traces"),
    ],
)
def test_every_page_answers_under_the_same_rules(client: TestClient, path: str, words: str):
    answer = client.get(path)
    assert answer.status_code == 200
    assert words in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    for forbidden in (" style=", " onclick=", " onload=", "javascript:"):
        assert forbidden not in answer.text


def test_long_text_comes_on_demand_and_only_from_its_span(client: TestClient):
    base = f"/traces/{TRACE}/spans/{'02' * 8}/text"
    assert client.get(base, params={"path": "input_messages/0/parts/0/content"}).text == "x" * 50_000
    assert client.get(base, params={"path": "attributes/x"}).status_code == 404


def test_an_image_is_one_by_its_bytes(client: TestClient):
    base = f"/traces/{TRACE}/spans/{'02' * 8}/image"
    shown = client.get(base, params={"path": "input_messages/0/parts/1/content"})
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/png")
    refused = client.get(base, params={"path": "input_messages/0/parts/2/content"})
    assert refused.status_code == 404
    assert "svg" not in refused.headers["content-type"]


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        (f"/traces/{'ee' * 16}", 404, "there is no trace"),
        (f"/traces/{TRACE}/spans/{'99' * 8}", 404, "has no span"),
        ("/sessions/nobody", 404, "there is no session nobody"),
        ("/nowhere", 404, "There is no page /nowhere"),
        ("/traces?min_cost_usd=cheap", 400, "min_cost_usd=cheap is not a number"),
        ("/traces?range=3y", 400, "range=3y is not one of"),
    ],
)
def test_errors_are_pages_that_say_what_to_do(client: TestClient, path: str, status: int, words: str):
    answer = client.get(path)
    assert answer.status_code == status
    assert words in answer.text
    assert "<h1>" in answer.text
    assert "content-security-policy" in answer.headers


def test_the_api_keeps_its_own_errors(client: TestClient):
    answer = client.get("/api/v1/nowhere")
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("application/problem+json")


def test_a_fragment_fails_in_one_line(client: TestClient):
    answer = client.get(f"/traces/{'ee' * 16}/peek", headers={"x-fragment": "1"})
    assert answer.status_code == 404
    assert "<html" not in answer.text


def test_a_fault_of_ours_is_a_page_too(client: TestClient, monkeypatch, caplog):
    from spanwise_dashboards.pages import trace

    def broken(*arguments: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(trace, "arrange", broken)
    answer = client.get(f"/traces/{TRACE}")
    assert answer.status_code == 500
    assert "could not be drawn" in answer.text
    assert "boom" not in answer.text
    assert "boom" in caplog.text


def test_the_store_being_away_is_a_503_with_a_way_back(client: TestClient, store: Store, monkeypatch):
    from spanwise_collector.errors import Unavailable

    def away(*arguments: object, **more: object) -> None:
        raise Unavailable("the engine does not answer", fix="wait a moment")

    monkeypatch.setattr(Store, "list_traces", away)
    answer = client.get("/traces?status=error")
    assert answer.status_code == 503
    assert "the engine does not answer" in answer.text
    assert 'href="/traces?status=error">Try again' in answer.text


def test_static_files_are_kept_for_ever_under_their_hash(client: TestClient):
    page = client.get("/traces").text
    path = page.split('href="/static/')[1].split('"')[0]
    answer = client.get(f"/static/{path}")
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]
    assert client.get("/static/0123456789ab/app.css").status_code == 404
    assert client.get(f"/static/{path.split('/')[0]}/../server.py").status_code == 404


def test_theme_and_zone_come_from_cookies_and_from_nowhere_else(client: TestClient):
    dark = client.get("/traces", headers={"cookie": "spanwise_theme=dark; spanwise_zone=Asia%2FTokyo"}).text
    assert 'data-theme="dark"' in dark
    assert "JST" in dark
    odd = client.get("/traces", headers={"cookie": 'spanwise_theme=x"><b>; spanwise_zone=../../etc/passwd'})
    assert odd.status_code == 200
    assert "<b>" not in odd.text


def test_icons_that_pages_use_exist(client: TestClient):
    folder = Path(__file__).resolve().parents[3] / "dashboards" / "spanwise_dashboards"
    sprite = (folder / "static" / "icons.svg").read_text()
    pages = [f"/traces/{TRACE}", "/traces?range=all", "/sessions", "/reference", "/nowhere"]
    used = {part.split('"')[0] for path in pages for part in client.get(path).text.split("icons.svg#")[1:]}
    assert used
    missing = {name for name in used if f'id="{name}"' not in sprite}
    assert missing == set()
