"""The parts of the store that need no engine: cursors, previews, migrations, columns, statements."""

import contextlib
import json
import re
from dataclasses import replace
from decimal import Decimal
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanwise_collector.errors import BadRequest, Conflict
from spanwise_collector.model import Span, SpanEvent, SpanLink, TraceFilter
from spanwise_collector.store import migrate as migrations
from spanwise_collector.store import rows
from spanwise_collector.store.columns import _EMPTY, arrow_table, version_of
from spanwise_collector.store.cursors import Cursor, decode_cursor
from spanwise_collector.store.filters import conditions_of
from spanwise_collector.store.ids import span_id_of, trace_id_of
from spanwise_collector.store.places import Place, hours_of
from spanwise_collector.store.previews import PREVIEW_CHARS, preview_of
from spanwise_collector.store.statements import statement

HOUR_NS = 3600 * 10**9


@given(st.integers(-(2**63), 2**63), st.text(st.characters(exclude_categories=["Cs"])))
def test_a_cursor_survives_the_url(start_ns, row_id):
    text = Cursor(start_ns, row_id).encode()
    assert re.fullmatch(r"[A-Za-z0-9_-]*", text)
    assert decode_cursor(text) == Cursor(start_ns, row_id)


@given(st.text())
def test_any_text_is_a_cursor_or_refused(text):
    with contextlib.suppress(BadRequest):
        decode_cursor(text)


def _message(role, *parts):
    return {"role": role, "parts": list(parts)}


def _text(content):
    return {"type": "text", "content": content}


def test_a_preview_is_the_last_user_text_and_the_last_answer():
    given_messages = [
        _message("system", _text("be kind")),
        _message("user", _text("first")),
        _message("user", _text("last")),
    ]
    returned = [_message("assistant", _text("an"), _text("answer"))]
    preview = preview_of(json.dumps(given_messages), json.dumps(returned), "other", "other")
    assert (preview.given, preview.returned) == ("last", "an answer")


def test_a_preview_falls_back_to_plain_text_calls_and_cut_messages():
    call = json.dumps([_message("assistant", {"type": "tool_call", "name": "search", "arguments": {}})])
    assert preview_of("", call, "plain", "").given == "plain"
    assert preview_of("", call, "", "").returned == "search()"
    cut = json.dumps([_message("user", _text('say "hi"\nplease'))])[:-8]
    assert preview_of(cut, "", "", "").given.startswith('say "hi" ple')


@pytest.mark.parametrize(
    "odd", ["null", "3", '"text"', "[1, null]", "{}", '[{"parts": 5}]', "[", '[{"content": "old"}]']
)
def test_odd_messages_never_break_a_preview(odd):
    preview = preview_of(odd, odd, "", "")
    assert preview.given in ("", "old")


def test_a_preview_is_one_short_line():
    line = preview_of("", "", "word\n\n\t" * 500, "").given
    assert len(line) == PREVIEW_CHARS
    assert "\n" not in line
    assert line.endswith("…")


def test_versions_order_by_ended_then_normaliser_then_arrival():
    now = 1_790_000_000 * 10**9
    ordered = [
        version_of(False, 1, now),
        version_of(False, 1, now + 10_000),
        version_of(False, 2, now),
        version_of(True, 1, now),
        version_of(True, 1, now + 10_000),
        version_of(True, 2, now - 10**18),
        version_of(True, 99_999, 2**62),
    ]
    assert ordered == sorted(ordered)
    assert ordered[-1] < 2**64


def test_reading_and_writing_know_the_same_fields():
    text = statement("read_spans").source
    selected = [column.strip() for column in text[len("SELECT") : text.index("FROM")].split(",")]
    renamed = {"trace": "trace_id", "span": "span_id", "parent_span": "parent_span_id"}
    renamed |= {"toUnixTimestamp64Nano(received)": "received_ns"}
    names = [renamed.get(column, column) for column in selected]
    assert tuple(names[: len(rows.PLAIN_FIELDS)]) == rows.PLAIN_FIELDS
    empty = Span("p", "1" * 32, "2" * 16, "n", 1, 2)
    left_out = {name for name, value in _EMPTY.items() if getattr(empty, name) == value}
    money = {"cost_usd", "reported_cost_usd"}
    full = replace(empty, **{name: "x" for name in left_out if _EMPTY[name] == ""})
    full = replace(full, **{name: 1 for name in left_out - money if _EMPTY[name] in (0, None)})
    full = replace(full, **{name: Decimal(1) for name in money})
    full = replace(full, events=[SpanEvent("e", 1)], links=[SpanLink("1" * 32, "2" * 16)])
    full = replace(full, tags=["t"], finish_reasons=["stop"], warnings=["w"])
    written = set(arrow_table([full]).column_names)
    # What is empty in a whole batch is left to the engine's defaults.
    assert written - set(arrow_table([empty]).column_names) == left_out
    read = {name for name in names if name != "start_ns"} | {"start", "received", "version"} - {"received_ns"}
    assert written == read - {"received_ns"}


def test_migrations_are_numbered_without_gaps_and_repeatable():
    found = migrations.read_migrations()
    assert [migration.version for migration in found] == list(range(1, len(found) + 1))
    for migration in found:
        for text in migration.statements(is_replicated=False):
            assert "IF NOT EXISTS" in text or "IF EXISTS" in text
            assert "$" not in text
            assert "ON CLUSTER" not in text


def test_the_engine_prefix_makes_tables_replicated():
    text = "\n".join(migrations.read_migrations()[0].statements(is_replicated=True))
    assert "ENGINE = ReplicatedReplacingMergeTree(version, is_deleted)" in text


def test_two_migrations_of_one_number_are_refused(tmp_path, monkeypatch):
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_create_a.sql").write_text("")
    (folder / "0001_create_b.sql").write_text("")
    monkeypatch.setattr(migrations, "files", lambda _: tmp_path)
    with pytest.raises(Conflict, match="share the number 1"):
        migrations.read_migrations()
    (folder / "0001_create_b.sql").rename(folder / "2_b.sql")
    with pytest.raises(Conflict, match="2_b"):
        migrations.read_migrations()


def test_no_value_of_a_filter_enters_the_statement():
    where = TraceFilter(
        **{name: f"VALUE-{name}" for name in ("service", "name", "model", "user_id", "tag", "q", "status")},
        min_cost_usd=0.123,
        min_duration_ms=77,
    )
    found = conditions_of(where)
    text = found.bound_text() + found.group_text()
    assert "VALUE" not in text
    assert "77" not in text
    assert set(re.findall(r"\{(\w+):", text)) == set(found.parameters)


def test_every_statement_says_what_it_is_for_and_reads_spans_through_the_view():
    for entry in files("spanwise_collector.store").joinpath("queries").iterdir():
        source = entry.read_text("utf-8")
        assert source.startswith("-- "), entry.name
        assert not re.search(r"\bFROM\s+spans\b", source), entry.name


@pytest.mark.parametrize(
    "text", ["", "1" * 31, "1" * 33, "g" * 32, " " * 32, "-" + "1" * 31, "0x" + "1" * 30, "1" * 16]
)
def test_a_trace_id_is_32_hexadecimal_digits(text):
    with pytest.raises(BadRequest):
        trace_id_of(text)


def test_ids_are_lower_case():
    assert trace_id_of("AB" * 16) == "ab" * 16
    assert span_id_of("AB" * 8) == "ab" * 8


def test_hours_hold_every_trace_and_a_long_one_is_a_range():
    text, parameters = hours_of([Place(5 * HOUR_NS + 1, 7 * HOUR_NS), Place(90 * HOUR_NS, 90 * HOUR_NS)])
    assert "toStartOfHour" in text
    assert parameters == {"hours": [5 * 3600, 6 * 3600, 7 * 3600, 90 * 3600]}
    text, parameters = hours_of([Place(0, 10**6 * HOUR_NS), Place(5, 6)])
    assert parameters == {"edges": [0, 10**6 * HOUR_NS]}


def test_a_replaced_field_changes_only_its_column():
    span = Span("p", "1" * 32, "2" * 16, "n", 1, 2, service="app", received_ns=3)
    one, other = arrow_table([span]), arrow_table([replace(span, service="bot")])
    assert [name for name in one.column_names if not one[name].equals(other[name])] == ["service"]
