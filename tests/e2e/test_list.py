"""The trace list in a browser: filters, facets, keyboard, side panel, live, time range."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.e2e


def rows(page: Page):
    return page.locator("#trace-rows > tr")


def test_the_list_shows_newest_first_with_sums_and_an_older_page(shop, open_page: Callable[..., Page]):
    page = open_page()
    page.goto(f"{shop.url}/")
    expect(page).to_have_url(f"{shop.url}/traces")
    expect(rows(page)).to_have_count(50)
    expect(rows(page).first).to_contain_text("Where is order 1000?")
    expect(rows(page).first.locator("td").nth(5)).to_have_text("240 → 60")
    expect(page.locator("#totals")).to_contain_text("of 60")
    expect(page.locator("#totals")).to_contain_text("unpriced")
    page.get_by_role("link", name="Older").click()
    expect(rows(page)).to_have_count(10)
    expect(page.locator(".pager")).to_contain_text("51\u201360")
    page.get_by_role("link", name="Newest").click()
    expect(rows(page)).to_have_count(50)


def test_a_facet_becomes_a_chip_and_the_url(shop, open_page: Callable[..., Page]):
    page = open_page()
    page.goto(f"{shop.url}/traces")
    page.locator("#facets a[data-value=error]").click()
    expect(page).to_have_url(re.compile(r"status=error"))
    expect(rows(page)).to_have_count(6)
    expect(page.locator(".chip")).to_have_text(re.compile("status.*is.*error"))
    facet = page.locator("#facets details[data-field=status] a[aria-current=true]")
    expect(facet).to_contain_text("error")
    expect(page.locator("#facets details[data-field=status] a")).to_have_count(2)  # the alternative stays
    facet.click()
    expect(page).not_to_have_url(re.compile(r"status="))
    expect(rows(page)).to_have_count(50)


def test_the_filter_field_takes_filters_and_text(shop, open_page: Callable[..., Page]):
    page = open_page()
    page.goto(f"{shop.url}/traces")
    expect(page.locator("#facets details").first).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("model:house-model-1")
    page.keyboard.press("Enter")
    expect(page.locator(".chip")).to_have_text(re.compile("model.*is.*house-model-1"))
    count = rows(page).count()
    assert 0 < count < 20
    expect(rows(page).first.locator("td").nth(6)).to_contain_text("+")  # one call priced, one not
    page.keyboard.press("/")
    page.keyboard.type("order 1007")
    page.keyboard.press("Enter")
    expect(rows(page)).to_have_count(1)
    page.keyboard.press("/")
    page.keyboard.press("Backspace")
    expect(page.locator(".chip")).to_have_count(1)


def test_the_menu_offers_values_with_counts(shop, open_page: Callable[..., Page]):
    page = open_page()
    page.goto(f"{shop.url}/traces")
    expect(page.locator("#facets details").first).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("user:")
    options = page.get_by_role("option")
    expect(options).to_have_count(3)
    expect(options.first).to_contain_text("user is u-0")
    page.keyboard.press("ArrowDown")
    expect(options.first).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("user_id=u-0"))
    expect(rows(page)).to_have_count(20)


def test_filters_work_without_script(shop, open_page: Callable[..., Page]):
    page = open_page(java_script_enabled=False)
    page.goto(f"{shop.url}/traces")
    page.get_by_label("Add a filter").fill("status:error")
    page.get_by_label("Add a filter").press("Enter")
    expect(rows(page)).to_have_count(6)
    rows(page).first.get_by_role("link").click()
    expect(page.locator("span-tree a.tr")).to_have_count(5)
    page.locator("span-tree a.tr").nth(3).click()
    expect(page.locator("#span-panel")).to_contain_text("LookupError")


def test_the_keyboard_moves_opens_and_closes(shop, open_page: Callable[..., Page]):
    page = open_page()
    page.goto(f"{shop.url}/traces")
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(rows(page).nth(1)).to_have_class(re.compile("cursor"))
    page.keyboard.press("Enter")
    sheet = page.get_by_role("dialog", name="Trace preview")
    expect(sheet).to_contain_text("Order 1001 is on its way.")
    page.keyboard.press("j")
    expect(sheet).to_contain_text("Order 1002 is on its way.")
    page.keyboard.press("k")
    expect(sheet).to_contain_text("Order 1001 is on its way.")
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    expect(rows(page).nth(1).get_by_role("link")).to_be_focused()
    page.keyboard.press("e")
    expect(page.locator("tr.cursor.is-error")).to_have_count(1)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("t")
    expect(page.locator("html")).to_have_attribute("data-theme", re.compile("dark|light"))
    theme = page.locator("html").get_attribute("data-theme")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", theme or "")


def test_dragging_on_the_histogram_zooms(shop, open_page: Callable[..., Page]):
    page = open_page()
    page.goto(f"{shop.url}/traces?range=15m")
    plot = page.locator("[data-strip]")
    expect(plot).to_be_visible()
    box = plot.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + 20, steps=4)
    page.mouse.up()
    expect(page).to_have_url(re.compile("from=.*to="))
    expect(page.get_by_text("Custom range")).to_be_visible()
    expect(rows(page).first).to_be_visible()


def test_nothing_found_says_so_and_offers_a_way_out(shop, open_page: Callable[..., Page]):
    page = open_page()
    page.goto(f"{shop.url}/traces?service=nobody")
    expect(page.get_by_role("heading", name="No traces match")).to_be_visible()
    page.get_by_role("link", name="Clear the filters").click()
    expect(rows(page)).to_have_count(50)


def test_live_shows_what_arrives(start_server, make_answered, open_page: Callable[..., Page]):
    server = start_server()
    server.send(make_answered(30))
    page = open_page()
    page.goto(f"{server.url}/traces")
    page.get_by_role("link", name="Refresh the list live").click()
    expect(page).to_have_url(re.compile("live=1"))
    expect(rows(page)).to_have_count(1)
    server.send(make_answered(1))
    expect(rows(page)).to_have_count(2)
    expect(rows(page).first).to_contain_text("Where is order 1001?")


def test_an_old_trace_is_found_by_widening_the_range(start_server, make_answered, open_page):
    server = start_server()
    server.send(make_answered(3 * 86_400))
    page = open_page()
    page.goto(f"{server.url}/traces")
    expect(page.get_by_role("note")).to_contain_text("Nothing in the last 24 hours, so this shows all time.")
    expect(rows(page)).to_have_count(1)
    page.goto(f"{server.url}/traces?range=1h")
    expect(page.get_by_role("heading", name="No traces match")).to_be_visible()
