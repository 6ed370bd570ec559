"""Spans of the OpenAI Agents SDK that no client of ours stands behind: LiteLLM's models, spans by hand."""

import pytest
from span_memory import SpanMemory
from span_tree import named, outline, span_of

pytest.importorskip("agents", reason="not installed: pip install 'spanwise[test-libraries]'")
import agents

LIBRARIES = ("openai_agents",)


@pytest.fixture(autouse=True)
def quiet() -> None:
    """Nothing is sent to OpenAI's own traces."""
    agents.set_trace_processors([])


def test_a_model_call_that_only_the_sdk_tells_of(memory: SpanMemory) -> None:
    sent = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello?"}]
    with agents.trace("Told"):
        model = "litellm/anthropic/claude-9"
        with agents.generation_span(sent, model=model, model_config={"temperature": 0.5}) as span:
            with agents.custom_span("inside", {"rows": 3}):
                assert len(memory.take()) == 0
            span.span_data.output = [{"role": "assistant", "content": "Grüße ☀"}]
            span.span_data.usage = {
                "input_tokens": 11,
                "output_tokens": 7,
                "input_tokens_details": {"cached_tokens": 5},
                "output_tokens_details": {"reasoning_tokens": 3},
            }
    assert outline(memory) == ["invoke_workflow Told", "  chat claude-9", "  inside"], (
        "nothing lies in a call"
    )
    call, around = named(memory, "chat claude-9"), named(memory, "invoke_workflow Told")
    assert (call["gen_ai.provider.name"], call["gen_ai.request.temperature"]) == ("anthropic", 0.5)
    usage = ("input_tokens", "output_tokens", "cache_read.input_tokens", "reasoning.output_tokens")
    assert [call[f"gen_ai.usage.{name}"] for name in usage] == [11, 7, 5, 3]
    assert [message["role"] for message in call["gen_ai.input.messages"]] == ["system", "user"]
    assert call["gen_ai.output.messages"][0]["parts"][0]["content"] == "Grüße ☀"
    assert (around["spanwise.input"], around["spanwise.output"]) == ("Hello?", "Grüße ☀")
    assert named(memory, "inside")["spanwise.input"] == {"rows": 3}


def test_an_exception_that_leaves_a_span_is_its_error(memory: SpanMemory) -> None:
    def step() -> None:
        with agents.trace("Broken"), agents.custom_span("step"):
            raise KeyError("k")

    with pytest.raises(KeyError):
        step()
    assert outline(memory) == ["invoke_workflow Broken !", "  step !"]
    assert (span_of(memory, "step").attributes or {})["error.type"] == "KeyError"


def test_what_was_handled_before_is_no_error(memory: SpanMemory) -> None:
    try:
        raise KeyError("before")
    except KeyError:
        with agents.trace("Recovery"), agents.custom_span("step"):
            assert outline(memory) == []
    assert outline(memory) == ["invoke_workflow Recovery", "  step"]


def test_what_the_sdk_itself_calls_an_error(memory: SpanMemory) -> None:
    with agents.trace("T"), agents.function_span("look_up", input='{"city": "Rome"}') as span:
        span.set_error({"message": "no such city", "data": {"error": "Rome"}})
    tool = span_of(memory, "execute_tool look_up")
    assert (tool.status.status_code.name, tool.status.description) == ("ERROR", "no such city: Rome")
    assert named(memory, "execute_tool look_up")["gen_ai.tool.call.arguments"] == {"city": "Rome"}
