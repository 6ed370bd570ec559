"""Threads, loops and the garbage collector at once: every span ends once, under its own parent."""

import asyncio
import gc
import random
import threading

import pytest

import spanwise

THREADS, ROUNDS = 6, 60


@pytest.fixture
def eager_collector():
    """Collects garbage all the time, so that abandoned streams end in the middle of anything."""
    before = gc.get_threshold()
    gc.set_threshold(40, 2, 2)
    yield
    gc.set_threshold(*before)


def plain(client):
    client.ask("a b")
    return 1


def streamed(client):
    list(client.ask("a b c", stream=True))
    return 1


def abandoned(client):
    stream = client.ask("a b c", stream=True)
    next(stream)
    stream.itself = stream  # only the collector can find it
    return 1


def failed(client):
    with pytest.raises(ValueError, match="no"):
        client.ask("a", error=ValueError("no"))
    return 1


def broken_off(client):
    async def read():
        async for _ in await client.aask("a b c", stream=True):
            break

    async def main():
        await asyncio.gather(read(), read(), read())

    asyncio.run(main())
    return 3


@pytest.mark.usefixtures("eager_collector")
def test_every_span_ends_once_under_its_own_parent(client, pipeline, caplog):
    made = []

    def work(number):
        choose = random.Random(number)
        for turn in range(ROUNDS):
            with spanwise.context(user_id=f"{number}-{turn}"), spanwise.span("request"):
                made.append(choose.choice((plain, streamed, abandoned, failed, broken_off))(client))

    workers = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    gc.collect()
    by_id = {span.context.span_id: span for span in pipeline.spans}
    calls = [span for span in pipeline.spans if span.name == "chat toy-1"]
    assert len(by_id) == len(pipeline.spans) == THREADS * ROUNDS + sum(made)
    assert len(calls) == sum(made)
    for call in calls:
        assert by_id[call.parent.span_id].attributes["user.id"] == call.attributes["user.id"]
    assert caplog.records == []
