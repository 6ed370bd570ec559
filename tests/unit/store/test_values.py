"""Typed JSON and the split of attributes by type."""

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanwise_collector.model import Span
from spanwise_collector.store import values
from spanwise_collector.store.attributes import attribute_columns

ANY_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def _span(attributes):
    return Span(
        project_id="p",
        trace_id="1" * 32,
        span_id="1" * 16,
        name="n",
        start_ns=1,
        end_ns=2,
        attributes=attributes,
    )


@given(ANY_VALUE)
def test_what_is_encoded_is_decoded(value):
    assert values.decode(values.encode(value)) == value


@given(st.sampled_from(["$bytes", "$float", "$map", "$", "$other"]), ANY_VALUE)
def test_a_map_that_looks_like_a_tag_is_not_taken_for_one(tag, value):
    assert values.decode(values.encode({tag: value})) == {tag: value}


@pytest.mark.parametrize("number", [math.inf, -math.inf, -0.0, 5e-324])
def test_odd_floats_survive(number):
    assert repr(values.decode(values.encode([number]))) == repr([number])


def test_nan_survives():
    assert math.isnan(values.decode(values.encode(math.nan)))


def test_what_otlp_does_not_have_is_refused():
    with pytest.raises(TypeError, match="type set"):
        values.encode([{1, 2}])


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.dictionaries(st.text(), ANY_VALUE, max_size=5), min_size=1, max_size=6))
def test_the_maps_of_a_batch_hold_each_value_once_in_its_row(rows):
    columns = attribute_columns([_span(row) for row in rows])
    assert set(columns.pop("promoted").to_pylist()) == {""}
    rebuilt = [{} for _ in rows]
    for name, column in columns.items():
        for row, pairs in zip(rebuilt, column.to_pylist(), strict=True):
            for key, value in pairs:
                assert key not in row
                row[key] = values.decode(value) if name == "attributes_json" else value
    assert rebuilt == rows


def test_each_type_has_its_map():
    columns = attribute_columns(
        [_span({"s": "x", "i": 1, "f": 1.0, "b": True, "n": None, "big": 2**63, "l": ["a"]})]
    )
    assert columns.pop("promoted").to_pylist() == [""]
    found = {name: dict(column.to_pylist()[0]) for name, column in columns.items()}
    assert found == {
        "attributes_string": {"s": "x"},
        "attributes_int": {"i": 1},
        "attributes_float": {"f": 1.0},
        "attributes_bool": {"b": True},
        "attributes_json": {"n": "null", "big": str(2**63), "l": '["a"]'},
    }
