"""An endpoint that refuses requests for their size gets them in parts."""

from typing import Any


class _Narrow:
    """Answers of an endpoint that takes requests of a limited size."""

    def __init__(self, sink: Any, reply: Any, limit: int) -> None:
        self.asked: list[int] = []
        take = sink.take

        def limited(received: Any) -> Any:
            self.asked.append(len(received.body))
            sink.replies = [reply(413 if len(received.body) > limit else 200)]
            return take(received)

        sink.take = limited


def test_a_request_that_is_too_large_is_sent_in_halves(
    sink: Any, reply: Any, new_pipeline: Any, record: Any, log: Any
) -> None:
    narrow = _Narrow(sink, reply, limit=20_000)
    pipeline = new_pipeline()
    names = [f"chat {number:02}" for number in range(20)]
    for name in names:
        record(pipeline, name, text="x" * 3000)
    assert pipeline.flush()
    assert [span["name"] for span in sink.spans] == names, "each once, and in order"
    stats = pipeline.stats()
    assert (stats.exported, stats.refused, stats.queued, stats.queued_bytes) == (20, 0, 0, 0)
    assert log() == []
    assert [size // 1000 for size in narrow.asked] == [64, 32, 16, 16, 16, 16], "32 kB are not tried twice"


def test_a_span_that_is_too_large_alone_is_dropped_and_counted(
    sink: Any, reply: Any, new_pipeline: Any, record: Any, log: Any
) -> None:
    _Narrow(sink, reply, limit=20_000)
    pipeline = new_pipeline()
    for number in range(9):
        record(pipeline, f"chat {number}", text="x" * (30_000 if number == 4 else 100))
    assert pipeline.flush()
    assert sink.names == [f"chat {number}" for number in range(9) if number != 4]
    stats = pipeline.stats()
    assert (stats.exported, stats.refused, stats.lost, stats.queued) == (8, 1, 0, 0)
    (line,) = log()
    assert "refused 1 of 1 spans (HTTP 413" in line


def test_the_next_batches_are_cut_without_asking(
    sink: Any, reply: Any, new_pipeline: Any, record: Any
) -> None:
    narrow = _Narrow(sink, reply, limit=20_000)
    pipeline = new_pipeline()
    for _ in range(3):
        narrow.asked.clear()
        for number in range(20):
            record(pipeline, f"chat {number}", text="x" * 3000)
        assert pipeline.flush()
    assert len(narrow.asked) == 4
    assert pipeline.stats().exported == 60


def test_what_is_lost_of_a_batch_in_parts_is_counted_once(
    sink: Any, reply: Any, new_pipeline: Any, record: Any
) -> None:
    sink.replies = [reply(413), reply(), reply(503)]
    pipeline = new_pipeline()
    for number in range(8):
        record(pipeline, f"chat {number}")
    assert not pipeline.shutdown(0.8)
    stats = pipeline.stats()
    assert (stats.exported, stats.lost, stats.refused) == (4, 4, 0)
