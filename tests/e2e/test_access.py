"""Who sees the pages, and how: first run, login, narrow screens, accessibility."""

from collections.abc import Callable

import pytest
from axe_core_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.e2e


def pages_of(shop) -> list[str]:
    trace = shop.get("/api/v1/traces?status=error&limit=1")["items"][0]["trace_id"]
    return [
        "/traces",
        "/traces?status=error&q=order",
        "/traces?service=nobody",
        f"/traces/{trace}",
        "/sessions",
        "/sessions/s-3",
        "/reference",
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_page_is_accessible_and_fits(shop, open_page: Callable[..., Page], width: int, theme: str):
    page = open_page(width, color_scheme=theme)
    for path in pages_of(shop):
        page.goto(shop.url + path)
        page.wait_for_load_state("networkidle")
        found = Axe().run(page)["violations"]
        report = [(v["id"], v["help"], [n["html"][:200] for n in v["nodes"][:3]]) for v in found]
        assert report == [], f"{path} at {width} in {theme}"
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{path} is {wide} px wide at {width}"


@pytest.mark.parametrize("width", [1280, 390])
def test_open_menus_and_panels_are_accessible(shop, open_page: Callable[..., Page], width: int):
    page = open_page(width)
    page.goto(f"{shop.url}/traces")
    page.wait_for_load_state("networkidle")
    page.keyboard.press("/")
    page.keyboard.type("mod")
    expect(page.get_by_role("option").first).to_be_visible()
    assert [v["id"] for v in Axe().run(page)["violations"]] == []
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.locator("#filter").fill("")
    page.locator("#filter").blur()
    page.locator("#trace-rows > tr").first.locator("td").first.click()
    expect(page.get_by_role("dialog", name="Trace preview")).to_contain_text("is on its way")
    assert [v["id"] for v in Axe().run(page)["violations"]] == []
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    assert [v["id"] for v in Axe().run(page)["violations"]] == []


def test_the_first_trace_opens_by_itself(start_server, make_answered, open_page: Callable[..., Page]):
    server = start_server()
    page = open_page()
    page.goto(f"{server.url}/")
    expect(page.get_by_role("heading", name="No traces yet")).to_be_visible()
    expect(page.locator("[data-snippet-of=python]")).to_contain_text(f'endpoint="{server.url}"')
    assert Axe().run(page)["violations"] == []
    trace = make_answered(0)
    server.send(trace)
    expect(page).to_have_url(f"{server.url}/traces/{trace.trace_id}")
    expect(page.get_by_role("treeitem")).to_have_count(5)


def test_the_curl_snippet_makes_the_first_trace(start_server, open_page: Callable[..., Page]):
    import subprocess

    server = start_server()
    page = open_page()
    page.goto(f"{server.url}/traces")
    page.get_by_role("button", name="curl").click()
    command = page.locator("[data-snippet-of=curl] pre").inner_text()
    subprocess.run(["bash", "-c", command], check=True, capture_output=True, timeout=30)
    expect(page.get_by_role("heading", name="hello", level=1)).to_be_visible()


def test_pages_ask_for_the_password(start_server, make_answered, open_page: Callable[..., Page]):
    server = start_server(SPANWISE_UI_PASSWORD="open sesame", SPANWISE_INGEST_KEY="k-1")
    server.send(make_answered(2), headers={"authorization": "Bearer k-1"})
    page = open_page()
    page.goto(f"{server.url}/traces?status=error")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    assert Axe().run(page)["violations"] == []
    page.get_by_label("Password").fill("open sesame")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{server.url}/traces?status=error")
    expect(page.get_by_role("heading", name="No traces match")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    page.goto(f"{server.url}/traces")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()


def test_a_reader_sees_their_own_time_zone(shop, open_page: Callable[..., Page]):
    page = open_page(timezone_id="Asia/Tokyo")
    page.goto(f"{shop.url}/traces")
    expect(page.locator(".zone")).to_have_text("JST")
    shown = page.locator("#trace-rows time").first
    hour = int((shown.get_attribute("datetime") or "")[11:13])
    assert f"{(hour + 9) % 24:02d}:" in shown.inner_text()
