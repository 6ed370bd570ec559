"""``spanwise.prompt()``: which template a call was made with."""

import threading
from typing import Any

import pytest

import spanwise
from spanwise import testing

CHAT = {"operation": "chat", "attributes": {"gen_ai.request.model": "m"}}
PREFIX = "gen_ai.prompt.variable."


@pytest.fixture
def recorder() -> Any:
    with testing.record_spans("openai") as made:
        yield made


def variables(span: Any) -> dict[str, Any]:
    return {
        key.removeprefix(PREFIX): value for key, value in span.attributes.items() if key.startswith(PREFIX)
    }


def test_name_version_and_variables_stand_on_the_calls_inside(recorder: Any) -> None:
    greet = spanwise.prompt("greet", version=3, variables={"name": "Ann", "items": [1, {"a": None}]})
    with greet, spanwise.span("search"), spanwise.span("x", **CHAT):
        pass
    with spanwise.span("after", **CHAT):
        pass
    chat, search, after = recorder.spans
    assert (chat.attributes["gen_ai.prompt.name"], chat.attributes["gen_ai.prompt.version"]) == ("greet", "3")
    assert variables(chat) == {"name": "Ann", "items": [1, {"a": None}]}
    assert search.attributes["gen_ai.prompt.name"] == "greet"
    assert variables(search) == {}, "only calls of models have them"
    assert not any("prompt" in key for key in after.attributes)


def test_the_integrations_calls_carry_it_too(pipeline: Any, client: Any) -> None:
    with spanwise.prompt("toy", version="v1", variables={"q": "hello"}):
        client.ask("hello")
        assert list(client.ask("hello there", stream=True)) == ["hello", "there"]
    for span in pipeline.spans:
        assert span.attributes["gen_ai.prompt.name"] == "toy"
        assert PREFIX + "q" not in span.attributes, "variables are content: not for every exporter"
        assert pipeline.content_of(span)[PREFIX + "q"] == "hello"


def test_the_inner_prompt_counts_alone(recorder: Any) -> None:
    outer = spanwise.prompt("outer", version="1", variables={"a": "1"})
    with outer, spanwise.prompt("inner"), spanwise.span("x", **CHAT):
        pass
    (chat,) = recorder.spans
    assert chat.attributes["gen_ai.prompt.name"] == "inner"
    assert "gen_ai.prompt.version" not in chat.attributes
    assert variables(chat) == {}


def test_variables_are_scrubbed_and_as_they_were_when_the_block_began(recorder: Any) -> None:
    given = {"mail": "write to jane.doe@example.com", "api_key": "abc", "list": ["before"]}
    with spanwise.prompt("p", variables=given):
        given["list"].append("after")
        with spanwise.span("x", **CHAT):
            pass
    found = variables(recorder.spans[0])
    assert "jane.doe" not in found["mail"]
    assert found["api_key"] != "abc"
    assert found["list"] == ["before"]


def test_without_content_there_are_no_variables() -> None:
    secret = spanwise.prompt("p", version="1", variables={"q": "secret"})
    with testing.record_spans("openai", capture=False) as recorder, secret, spanwise.span("x", **CHAT):
        pass
    assert recorder.spans[0].attributes["gen_ai.prompt.version"] == "1"
    assert variables(recorder.spans[0]) == {}


async def test_as_a_decorator_in_tasks_and_in_threads(recorder: Any) -> None:
    def call() -> None:
        with spanwise.span("x", **CHAT):
            pass

    @spanwise.prompt("threaded", version="2")
    def work() -> None:
        thread = threading.Thread(target=call)
        thread.start()
        thread.join()

    @spanwise.prompt("awaited", version="2")
    async def wait() -> None:
        call()

    work()
    await wait()
    assert [span.attributes["gen_ai.prompt.name"] for span in recorder.spans] == ["threaded", "awaited"]


def test_values_that_cannot_be_read_never_reach_the_app(recorder: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("spanwise.guard.is_strict", False)

    class Hostile:
        def __str__(self) -> str:
            raise RuntimeError("no")

        __repr__ = __str__

    with spanwise.prompt(Hostile(), variables={"x": Hostile()}), spanwise.span("x", **CHAT):  # type: ignore[arg-type]
        pass
    assert len(recorder.spans) == 1


def test_while_spanwise_is_off_the_block_just_runs() -> None:
    with spanwise.prompt("p", variables={"a": 1}) as scope:
        assert scope is not None
