"""Content that needs no change is kept as JSON at once; what may need one is looked at string by string."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanwise.capture import Capture
from spanwise.config import Config
from spanwise.content import JsonText, decoded, encoded, to_text
from spanwise.redact import may_change, scrub_value

SECRETS = [
    "sk-proj-abcdefghij0123456789", "AKIAIOSFODNN7EXAMPLE", "ghp_abcdefghij0123456789abcd", "a@example.org",
    "4111 1111 1111 1111", "+49 30 1234567", "(212) 555-0187", "212-555-0187", "password=hunter2secret",
    "Bearer abcdefghij0123456789abcd", "https://u:secret@host/x", "eyJhbGciOiJI.eyJzdWIiOiIxMjM0.abcdefgh",
    "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\n-----END PRIVATE KEY-----",
    "api_key: abcdefghij0123456789",
    "AIzaSyA1234567890abcdefghijklmnopqrstuvw", "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXX",
]  # fmt: skip
AROUND = ["", "\n", "\t", '"', "\\", " ", "x", "é", "\x00", "\ud800", "日本", "\u2028", "'", ":", "n", "\\n"]
FIELDS = ["text", "password", "API_KEY", "secret", "Authorization", "content", "apikey", "x-api-key", "note"]

texts = st.lists(st.sampled_from(SECRETS + AROUND) | st.text(max_size=8), max_size=5).map("".join)
values = st.recursive(
    texts | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=3),
    max_leaves=8,
)


@given(values)
@settings(max_examples=600, deadline=None)
def test_what_scrubbing_changes_is_never_taken_for_clean(value: Any) -> None:
    if scrub_value(value) != value:
        assert may_change(encoded(value))


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("before", AROUND)
def test_a_secret_behind_any_character_is_not_overlooked(secret: str, before: str) -> None:
    value = [{"role": "user", "parts": [{"type": "text", "content": f"{before}{secret} and so on"}]}]
    if scrub_value(value) != value:
        assert may_change(encoded(value))


def test_ordinary_text_is_clean() -> None:
    value = [
        {"role": "user", "parts": [{"type": "text", "content": 'In 2024, "it" was\n3 times well-known.'}]}
    ]
    assert not may_change(encoded(value))


@given(values)
@settings(deadline=None)
def test_both_ways_give_the_same_content(value: Any) -> None:
    capture = Capture(Config())
    kept = capture.json(value)
    if kept is not None:
        assert json.loads(to_text(capture.content(value))) == json.loads(kept) == decoded(kept)


def test_what_is_not_plain_too_long_or_for_the_apps_own_scrubber_takes_the_other_way() -> None:
    circular: list[Any] = []
    circular.append(circular)
    capture = Capture(Config(max_content_chars=100))
    for value in ([object()], [float("nan")], circular, ["x" * 200], "text stays text", {(1, 2): 3}):
        assert capture.json(value) is None
    assert Capture(Config(scrub=str.upper)).json(["x"]) is None
    assert Capture(Config(scrub=False)).json(["a@example.org"]) == '["a@example.org"]'


def test_ready_json_is_sent_as_it_is_and_is_of_the_plain_type() -> None:
    text = to_text(JsonText('{"a":1}'))
    assert (text, type(text)) == ('{"a":1}', str)
    assert decoded("{}") == "{}"


@pytest.mark.parametrize("first", ["plain", "grüß dich"])
@pytest.mark.parametrize(
    "text", ["plain", "grüß dich", "日本語", "a\tb\x00c\x7f", "\\u0041", 'say "no"', "\ud800"]
)
def test_json_does_not_depend_on_what_was_encoded_before(first: str, text: str) -> None:
    encoded([first])
    expected = json.dumps([text], ensure_ascii=False, separators=(",", ":"))
    assert encoded([text]) == expected
    assert encoded([text]) == expected
