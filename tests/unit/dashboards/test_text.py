"""Foreign text: escaped, isolated, visible, bounded."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanwise_dashboards import jsonview
from spanwise_dashboards.text import LOAD_CHARACTERS, passage, plain, preview_text, visible


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.seen: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def parsed(markup: str) -> Tags:
    reader = Tags()
    reader.feed(markup)
    reader.close()
    return reader


@given(st.text())
def test_no_text_ever_becomes_a_tag(content: str):
    assert parsed(str(visible(content))).seen <= {"span"}
    assert parsed(str(jsonview.markup({content: [content, 1.5, None]}))).seen <= {"span"}


@given(st.text(st.characters(blacklist_categories=("Cc", "Cf", "Cs", "Zl", "Zp")), max_size=200))
def test_ordinary_text_stays_as_it_is(content: str):
    assert parsed(str(visible(content))).text == content


@pytest.mark.parametrize(
    "character", ["\u202e", "\u2066", "\u200f", "\u061c", "\u200b", "\ufeff", "\x00", "\ud800"]
)
def test_tricky_characters_show_their_code_point(character: str):
    shown = str(visible(f"a{character}b"))
    assert character not in shown
    assert f"U+{ord(character):04X}" in shown
    assert character not in plain(f"a{character}b")


def test_joiners_of_real_writing_stay():
    family = "\U0001f468\u200d\U0001f469"
    assert str(visible(family)) == family


def test_long_text_is_folded_and_very_long_text_is_not_sent():
    assert not passage("short").is_folded
    assert passage("line\n" * 8).is_folded
    long = passage("x" * 50_000, "input_text")
    assert (long.is_folded, long.is_partial, len(long.content), long.length) == (
        True,
        True,
        LOAD_CHARACTERS,
        50_000,
    )


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        ("plain\n question ", "plain question"),
        ('{"question": "Where is it?", "history": []}', "Where is it?"),
        ('{"history": [], "question": "cut off \\"here', 'cut off "here'),
        ('{"a": 1, "b": "some text"}', "some text"),
        ('["first text", "second"]', "first text"),
        ('{"question": "caf\\u00e9"}', "café"),
        ('{"n": 1}', '{"n": 1}'),
    ],
)
def test_a_preview_is_what_a_person_wrote(raw: str, line: str):
    assert preview_text(raw) == line


def test_json_is_drawn_in_one_line_when_short_and_cut_when_endless():
    assert parsed(str(jsonview.markup({"a": 1, "b": "x"}))).text == '{"a": 1, "b": "x"}'
    assert "\n" in parsed(str(jsonview.markup({"a": {"b": 1}}))).text
    long = parsed(str(jsonview.markup(["word"] * 50_000))).text
    assert len(long) < jsonview.MAX_CHARACTERS + 100
    assert long.endswith("cut here")
    deep: list[object] = []
    for _ in range(500):
        deep = [deep, 1]
    assert "…" in parsed(str(jsonview.markup(deep))).text
