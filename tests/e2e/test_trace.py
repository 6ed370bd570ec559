"""The trace page and the session page in a browser."""

import random
import re
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.e2e
OPEN_S = 2.0


def items(page: Page):
    return page.get_by_role("treeitem")


@pytest.fixture(scope="session")
def failed(shop) -> str:
    found = shop.get("/api/v1/traces?status=error&limit=1")["items"]
    return found[0]["trace_id"]


def test_the_tree_rolls_up_and_the_panel_shows_the_chat(shop, open_page: Callable[..., Page]):
    trace = shop.get("/api/v1/traces?limit=3")["items"][1]
    page = open_page()
    page.goto(f"{shop.url}/traces/{trace['trace_id']}")
    expect(items(page)).to_have_count(5)
    expect(page.locator(".tiles")).to_contain_text("240 → 60")  # two calls, each once
    expect(page.locator(".tiles")).to_contain_text("2 of 2 calls priced")
    items(page).nth(4).click()
    panel = page.locator("#span-panel")
    expect(panel).to_contain_text("Order 1001 is on its way.")
    expect(panel).to_contain_text("first token 120")
    expect(page).to_have_url(re.compile("span="))
    page.get_by_role("tab", name="Usage").click()
    expect(panel).to_contain_text("genai-prices")
    page.get_by_role("tab", name="JSON").click()
    expect(panel.locator("pre")).to_contain_text('"request_model": "gpt-4.1-mini"')
    page.reload()
    expect(items(page).nth(4)).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("tab", name="JSON")).to_have_attribute("aria-selected", "true")


def test_a_tool_call_is_paired_with_the_span_that_ran_it(shop, open_page: Callable[..., Page]):
    trace = shop.get("/api/v1/traces?limit=3")["items"][1]
    page = open_page()
    page.goto(f"{shop.url}/traces/{trace['trace_id']}")
    items(page).nth(2).click()
    call = page.locator("#span-panel .call")
    expect(call).to_contain_text("find_order")
    expect(call).to_contain_text('"order": 1001')
    expect(call).to_contain_text('"state": "shipped"')
    call.get_by_role("link", name="the call's own span").click()
    expect(items(page).nth(3)).to_have_attribute("aria-selected", "true")


def test_documents_are_ranked_with_scores(shop, open_page: Callable[..., Page]):
    trace = shop.get("/api/v1/traces?limit=1")["items"][0]
    page = open_page()
    page.goto(f"{shop.url}/traces/{trace['trace_id']}")
    items(page).nth(1).click()
    documents = page.locator("#span-panel .docs > li")
    expect(documents).to_have_count(2)
    expect(documents.first).to_contain_text("0.900")
    expect(documents.first).to_contain_text("Orders are shipped within two days.")


def test_errors_are_jumped_to_and_show_their_stack(shop, failed: str, open_page: Callable[..., Page]):
    page = open_page()
    page.goto(f"{shop.url}/traces/{failed}")
    page.keyboard.press("e")
    expect(items(page).nth(3)).to_have_attribute("aria-selected", "true")
    failure = page.locator("#span-panel .failure")
    expect(failure).to_contain_text("LookupError")
    failure.get_by_text("Stack trace").click()
    expect(failure.locator("pre")).to_contain_text("shop.py, line 3")


def test_the_tree_works_by_keyboard(shop, failed: str, open_page: Callable[..., Page]):
    page = open_page()
    page.goto(f"{shop.url}/traces/{failed}")
    tree = page.get_by_role("tree")
    tree.focus()
    page.keyboard.press("End")
    expect(items(page).nth(4)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowLeft")  # to the parent
    expect(items(page).nth(0)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("[")
    expect(items(page)).to_have_count(1)
    expect(items(page).first).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("]")
    expect(items(page)).to_have_count(5)
    page.keyboard.press("j")
    expect(items(page).nth(1)).to_have_attribute("aria-selected", "true")
    selected = tree.get_attribute("aria-activedescendant")
    assert selected == items(page).nth(1).get_attribute("id")
    page.get_by_label("Search spans").fill("chat")
    expect(page.locator("[data-tree-found]")).to_have_text("2 found")


def test_twenty_thousand_spans_open_at_once_and_scroll(start_server, make_trace, chat_attributes, open_page):
    server, trace = start_server(), make_trace()
    made, dice = [""], random.Random(7)
    model = chat_attributes("gpt-4.1-mini", "How far?", "Far.")
    for number in range(20_000):
        parent = made[dice.randrange(max(1, number - 30), number + 1)] if number else ""
        held = model if number % 3 == 1 else {}
        error = "failed" if number == 19_000 else ""
        made.append(trace.span(f"step {number}", parent=parent, at_ms=number, ms=50, error=error, **held))
    server.send(trace)
    page = open_page()
    page.goto(f"{server.url}/sessions")  # the scripts and styles are in the cache, as they are for a user
    started = time.perf_counter()
    page.goto(f"{server.url}/traces/{trace.trace_id}")
    expect(items(page).first).to_be_visible()
    opened = time.perf_counter() - started
    assert opened < OPEN_S, f"{opened:.2f} s to open 20,000 spans"
    assert items(page).count() < 100
    page.evaluate("document.querySelector('span-tree').scrollTop = 32 * 15000")
    expect(page.locator("[role=treeitem][data-row='15003']")).to_be_visible()
    page.keyboard.press("e")
    expect(page.locator("#span-panel")).to_contain_text("step 19000")
    expect(page.locator("[role=treeitem][aria-selected=true]")).to_contain_text("step 19000")
    p95 = page.evaluate(
        """async () => {
          const tree = document.querySelector('span-tree'), frames = [];
          for (let i = 0; i < 40; i += 1) {
            const before = performance.now();
            tree.scrollTop = (i * 7919 % 20000) * 32;
            await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
            frames.push(performance.now() - before);
          }
          return frames.sort((a, b) => a - b)[37];
        }"""
    )
    assert p95 < 250, f"a jump takes {p95:.0f} ms"


def test_a_session_is_a_conversation(shop, open_page: Callable[..., Page]):
    page = open_page()
    page.goto(f"{shop.url}/sessions")
    expect(page.locator("#trace-rows > tr")).to_have_count(5)
    page.get_by_role("link", name="s-3").click()
    turns = page.locator("article.turn")
    expect(turns).to_have_count(12)
    expect(turns.last).to_contain_text("Where is order 1003?")
    expect(turns.last).to_contain_text("Order 1003 is on its way.")
    expect(turns.last.locator(".call")).to_contain_text("find_order")
    turns.last.get_by_role("link", name="Turn 12").click()
    expect(items(page)).to_have_count(5)
    page.locator("a.pill", has_text="session").click()
    expect(page.get_by_role("heading", name="Session s-3")).to_be_visible()
