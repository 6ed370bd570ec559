"""Every recording comes out of the JSON API of a running server as it was recorded."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from recordings import FURTHER, NAMED, Recording, load
from through_server import failures, replay_through, spanwise_server

RECORDINGS = load(*NAMED, *FURTHER)
NO_DATA = [pytest.param(None, marks=pytest.mark.skip("no recorded data (set SPANWISE_SHARED)"))]
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.filterwarnings("ignore:The model '.*' is deprecated:DeprecationWarning"),
]


@pytest.fixture(scope="module")
def spans(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[dict[str, Any]]]]:
    folder: Path = tmp_path_factory.mktemp("server")
    with spanwise_server(folder) as url:
        yield replay_through(url, RECORDINGS)


@pytest.mark.parametrize("recording", RECORDINGS or NO_DATA, ids=lambda each: each.key if each else "none")
def test_recording_comes_out_as_recorded(
    recording: Recording, spans: dict[str, list[dict[str, Any]]]
) -> None:
    assert failures(recording, spans[recording.key]) == []
