"""From ``spanwise.score()`` and ``spanwise.prompt()`` in an app, through the server, to the trace page."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.e2e

APP = """
    import spanwise
    spanwise.instrument("openai", service_name="feedback-shop")
    ask = {"gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4.1-mini"}
    with spanwise.span("answer", operation="invoke_workflow"):
        variables = {"question": "Where is <b>my</b> order?", "locale": "en-GB"}
        with spanwise.prompt("support.answer", version=7, variables=variables):
            with spanwise.span("ask", operation="chat", attributes=ask) as call:
                call.set_input("Where is my order?")
                call.set_output("On its way.")
        spanwise.score("grounded", 0.93, label="pass", comment="two <img src=x> sources", trace=call)
        print(spanwise.current_trace_id(), call.span_id)
"""
LATER = """
    import sys, spanwise
    spanwise.instrument("openai", service_name="feedback-form")
    with spanwise.context(user_id="u-7"):
        spanwise.score("helpful", False, comment="It never came.", trace=sys.argv[1], score_id="click")
        assert spanwise.flush()
        spanwise.score("helpful", True, comment="It came after all.", trace=sys.argv[1], score_id="click")
"""


def run(script: str, endpoint: str, *arguments: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "SPANWISE_"))}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *arguments],
        env={**clean, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "SPANWISE_STRICT": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout


def test_feedback_of_another_process_stands_on_the_trace(
    start_server: Callable, open_page: Callable[..., Page]
):
    server = start_server()
    trace_id, span_id = run(APP, server.url).split()
    run(LATER, server.url, trace_id)
    scores = {item["name"]: item for item in server.get(f"/api/v1/traces/{trace_id}")["scores"]}
    assert (scores["grounded"]["span_id"], scores["grounded"]["value"]) == (span_id, 0.93)
    assert (scores["helpful"]["span_id"], scores["helpful"]["label"]) == (None, "true"), "replaced by its id"
    assert (scores["helpful"]["user_id"], scores["helpful"]["service"]) == ("u-7", "feedback-form")

    page = open_page()
    page.goto(f"{server.url}/traces/{trace_id}")
    pills = page.locator("a.pill--accent")
    expect(pills).to_have_count(2)
    expect(pills.filter(has_text="helpful")).to_contain_text("true")
    page.get_by_role("tab", name="Scores").click()
    panel = page.locator('[data-panel="scores"]')
    expect(panel).to_contain_text("whole trace")
    expect(panel).to_contain_text("It came after all.")
    expect(panel).not_to_contain_text("grounded"), "that one is the call's"

    pills.filter(has_text="grounded").click()
    expect(page).to_have_url(f"{server.url}/traces/{trace_id}?span={span_id}")
    page.get_by_role("tab", name="Scores").click()
    expect(panel).to_contain_text("0.93")
    expect(panel).to_contain_text("two <img src=x> sources")
    page.get_by_role("tab", name="Messages").click()
    expect(page.locator("#span-panel .pills")).to_contain_text("support.answer@7")
    page.locator("#span-panel").get_by_text("Prompt variables").click()
    variables = page.locator("dl.variables")
    expect(variables).to_contain_text("Where is <b>my</b> order?")
    expect(variables).to_contain_text("locale")
    page.goto(f"{server.url}/traces?score=helpful")
    expect(page.locator(f'a[href*="{trace_id}"]').first).to_be_visible()
    expect(page.locator("aside.facets")).to_contain_text("grounded")
    if folder := os.environ.get("SPANWISE_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/list.png")
