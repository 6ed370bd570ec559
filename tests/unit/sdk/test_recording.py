"""What a span says of how its call ended: whole or left, well or failed."""

import dataclasses

import pytest
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.trace import StatusCode

from spanwise import guard, semconv
from spanwise.integrations import _engine, _patch
from spanwise.operation import Response


@pytest.fixture
def client_of(library, make_toy):
    """Returns a maker of patched clients whose reader has changes."""

    def make(**changes):
        toy = make_toy()
        for target in toy.targets:
            changed = dataclasses.replace(target, reader=dataclasses.replace(target.reader, **changes))
            wrapper = _engine.wrapper_for(toy, changed, lambda: True)
            _patch.apply(library, changed.path.partition(":")[2], wrapper)
        return library.Client()

    return make


def test_a_stream_read_to_its_end_is_whole_although_it_named_no_reason(client, pipeline):
    assert list(client.ask("one two", stream=True)) == ["one", "two"]
    span = pipeline.span()
    assert semconv.RESPONSE_FINISH_REASONS not in span.attributes
    assert semconv.STREAM_INCOMPLETE not in span.attributes


def test_a_stream_left_after_its_reason_came_is_whole(client, pipeline):
    stream = client.ask("one. two", stream=True)
    assert next(stream) == "one."
    stream._iterator.close()
    span = pipeline.span()
    assert span.attributes[semconv.RESPONSE_FINISH_REASONS] == ("stop",)
    assert semconv.STREAM_INCOMPLETE not in span.attributes


def test_a_failure_that_the_answer_reports_is_the_spans(client_of, pipeline):
    failed = Response(error_type="overloaded", error_message="come back later")
    assert client_of(read_response=lambda answer, call: failed).ask("hello").words == "hello"
    span = pipeline.span()
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "come back later")
    assert span.attributes[semconv.ERROR_TYPE] == "overloaded"
    assert span.events == ()


def test_a_failure_without_words_has_its_type(client_of, pipeline):
    client_of(read_response=lambda answer, call: Response(error_type="overloaded")).ask("hello")
    span = pipeline.span()
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, None)
    assert span.attributes[semconv.ERROR_TYPE] == "overloaded"


def test_what_an_error_carries_is_kept(client_of, pipeline):
    carried = Response(model="toy-1-1", finish_reasons=["length"])
    client = client_of(read_error=lambda error, call: carried)
    with pytest.raises(ValueError, match="cut off"):
        client.ask("hello", error=ValueError("cut off"))
    span = pipeline.span()
    assert span.attributes[semconv.RESPONSE_MODEL] == "toy-1-1"
    assert span.attributes[semconv.RESPONSE_FINISH_REASONS] == ("length",)
    assert (span.attributes[semconv.ERROR_TYPE], span.status.description) == ("ValueError", "cut off")


def test_a_processor_that_fails_at_the_end_of_a_span_is_counted_and_does_no_harm(
    client, pipeline, monkeypatch
):
    class Broken(SpanProcessor):
        def on_end(self, span):
            raise RuntimeError("full")

    pipeline.provider.add_span_processor(Broken())
    monkeypatch.setattr(guard, "is_strict", False)
    assert client.ask("hello.").words == "hello."
    assert guard.faults() == {"ending a span": 1}
