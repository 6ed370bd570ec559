"""The backlog is bounded in bytes, loses nothing it accepted, and its costs are counted exactly."""

import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext

from spanwise import backlog as module
from spanwise import guard
from spanwise.backlog import Backlog
from spanwise.content import ContentTable, size_of
from spanwise.encode import EncodedSpan, Encoder, EndedSpan

RESOURCE = Resource({})


def ended(size: int = 1000, name: str = "x") -> EndedSpan:
    return EndedSpan(ReadableSpan(name, SpanContext(1, 2, False), resource=RESOURCE), None, size)


def new(max_bytes: int = 100_000, **options: Any) -> Backlog:
    return Backlog(max_bytes, Encoder({}).encode, lambda: None, **options)


def drain(backlog: Backlog) -> list[int]:
    """Packs, takes and settles everything; returns the batches' sizes."""
    sizes = []
    while len(backlog):
        backlog.pack()
        batch = backlog.take()
        assert batch is not None
        sizes.append(len(batch.spans))
        backlog.settle(batch)
    return sizes


def test_what_does_not_fit_is_refused_and_counted() -> None:
    encode = Encoder({}).encode
    backlog = Backlog(2500, lambda item: encode(item)._replace(content=bytes(item.size_bytes)), lambda: None)
    assert [backlog.put(ended()) for _ in range(4)] == [True, True, False, False]
    assert backlog.held_bytes <= 2500
    assert (backlog.dropped, backlog.held) == (2, 2)


def test_encoding_makes_room() -> None:
    backlog = new(4000)
    backlog.put(ended())
    assert backlog.held_bytes == 1000
    backlog.pack()
    assert backlog.held_bytes < 1000
    assert backlog.put(ended())


def test_a_burst_that_leaves_the_worker_no_turn_makes_its_own_room() -> None:
    backlog = new(100_000)
    names = [f"span {number}" for number in range(300)]  # 300,000 bytes before they are encoded
    assert all(backlog.put(ended(name=name)) for name in names)
    assert (backlog.dropped, backlog.held) == (0, 300)
    assert backlog.held_bytes < 100_000
    assert sum(drain(backlog)) == 300


def test_what_is_in_flight_still_counts() -> None:
    backlog = new(2500)
    backlog.put(ended())
    backlog.pack()
    batch = backlog.take()
    assert batch is not None
    assert backlog.held_bytes == batch.size_bytes > 0
    assert backlog.held == 1
    backlog.settle(batch)
    assert (backlog.held_bytes, backlog.held) == (0, 0)


def test_a_bound_in_number_for_who_asks_for_it() -> None:
    backlog = new(max_spans=3)
    assert sum(backlog.put(ended()) for _ in range(5)) == 3


@given(st.lists(st.sampled_from(["put", "pack", "take"]), max_size=60))
@settings(deadline=None)
def test_every_accepted_span_leaves_once_in_order_and_the_account_is_balanced(steps: list[str]) -> None:
    backlog = new(8000, batch_spans=3)
    accepted, left = [], []

    def leave() -> None:
        if (batch := backlog.take()) is not None:
            left.extend(batch.spans)
            backlog.settle(batch)

    for number, step in enumerate(steps):
        if step == "put":
            if backlog.put(ended(name=f"n{number}")):
                accepted.append(f"n{number}".encode())
        elif step == "pack":
            backlog.pack()
        else:
            leave()
        assert 0 <= backlog.held_bytes <= 8000
    while len(backlog):
        backlog.pack()
        leave()
    assert [name in span.body for name, span in zip(accepted, left, strict=True)] == [True] * len(accepted)
    assert (backlog.held, backlog.held_bytes) == (0, 0)


def test_batches_end_at_their_number_and_at_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    backlog = new(batch_spans=4)
    for _ in range(10):
        backlog.put(ended())
    assert drain(backlog) == [4, 4, 2]
    monkeypatch.setattr(module, "BATCH_BYTES", 500)
    for _ in range(10):
        backlog.put(ended())
    assert max(drain(backlog)) == 3


def test_a_span_that_cannot_be_encoded_costs_itself_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "is_strict", False)

    def encode(item: EndedSpan) -> EncodedSpan:
        if item.span.name == "bad":
            raise ValueError(item.span.name)
        return Encoder({}).encode(item)

    backlog = Backlog(10_000, encode, lambda: None)
    for name in ("good", "bad", "good"):
        backlog.put(ended(name=name))
    assert drain(backlog) == [2]
    assert (backlog.failed, backlog.held, backlog.held_bytes) == (1, 0, 0)


def test_many_threads_put_and_one_drains() -> None:
    backlog = new(10**9, batch_spans=50)
    threads = [threading.Thread(target=lambda: [backlog.put(ended()) for _ in range(2000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    taken = 0
    while any(thread.is_alive() for thread in threads) or len(backlog):
        taken += sum(drain(backlog))
    assert taken == backlog.accepted == 8000
    assert (backlog.held, backlog.held_bytes) == (0, 0)


def test_a_put_wakes_whoever_waits_and_waking_twice_is_once() -> None:
    backlog = new()
    assert not backlog.wait(0.01)
    backlog.put(ended())
    backlog.wake()
    assert backlog.wait(5)
    assert not backlog.wait(0.01)


def test_content_of_open_spans_is_bounded_too() -> None:
    table = ContentTable(2000)
    for number in range(10):
        table.put(number, {"a": "x" * 400})
    assert table.dropped == 8
    assert table.pop(0)[0] == {"a": "x" * 400}
    assert table.pop(9) == (None, 0)
    table.put(11, {"a": "x" * 400})
    table.put(11, {"b": 1})
    assert table.pop(11)[0] == {"a": "x" * 400, "b": 1}


@pytest.mark.parametrize("value", ["x" * 1000, ["x" * 500, "x" * 500], {"a": {"b": ("x" * 1000,)}}])
def test_sizes_are_near_the_memory_that_is_held(value: object) -> None:
    assert 1000 < size_of(value) < 2000


def test_a_circular_value_has_a_size() -> None:
    value: list[Any] = []
    value.append(value)
    assert size_of(value) < 5_000_000
