"""Group commit: one insert for many requests, one answer each, poison alone, memory bounded."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from spanwise_collector.errors import BadRequest, Unavailable
from spanwise_collector.ingest.writer import Writer
from spanwise_collector.metrics import Metrics
from spanwise_collector.model import Span

Make = Callable[..., Span]


class MemoryStore:
    """Keeps spans; refuses those named ``poison``; may be held or broken."""

    def __init__(self) -> None:
        self.inserts: list[list[str]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.is_down = False

    def insert_spans(self, spans: Sequence[Span]) -> None:
        self.gate.wait(5)
        if self.is_down:
            raise Unavailable("down")
        if any(span.name == "poison" for span in spans):
            raise BadRequest("poison")
        self.inserts.append([span.name for span in spans])


@asynccontextmanager
async def running(store: MemoryStore, *, max_queue_bytes: int = 10_000) -> AsyncIterator[Writer]:
    writer = Writer(store.insert_spans, Metrics(), max_queue_bytes=max_queue_bytes, linger_s=0.05)
    writer.start()
    try:
        yield writer
    finally:
        store.gate.set()
        await writer.stop()


async def write(writer: Writer, spans: list[Span]) -> list[Span]:
    reservation = writer.reserve()
    try:
        return await writer.write(spans, reservation)
    finally:
        reservation.close()


async def test_requests_that_arrive_during_an_insert_share_the_next_one(make_span: Make) -> None:
    store = MemoryStore()
    async with running(store) as writer:
        store.gate.clear()
        first = asyncio.create_task(write(writer, [make_span(name="first")]))
        while writer._waiting or not writer._task:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        others = [asyncio.create_task(write(writer, [make_span(name=f"{n}")])) for n in range(5)]
        while len(writer._waiting) < 5:
            await asyncio.sleep(0)
        assert not first.done()
        store.gate.set()
        assert await asyncio.gather(first, *others) == [[]] * 6
    assert [len(insert) for insert in store.inserts] == [1, 5]


async def test_an_insert_waits_for_a_request_that_is_still_being_read(make_span: Make) -> None:
    store = MemoryStore()
    async with running(store) as writer:
        slow = writer.reserve()
        early = asyncio.create_task(write(writer, [make_span(name="early")]))
        await asyncio.sleep(0.01)
        assert store.inserts == []
        await writer.write([make_span(name="late")], slow)
        slow.close()
        await early
    assert store.inserts == [["early", "late"]]


async def test_a_slow_sender_holds_nobody_up_for_long(make_span: Make) -> None:
    store = MemoryStore()
    async with running(store) as writer:
        stuck = writer.reserve()
        await asyncio.wait_for(write(writer, [make_span(name="quick")]), 5)
        stuck.close()
    assert store.inserts == [["quick"]]


async def test_senders_that_send_again_at_once_stay_in_one_group(make_span: Make) -> None:
    store = MemoryStore()

    async def send_thrice(writer: Writer, turns: int) -> None:
        for _ in range(3):
            for _ in range(turns):  # each sender takes its own time, short as it is
                await asyncio.sleep(0)
            await write(writer, [make_span()])

    async with running(store) as writer:
        store.gate.clear()
        senders = [asyncio.create_task(send_thrice(writer, 2 * n)) for n in range(4)]
        while len(writer._waiting) < 3:  # the fourth is in the insert that the gate holds
            await asyncio.sleep(0)
        store.gate.set()
        await asyncio.gather(*senders)
    # The first went alone, since nothing was known yet; then as many as were under way.
    assert [len(insert) for insert in store.inserts] == [1, 4, 4, 3]


async def test_nothing_is_waited_for_when_the_senders_are_at_rest(make_span: Make) -> None:
    store = MemoryStore()
    async with running(store) as writer:
        await asyncio.gather(*(write(writer, [make_span()]) for _ in range(4)))
        writer._committed_at -= 1.0  # as if a second had gone by
        began = asyncio.get_running_loop().time()
        await write(writer, [make_span()])
        assert asyncio.get_running_loop().time() - began < 0.05
    assert [len(insert) for insert in store.inserts][-1] == 1


async def test_18_nothing_is_acknowledged_while_the_store_is_down(make_span: Make) -> None:
    store = MemoryStore()
    store.is_down = True
    async with running(store) as writer:
        with pytest.raises(Unavailable):
            await write(writer, [make_span()])
        store.is_down = False
        assert await write(writer, [make_span(name="again")]) == []
    assert store.inserts == [["again"]]


async def test_poison_fails_only_its_own_span(make_span: Make) -> None:
    store = MemoryStore()
    async with running(store) as writer:
        requests = [
            [make_span(name=f"good {n}")] if n != 3 else [make_span(name="x"), make_span(name="poison")]
            for n in range(7)
        ]
        held = [writer.reserve() for _ in requests]
        answers = await asyncio.gather(
            *(writer.write(spans, place) for spans, place in zip(requests, held, strict=True))
        )
        for place in held:
            place.close()
    assert [[span.name for span in refused] for refused in answers] == [[], [], [], ["poison"], [], [], []]
    stored = sorted(name for insert in store.inserts for name in insert)
    assert stored == sorted(["x", *(f"good {n}" for n in range(7) if n != 3)])


async def test_a_client_that_hangs_up_takes_no_span_out_of_the_group(make_span: Make) -> None:
    store = MemoryStore()
    async with running(store) as writer:
        store.gate.clear()
        gone = asyncio.create_task(write(writer, [make_span(name="gone")]))
        stays = asyncio.create_task(write(writer, [make_span(name="stays")]))
        await asyncio.sleep(0.01)
        gone.cancel()
        store.gate.set()
        assert await stays == []
    assert sorted(name for insert in store.inserts for name in insert) == ["gone", "stays"]


async def test_the_queue_is_bounded_and_bytes_are_given_back() -> None:
    async with running(MemoryStore(), max_queue_bytes=1000) as writer:
        one, two = writer.reserve(), writer.reserve()
        writer.grow(one, 900)
        with pytest.raises(Unavailable, match="limit is 1000"):
            writer.grow(two, 200)
        one.close()
        writer.grow(two, 200)
        two.close()
        alone = writer.reserve()
        writer.grow(alone, 5000)  # one request may be larger than the queue: its own limit is the body's
        alone.close()
        assert writer._reserved == 0


async def test_stopping_commits_what_was_accepted_and_refuses_the_rest(make_span: Make) -> None:
    store = MemoryStore()
    writer = Writer(store.insert_spans, Metrics(), max_queue_bytes=1000)
    writer.start()
    store.gate.clear()
    accepted = [asyncio.create_task(write(writer, [make_span(name=f"{n}")])) for n in range(3)]
    await asyncio.sleep(0.01)
    stopping = asyncio.create_task(writer.stop())
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="stopping"):
        writer.grow(writer.reserve(), 1)
    store.gate.set()
    await stopping
    assert await asyncio.gather(*accepted) == [[], [], []]
    with pytest.raises(Unavailable, match="stopping"):
        await write(writer, [make_span()])
    assert sum(len(insert) for insert in store.inserts) == 3
