"""What is kept of content: plain copies, within limits, scrubbed, in the shape it had."""

import dataclasses
import datetime
import enum
import functools
import json
import math
import types
import typing
from collections import OrderedDict, UserDict, namedtuple
from decimal import Decimal
from pathlib import PurePosixPath
from uuid import UUID

import pytest

from spanwise import guard
from spanwise.capture import UNREADABLE, Capture
from spanwise.config import Config


def capture(**settings):
    return Capture(Config.from_env(**settings))


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Order:
    item: str
    key: str = dataclasses.field(default="hidden", repr=False)


class Word(str):
    def __str__(self):
        raise AssertionError("foreign code was run")


class Lazy:
    def __repr__(self):
        raise AssertionError("foreign code was run")


class Array:
    shape = (2, 3)


class Model:
    """As pydantic's: fields on the class, values in the instance's dict."""

    model_fields: typing.ClassVar = {
        "name": types.SimpleNamespace(repr=True),
        "secret": types.SimpleNamespace(repr=False),
    }

    def __init__(self, **values):
        self.__dict__.update(values)

    def model_dump(self):
        raise AssertionError("foreign code was run")


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ({"a": [1, 2.5, True, None, "x"]}, {"a": [1, 2.5, True, None, "x"]}),
        ((1, {2}), [1, [2]]),
        ({1: "a", None: "b", Colour.RED: "c"}, {"1": "a", "None": "b", "red": "c"}),
        (OrderedDict(a=1), {"a": 1}),
        (UserDict(a=1), {"a": 1}),
        (namedtuple("Point", "x y")(1, 2), {"x": 1, "y": 2}),
        (math.nan, "nan"),
        (Colour.RED, "red"),
        (datetime.datetime(2026, 11, 22, tzinfo=datetime.timezone.utc), "2026-11-22T00:00:00+00:00"),
        (Decimal("1.50"), "1.50"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (PurePosixPath("/a/b"), "/a/b"),
        (b"abc", "<bytes of 3 bytes>"),
        (Order("tea"), {"item": "tea"}),
        (Word("plain"), "plain"),
        (ValueError("why"), "why"),
        (Model(name="n", secret="s"), {"name": "n"}),
        (len, "<builtins.len>"),
        (Order, f"<{__name__}.Order>"),
    ],
)
def test_values_become_plain(value, plain):
    kept = capture().content(value)
    assert kept == plain
    json.dumps(kept, allow_nan=False)


def test_foreign_objects_are_named_and_their_code_is_not_run():
    assert capture().content(Lazy()).endswith("test_capture.Lazy>")
    assert capture().content(functools.partial(len)) == "<functools.partial>"
    assert capture().content(Array()).endswith("test_capture.Array 2 x 3>")


class Shy:
    def __getattr__(self, name):
        raise RuntimeError(name)


def test_an_object_that_cannot_be_read_costs_nothing_beside_it():
    assert capture().content({"a": Shy(), "b": 1}) == {"a": f"<{__name__}.Shy>", "b": 1}


def test_what_contains_itself_ends_somewhere():
    loop: list = []
    loop.append(loop)
    json.dumps(capture().content(loop))


def test_long_lists_are_cut_and_say_so():
    kept = capture().content(list(range(10_005)))
    assert len(kept) == 10_001
    assert kept[-1] == "... 5 more entries"


def test_what_the_application_changes_later_is_not_recorded():
    messages = [{"role": "user", "tags": ["a"]}]
    kept = capture().content(messages)
    messages[0]["tags"].append("b")
    assert kept == [{"role": "user", "tags": ["a"]}]


def test_the_longest_string_is_cut_first():
    value = {"question": "short", "document": "x" * 500, "more": ["y" * 90]}
    kept = capture(max_content_chars=200).content(value)
    assert kept["question"] == "short"
    assert kept["more"] == ["y" * 90]
    assert kept["document"].startswith("x" * 105 + "… [truncated")
    assert "500" not in kept["question"]
    json.loads(json.dumps(kept))


def test_a_huge_string_says_how_long_it_was():
    kept = capture(max_content_chars=10).content("0123456789" * 100)
    assert kept == "0123456789… [truncated by spanwise: 10 of 1000 characters]"


def test_binary_data_is_kept_whole_or_not_at_all_and_is_not_searched():
    data = "4111111111111111" * 10  # base64 is no text, though it may look like a card number
    blob = {"type": "blob", "modality": "image", "mime_type": "image/png", "content": data}
    assert capture().content([blob]) == [blob]
    (kept,) = capture(max_content_chars=100).content([blob])
    assert kept == {**blob, "content": "[120 bytes not recorded by spanwise]"}
    both = capture(max_content_chars=200).content([blob, "x" * 150])
    assert both[0]["content"] == "[120 bytes not recorded by spanwise]"
    assert both[1].startswith("x" * 80)


def test_a_secret_across_the_cut_is_not_left_in_half():
    text = "x" * 95 + " sk-proj-aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5"
    assert "aB3" not in capture(max_content_chars=115).content(text * 3)


def test_content_is_scrubbed_with_fields_named_like_secrets():
    value = {
        "messages": [{"content": "mail a@b.de"}],
        "api_key": "short",
        "headers": {"Authorization": "x y"},
    }
    assert capture().content(value) == {
        "messages": [{"content": "mail [email]"}],
        "api_key": "[redacted]",
        "headers": {"Authorization": "[redacted]"},
    }
    assert capture(scrub=False).content(value) == value


def test_the_applications_own_scrubber_is_used_instead():
    kept = capture(scrub=lambda text: text.replace("Jane", "X")).content(["Jane", {"who": "Jane a@b.de"}])
    assert kept == ["X", {"who": "X a@b.de"}]


@pytest.mark.parametrize("scrub", [lambda text: 1 / 0, lambda text: None])
def test_nothing_is_kept_when_the_scrubber_fails(scrub, monkeypatch):
    monkeypatch.setattr(guard, "is_strict", False)
    assert capture(scrub=scrub).content("my secret") == UNREADABLE
