"""Prompts are hostile input: they show as text, execute nothing, and cannot disguise themselves."""

import json
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.e2e
SCRIPT = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>"
BREAKOUT = "</textarea></script></title></style>\"'><svg onload=window.hacked=3>{{ 7*7 }}"
OVERRIDE = "safe\u202eexe.cod\u2066hidden\u200f\u0000end"
LONG = "lorem ipsum dolor " * 116_509  # 2 MB


@pytest.fixture(scope="module")
def server(start_server):
    """A server of its own: these traces would be in the way of the other tests' counts."""
    return start_server()


@pytest.fixture(scope="module")
def hostile(server, make_trace) -> str:
    trace = make_trace(service=f"svc {SCRIPT}")
    parts = [{"type": "text", "content": text} for text in (SCRIPT, BREAKOUT, OVERRIDE, LONG)]
    asked = [{"role": f"user{SCRIPT}", "parts": parts}, {"role": "user", "parts": parts}]
    call = {"type": "tool_call", "id": BREAKOUT, "name": BREAKOUT, "arguments": {SCRIPT: BREAKOUT}}
    said = [{"role": "assistant", "parts": [call, {"type": "reasoning", "content": SCRIPT}]}]
    trace.span(
        f"chat {BREAKOUT} {OVERRIDE}",
        error=SCRIPT,
        **{
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": BREAKOUT,
            "gen_ai.provider.name": SCRIPT,
            "gen_ai.conversation.id": f"s/{BREAKOUT}?&#",
            "user.id": SCRIPT,
            "spanwise.tags": [BREAKOUT],
            "gen_ai.prompt.name": SCRIPT,
            "gen_ai.input.messages": json.dumps(asked),
            "gen_ai.output.messages": json.dumps(said),
            BREAKOUT: SCRIPT,
        },
    )
    server.send(trace)
    return trace.trace_id


def is_intact(page: Page) -> None:
    assert page.evaluate("window.hacked") is None
    assert page.locator("main script:not([type='application/json']), main img, main svg[onload]").count() == 0


def test_a_hostile_prompt_is_text_everywhere(server, hostile: str, open_page: Callable[..., Page]):
    page = open_page()
    page.goto(f"{server.url}/traces/{hostile}")
    panel = page.locator("#span-panel")
    expect(panel).to_contain_text(SCRIPT)
    expect(panel).to_contain_text(
        "</textarea></script></title></style>\"'><svg onload=window.hacked=3>{{ 7*7 }}"
    )
    is_intact(page)
    for tab in ("Attributes", "JSON"):
        page.get_by_role("tab", name=tab).click()
        expect(panel.get_by_text("onerror='window.hacked = 2'").locator("visible=true").first).to_be_visible()
        is_intact(page)
    page.goto(f"{server.url}/traces?range=1h")
    expect(page.locator("#trace-rows")).to_contain_text("onload=window.hacked=3")
    expect(page.locator("#facets details").first).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("script")
    expect(page.get_by_role("option").first).to_be_visible()
    is_intact(page)
    page.locator("#filter").blur()
    page.locator("#trace-rows > tr", has_text="onload=window").locator("td").first.click()
    expect(page.get_by_role("dialog", name="Trace preview")).to_contain_text(SCRIPT)
    is_intact(page)


def test_a_hostile_session_id_makes_working_links(server, hostile: str, open_page: Callable[..., Page]):
    page = open_page()
    page.goto(f"{server.url}/traces/{hostile}")
    page.locator("a.pill", has_text="session").click()
    expect(page.locator("article.turn")).to_have_count(1)
    expect(page.get_by_role("heading", level=1)).to_contain_text("</textarea>")
    is_intact(page)


def test_reordering_and_invisible_characters_are_shown_by_name(server, hostile: str, open_page):
    page = open_page()
    page.goto(f"{server.url}/traces/{hostile}")
    marks = page.locator("#span-panel .ctl")
    expect(marks.first).to_be_attached()
    shown = set(marks.all_inner_texts())
    assert {"U+202E", "U+2066", "U+200F", "U+0000"} <= shown
    content = page.content()
    assert "\u202e" not in content
    assert "\u2066" not in content


def test_two_megabytes_are_folded_and_loaded_on_demand(server, hostile: str, open_page):
    page = open_page()
    page.goto(f"{server.url}/traces/{hostile}")
    assert len(page.content()) < 1_000_000
    button = page.get_by_role("button", name="Show all, 2.1").last
    button.click()
    long = page.locator("[data-passage]", has_text="lorem ipsum").last
    expect(long).not_to_have_class("txt fold")
    page.wait_for_function(
        "n => [...document.querySelectorAll('[data-passage]')].some(part => part.textContent.length === n)",
        arg=len(LONG),
    )


def test_the_page_forbids_what_it_does_not_need(server, hostile: str, open_page: Callable[..., Page]):
    page = open_page()
    answer = page.goto(f"{server.url}/traces/{hostile}")
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "script-src 'self'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert page.locator("[style]:not(.tree-sizer):not(.tr):not(.split)").count() == 0


def test_invalid_utf8_is_replaced(server, open_page: Callable[..., Page]):
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id, span.name = (
        bytes.fromhex("ab" * 16),
        bytes.fromhex("cd" * 8),
        "bad @@@@ bytes",
    )
    span.start_time_unix_nano = time.time_ns()
    span.end_time_unix_nano = span.start_time_unix_nano + 1000
    text = span.attributes.add()
    text.key, text.value.string_value = "spanwise.input", "caf@@@@ end"
    document = request.SerializeToString().replace(b"@@@@", b"\xff\xfe\xc3\x28")
    server.send_raw(document, {"content-type": "application/x-protobuf"})
    page = open_page()
    page.goto(f"{server.url}/traces/{'ab' * 16}")
    expect(page.locator("h1")).to_contain_text("bad \ufffd")
    expect(page.locator("#span-panel")).to_contain_text("caf\ufffd")
