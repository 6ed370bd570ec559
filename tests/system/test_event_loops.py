"""Apps that run on trio or gevent: every call is recorded once, below the step that made it.

A greenlet begins with an empty context, and gevent's types cannot be patched: what it records is a trace of
its own.
"""

from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

STUBS = str(Path(__file__).parent)
GEVENT = """
from gevent import monkey; monkey.patch_all()
import sys; sys.path.insert(0, {stubs!r})
import subprocess
import gevent, gevent.pool, openai, openai_stub, spanwise
client = openai.OpenAI(api_key="k", base_url=openai_stub.serve(), max_retries=0)
spanwise.instrument(endpoint={endpoint!r}, service_name="green")

def ask(n):
    with spanwise.span("greenlet"):
        # forks in every greenlet, as the client does too for its headers: the child must only run its program
        assert subprocess.run(["true"]).returncode == 0
        client.chat.completions.create(model="gpt-4o", messages=[{{"role": "user", "content": str(n)}}])

gevent.joinall([gevent.spawn(ask, n) for n in range(20)], raise_error=True)
list(gevent.pool.Pool(5).imap_unordered(ask, range(10)))
"""
TRIO = """
import sys; sys.path.insert(0, {stubs!r})
import openai, openai_stub, spanwise, trio
spanwise.instrument(endpoint={endpoint!r}, service_name="trio")
url = openai_stub.serve()

async def ask(client, n):
    with spanwise.span("task"):
        await client.chat.completions.create(
            model="gpt-4o", messages=[{{"role": "user", "content": str(n)}}]
        )

async def listen(client):
    question = [{{"role": "user", "content": "slow?"}}]
    async for chunk in await client.chat.completions.create(model="gpt-4o", messages=question, stream=True):
        heard.set()

async def main():
    global heard
    heard = trio.Event()
    async with openai.AsyncOpenAI(api_key="k", base_url=url, max_retries=0) as client:
        with spanwise.span("nursery"):
            async with trio.open_nursery() as nursery:
                for n in range(20):
                    nursery.start_soon(ask, client, n)
        with spanwise.span("cancelled"):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(listen, client)
                await heard.wait()
                nursery.cancel_scope.cancel()

trio.run(main)
"""


def trees(server: Any) -> list[tuple[str, list[tuple[str, str]]]]:
    """Each trace: the name of its root, and the spans below as (name, name of the parent)."""
    found = []
    for each in server.get("/api/v1/traces")["items"]:
        spans = server.get(f"/api/v1/traces/{each['trace_id']}")["spans"]
        names = {span["span_id"]: span["name"] for span in spans}
        below = [(span["name"], names[span["parent_span_id"]]) for span in spans if span["parent_span_id"]]
        found.append((each["name"], sorted(below)))
    return sorted(found)


def test_greenlets(server: Any, run_app: Any) -> None:
    done = run_app(GEVENT.format(stubs=STUBS, endpoint=server.url))
    assert (done.returncode, done.stderr) == (0, "")
    assert trees(server) == [("greenlet", [("chat gpt-4o", "greenlet")])] * 30


def test_trio_tasks_and_a_cancelled_stream(server: Any, run_app: Any) -> None:
    done = run_app(TRIO.format(stubs=STUBS, endpoint=server.url))
    assert (done.returncode, done.stderr) == (0, "")
    assert trees(server) == [
        ("cancelled", [("chat gpt-4o", "cancelled")]),
        ("nursery", [("chat gpt-4o", "task")] * 20 + [("task", "nursery")] * 20),
    ]
