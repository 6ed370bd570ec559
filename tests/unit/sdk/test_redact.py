"""Secrets and personal data are found; what only looks like them is left alone."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanwise.redact import REDACTED, scrub, scrub_value

# Put together from pieces so that no scanner takes them for real ones; none of them is.
BASE62 = "aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5zA7bC9dE1fG3hI5jK7l"
SECRETS = {
    "OpenAI": ("sk-" + "proj-" + BASE62[:48], "[api_key]"),
    "OpenAI, old": ("sk-" + BASE62[:48], "[api_key]"),
    "Anthropic": ("sk-ant-" + "api03-" + BASE62 + "-" + BASE62[:20] + "AA", "[api_key]"),
    "OpenRouter": ("sk-or-v1-" + "0123456789abcdef" * 4, "[api_key]"),
    "Groq": ("gsk_" + BASE62[:52], "[api_key]"),
    "Hugging Face": ("hf_" + BASE62[:34], "[api_key]"),
    "xAI": ("xai-" + BASE62 + BASE62[:24], "[api_key]"),
    "AWS": ("AKIA" + "IOSFODNN7EXAMPL3", "[api_key]"),
    "AWS, temporary": ("ASIA" + "IOSFODNN7EXAMPL3", "[api_key]"),
    "GitHub": ("ghp_" + BASE62[:36], "[api_key]"),
    "GitHub, fine-grained": ("github_pat_" + BASE62[:22] + "_" + BASE62, "[api_key]"),
    "GitLab": ("glpat-" + BASE62[:20], "[api_key]"),
    "Slack": ("xoxb-" + "123456789012-1234567890123-" + BASE62[:24], "[api_key]"),
    "Google": ("AIza" + "SyA1" + BASE62[:31], "[api_key]"),
    "Google access token": ("ya29." + BASE62, "[api_key]"),
    "Stripe": ("sk_" + "live_" + BASE62[:24], "[api_key]"),
    "Stripe, restricted": ("rk_" + "test_" + BASE62[:24], "[api_key]"),
    "SendGrid": ("SG." + BASE62[:22] + "." + BASE62[:43], "[api_key]"),
    "npm": ("npm_" + BASE62[:36], "[api_key]"),
    "JWT": ("eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0In0." + BASE62[:43], "[token]"),
    "private key": (
        "-----BEGIN RSA PRIVATE KEY-----\n" + f"{BASE62}\n" * 3 + "-----END RSA PRIVATE KEY-----",
        "[private_key]",
    ),
    "e-mail": ("jane.doe+news@mail.example.co.uk", "[email]"),
    "e-mail in another script": ("josé@bücher.example", "[email]"),
    "Visa": ("4111 1111 1111 1111", "[card_number]"),
    "Visa, plain": ("4111111111111111", "[card_number]"),
    "Mastercard": ("5555-5555-5555-4444", "[card_number]"),
    "American Express": ("3782 822463 10005", "[card_number]"),
    "phone, world": ("+44 20 7946 0958", "[phone]"),
    "phone, plain": ("+4915112345678", "[phone]"),
    "phone, America": ("(212) 555-0142", "[phone]"),
    "phone, dashes": ("212-555-0142", "[phone]"),
    "phone, with 1": ("1-212-555-0142", "[phone]"),
}


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("frame", ["{}", "it is {}, keep it safe", '{{"x": "{}"}}', "(see {})", "a={}\nb=2"])
def test_a_secret_is_replaced_and_nothing_else(name, frame):
    secret, replacement = SECRETS[name]
    assert scrub(frame.format(secret)) == frame.format(replacement)


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ("Authorization: Bearer abcdef0123456789xyz", "Authorization: Bearer [token]"),
        ("authorization: Basic dXNlcjpwYXNzd29yZA==", "authorization: Basic [token]"),
        ("postgres://app:hunter2!@db.local:5432/x", "postgres://app:[password]@db.local:5432/x"),
        ("redis://:s3cret@cache/0", "redis://:[password]@cache/0"),
        ("password=hunter22", "password=[password]"),
        ("DB_PASSWORD=hunter22 next", "DB_PASSWORD=[password] next"),
        ('{"password": "correct horse"}', '{"password": "[password]"}'),
        (r'"{\"password\": \"hunter22\"}"', r'"{\"password\": \"[password]\"}"'),
        ("password = 'hunter22'", "password = '[password]'"),
        ("api_key=0123456789abcdef0123", "api_key=[api_key]"),
        ('x-api-key: "0123456789abcdef0123"', 'x-api-key: "[api_key]"'),
        ("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY", "AWS_SECRET_ACCESS_KEY=[api_key]"),
        ('{"apiKey":"0123456789abcdef0123"}', '{"apiKey":"[api_key]"}'),
        (
            "https://hooks.slack.com/services/T000/B000/XXXXXXXXXXXX1",
            "https://hooks.slack.com/services/[api_key]",
        ),
        ("mail a@b.de, c@d.fr or e@f.it", "mail [email], [email] or [email]"),
        ("-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg", "[private_key]"),
    ],
)
def test_secrets_are_found_where_they_are_named(text, scrubbed):
    assert scrub(text) == scrubbed


@pytest.mark.parametrize(
    "text",
    [
        "550e8400-e29b-41d4-a716-446655440000",
        "d41d8cd98f00b204e9800998ecf8427e, e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "2026-11-22T01:30:36.123456789Z and 22.11.2026 and 11/22/2026 and 20261122013036",
        "1732239036123 1732239036123456789 order 4012888888881882 is not valid",
        "pi is 3.14159265358979323846 and e is 2.718281828459045",
        "population 8,000,000,000; $1,234,567.89; 100 000 000; 99.999 %",
        "192.168.100.200:8080 and 2001:0db8:85a3:0000:0000:8a2e:0370:7334",
        "ISBN 978-3-16-148410-0, RFC 3339, EAN 4006381333931, version 1.2.3-20240101.4",
        "call 911 or 112; room 212-555; rows 200 300 4000; 555-0100",
        "git@github.com:org/repo.git and @decorator and user@localhost and a @ b",
        "https://example.com:8080/path?x=1#frag and http://[::1]:4318/v1/traces",
        "sk-learn is scikit-learn; task-oriented-dialogue-systems-2024; risk-assessment-framework-2024-final",
        "sk-toggleable__content-wrapper and sk-estimator-id-1",
        "The token is a word; the secret key to happiness; the password must be long. Password: required",
        "max_tokens=1024, token_count: 12345678901234567890, api_key = None, api_key=os.environ['X']",
        "a bearer of bad news, Bearer authentication is required, basic authorization is not",
        "eyJ is how they begin, AKIA too, and AIza, ghp_ and xoxb-",
        "trace 4bf92f3577b34da6a3ce929d0e0e4736 span 00f067aa0ba902b7 chatcmpl-9abcDEF0123456789ghij",
        "call_62136354 toolu_01A09q90qw90lq917835lq9 msg_01XFDUDYJgAACzvnptvVoYEL req_011CSHoEeqs5C35K2UUq",
        "x = 3+12345678; y=+5; 1+1; -273.15; 6.02214076e23; 0x1F4A9C77D2",
        "lat 48.858370, long 2.294481; 40.712776,-74.005974",
        "vectors [0.0123456789, -0.9876543210, 4.1111111111]",
        "gpt-4o-mini-2024-07-18 claude-3-5-sonnet-20241022 text-embedding-3-small",
        "2020-2021, 1990-2000, 555-555, 12-34-56-78",
    ],
)
def test_what_only_looks_like_a_secret_is_left_alone(text):
    assert scrub(text) == text
    assert scrub(f'{{"value": "{text}"}}') == f'{{"value": "{text}"}}'


def test_untouched_text_is_the_same_object():
    text = "Nothing to see here. " * 200
    assert scrub(text) is text


def test_values_are_scrubbed_at_every_depth_and_secret_fields_whole():
    value = {
        "user": ["a@b.de", {"n": 4111111111111111, "ok": None}],
        "api_key": "short",
        "password": "",
        "t": True,
    }
    assert scrub_value(value) == {
        "user": ["[email]", {"n": 4111111111111111, "ok": None}],
        "api_key": REDACTED,
        "password": "",
        "t": True,
    }
    schema = {"properties": {"password": {"type": "string"}}}
    assert scrub_value(schema) == schema


WORDS = (
    "tell me",
    "2024-11-22",
    "call 911",
    "x = 1",
    "key: value",
    "a@b",
    "https://h/p",
    "12345678",
    "[email]",
)
PIECES = st.sampled_from([*WORDS, *(secret for secret, _ in SECRETS.values())])


@given(st.lists(PIECES, max_size=8).map(", ".join))
def test_scrubbing_twice_is_scrubbing_once(text):
    once = scrub(text)
    assert scrub(once) == once


@pytest.mark.parametrize(
    "text",
    [
        "a" * 100_000,
        "1" * 100_000,
        "1-" * 100_000,
        "@" * 100_000,
        "a@" * 100_000,
        "a." * 100_000 + "@",
        "sk-" * 100_000,
        "_key=" * 100_000,
        "+1 " * 100_000,
        "(2" * 100_000,
        "://a:" * 100_000 + "@",
        "eyJ." * 100_000,
        "-----BEGIN PRIVATE KEY-----" * 20_000,
        "password=" * 100_000,
    ],
    ids=lambda text: text[:12],
)
def test_hostile_text_is_scrubbed_in_linear_time(text):
    """Each of these has a few hundred thousand characters; quadratic work would take minutes."""
    import time

    began = time.process_time()
    scrub(text)
    assert time.process_time() - began < 2.0


def test_ordinary_conversations_keep_their_words(shared):
    """Of 300 real conversations without personal data only the invented contact details change."""
    path = shared / "datasets" / "hh_rlhf_harmless_conversations.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()[:300]
    found = set()
    for line in lines:
        for message in json.loads(line)["messages"]:
            if (clean := scrub(message["content"])) != message["content"]:
                found.update(word for word in clean.replace(".", " ").split() if word.startswith("["))
    assert {word.rstrip(",?") for word in found} <= {"[email]", "[phone]"}
