"""One call that two instrumentors report is charged once."""

from collections.abc import Callable
from typing import Any

import pytest

from spanwise_collector.ingest.batch import Batch
from spanwise_collector.ingest.pipeline import Pipeline
from spanwise_collector.model import Span

Make = Callable[..., Span]
CALL = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 10,
}


def nested(make: Make, *children: dict[str, Any], outer: dict[str, Any]) -> list[Span]:
    inside = [
        make({**CALL, **changes}, span_id=f"{place:016x}", parent_span_id="aa" * 8)
        for place, changes in enumerate(children, 1)
    ]
    return [*inside, make({**CALL, **outer}, span_id="aa" * 8)]


@pytest.mark.parametrize(
    ("children", "outer"),
    [
        ([{}], {}),
        ([{}, {}], {"gen_ai.usage.input_tokens": 200, "gen_ai.usage.output_tokens": 20}),
        ([{}, {"gen_ai.usage.output_tokens": 3}], {}),
        ([{}], {"gen_ai.usage.input_tokens": 0, "gen_ai.usage.output_tokens": 0}),
    ],
    ids=["same call", "sum of two", "the last of two tries", "no usage of its own"],
)
def test_the_inner_span_is_charged_and_the_outer_one_says_why_not(
    children: list[dict[str, Any]], outer: dict[str, Any], make_span: Make, pipeline: Pipeline
) -> None:
    *inside, around = pipeline.process(Batch(spans=nested(make_span, *children, outer=outer))).spans
    assert all(span.cost_usd for span in inside)
    assert (around.is_billable, around.cost_usd, around.cost_status) == (False, None, "not_billable")
    assert around.warnings == ["usage_repeated_by_child"]


def test_a_call_made_inside_another_is_a_call_of_its_own(make_span: Make, pipeline: Pipeline) -> None:
    different = {"gen_ai.usage.input_tokens": 7}
    embedded = {"gen_ai.operation.name": "embeddings", "gen_ai.request.model": "text-embedding-3-small"}
    for changes in (different, embedded):
        spans = pipeline.process(Batch(spans=nested(make_span, changes, outer={}))).spans
        assert [span.is_billable for span in spans] == [True, True]
        assert all(span.cost_usd for span in spans)
