"""Every recording, replayed to the real client, comes out as one span that says what the recording holds.

Here the spans stay in memory; ``test_through_server`` sends them the whole way.
"""

import pytest
from comparison import differences
from recordings import FURTHER, NAMED, Recording, load
from replay_client import replay, replay_async
from replay_server import ReplayServer
from span_memory import SpanMemory

RECORDINGS = load(*NAMED, *FURTHER)
pytestmark = pytest.mark.filterwarnings("ignore:The model '.*' is deprecated:DeprecationWarning")
NO_DATA = [pytest.param(None, marks=pytest.mark.skip("no recorded data (set SPANWISE_SHARED)"))]


@pytest.mark.parametrize("recording", RECORDINGS or NO_DATA, ids=lambda each: each.key if each else "none")
def test_sync_call_is_recorded(recording: Recording, replay_server: ReplayServer, memory: SpanMemory) -> None:
    replay(recording, replay_server.url)
    spans = memory.take()
    assert len(spans) == 1
    assert differences(recording, spans[0]) == []


@pytest.mark.parametrize("recording", RECORDINGS or NO_DATA, ids=lambda each: each.key if each else "none")
async def test_async_call_is_recorded(
    recording: Recording, replay_server: ReplayServer, memory: SpanMemory
) -> None:
    await replay_async(recording, replay_server.url)
    spans = memory.take()
    assert len(spans) == 1
    assert differences(recording, spans[0]) == []
