"""The search over many texts at once overlooks nothing that scrubbing would change."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from spanwise.redact import probe, scrub
from spanwise_collector.ingest.suspects import suspects

BASE62 = "aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5zA7bC9dE1fG3hI5jK7l"
# Beginnings, endings and separators of everything the rules look for, to be put together in any order.
WORDS = """
    sk- sk-proj- xai- pplx- glpat- xoxb- xapp- gsk_ hf_ npm_ ghp_ github_pat_ r8_ whsec_ glsa_ lsv2_pt_
    sk_live_ rk_test_ AKIA ASIA AIza ya29. SG. eyJ .eyJ Bearer bearer Authorization: authorization basic
    password PASSWORD= passwd: api_key API-KEY= apikey: apiKey= accountKey= secret_access_key access-token=
    client_secret https:// hooks.slack.com/services/ user:pass@ git@ a.b@c.de @ +49 +1 (212) 555-0199
    212.555.0199 4111 1111 378282246310005 4242424242424242 -----BEGIN -----END PRIVATE KEY----- \u00e9
    \u017fecret \u212aey \u0663\u0664\u0665\u0666 1234567 = : . - _ /
"""
PIECES = st.sampled_from(
    [*WORDS.split(), " ", "  ", "\n", '"', "'", '\\"', BASE62, BASE62[:20], BASE62[5:25]]
)


@settings(max_examples=120, deadline=None)
@given(st.lists(st.lists(PIECES, max_size=9).map("".join), max_size=12))
def test_every_text_that_scrubbing_changes_is_a_suspect(texts: list[str]) -> None:
    changed = {place for place, text in enumerate(texts) if scrub(text) != text}
    assert changed <= set(suspects(texts))


def test_the_pattern_means_the_same_to_both_engines() -> None:
    texts = ["nothing", "a@b.de", "sk-" + BASE62[:20], "call +49 30 1234567", "12 monkeys, 2024-05-01", ""]
    pattern = re.compile(probe())
    assert list(suspects(texts)) == [place for place, text in enumerate(texts) if pattern.search(text)]


def test_ordinary_text_is_no_suspect() -> None:
    assert list(suspects(["The key to a good policy is no token effort, e.g. in 2024."])) == []


def test_text_that_has_no_utf8_is_always_a_suspect() -> None:
    assert list(suspects(["a", "\ud83d"])) == [0, 1]
