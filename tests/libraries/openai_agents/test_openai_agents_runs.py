"""Runs of the real OpenAI Agents SDK against a loopback server: one tree a run, one span a model call."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from cassettes import made_up, sse
from loopback import Loopback
from model_server import TEXT, ModelServer
from span_memory import SpanMemory, traced
from span_tree import all_named, named, outline, span_of

pytest.importorskip("agents", reason="not installed: pip install 'spanwise[test-libraries]'")
import agents
import openai

from spanwise import integrations
from spanwise.suppression import get_current

LIBRARIES = ("openai", "openai_agents")
AGENT_TREE = [
    "invoke_workflow Agent workflow",
    "  invoke_agent Adder",
    "    chat gpt-4o",
    "    execute_tool add",
    "    chat gpt-4o",
]
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "status": "completed",
    "model": "gpt-5-2026",
    "instructions": "Be brief.",
    "output": [
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "Grüße ☀", "annotations": []}],
        }
    ],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "usage": {
        "input_tokens": 11,
        "input_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 0},
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 18,
    },
}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Nothing is sent to OpenAI's own traces; nothing of ours stays behind."""
    agents.set_trace_processors([])
    before = get_current()
    yield
    assert get_current() == before, "a context was left attached"
    from spanwise.integrations.openai_agents import RUNS

    assert (RUNS._runs, RUNS._named) == ({}, {}), "runs that never ended"


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer().running() as running:
        yield running


CLIENTS: list[Any] = []


@pytest.fixture(autouse=True)
async def closing() -> AsyncIterator[None]:
    """Closes the clients in the loop that they were used in."""
    yield
    await close_clients()


async def close_clients() -> None:
    while CLIENTS:
        await CLIENTS.pop().close()


def client_at(url: str) -> Any:
    CLIENTS.append(openai.AsyncOpenAI(api_key="k", base_url=url, max_retries=0))
    return CLIENTS[-1]


def chat_model(server: ModelServer, name: str = "gpt-4o") -> Any:
    return agents.OpenAIChatCompletionsModel(name, client_at(server.url))


@agents.function_tool
def add(a: int, b: int) -> str:
    """Adds."""
    return str(a + b)


def adder(server: ModelServer, **further: Any) -> Any:
    given = {"name": "Adder", "instructions": "Be brief.", "model": chat_model(server), "tools": [add]}
    return agents.Agent(**(given | further))


async def ask(agent: Any, way: str, text: str = "2+2?") -> Any:
    if way == "run":
        return await agents.Runner.run(agent, text)
    result = agents.Runner.run_streamed(agent, text)
    async for _ in result.stream_events():
        pass
    return result


# --- trees ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["run", "stream"])
async def test_a_run_is_one_tree_with_one_span_a_model_call(
    memory: SpanMemory, server: ModelServer, way: str
) -> None:
    result = await ask(adder(server), way)
    assert result.final_output == TEXT
    assert outline(memory) == AGENT_TREE
    tool, agent, workflow = (named(memory, line.strip()) for line in (AGENT_TREE[n] for n in (3, 1, 0)))
    assert tool["gen_ai.tool.call.arguments"] == {"a": 2, "b": 2}
    assert (tool["gen_ai.tool.call.result"], tool["gen_ai.tool.name"]) == ("4", "add")
    assert (agent["gen_ai.agent.name"], agent["spanwise.agent.tools"]) == ("Adder", ("add",))
    for around in (agent, workflow):
        assert (around["spanwise.input"], around["spanwise.output"]) == ("2+2?", TEXT)
    first, last = all_named(memory, "chat gpt-4o")
    assert first["gen_ai.output.messages"][0]["parts"][0]["name"] == "add"
    assert last["gen_ai.input.messages"][-1]["parts"][0]["response"] == "4"
    assert first["gen_ai.response.model"] == "gpt-4o-0806"
    assert first.get("gen_ai.request.stream", False) is (way == "stream")
    assert ("gen_ai.response.time_to_first_chunk" in first) is (way == "stream")
    if way == "run":
        assert first["gen_ai.usage.cache_read.input_tokens"] == 8


def test_run_sync(memory: SpanMemory, server: ModelServer) -> None:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)  # older versions take the thread's
    try:
        assert agents.Runner.run_sync(adder(server), "2+2?").final_output == TEXT
        loop.run_until_complete(close_clients())
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    assert outline(memory) == AGENT_TREE


async def test_runs_at_the_same_time_keep_apart(memory: SpanMemory, server: ModelServer) -> None:
    await asyncio.gather(*(agents.Runner.run(adder(server), f"{n}?") for n in range(5)))
    assert outline(memory) == AGENT_TREE * 5
    asked = sorted(each["spanwise.input"] for each in all_named(memory, "invoke_agent Adder"))
    assert asked == [f"{n}?" for n in range(5)]


async def test_a_handoff_names_both_agents(memory: SpanMemory, server: ModelServer) -> None:
    other = agents.Agent(name="Other", model=chat_model(server))
    await agents.Runner.run(adder(server, tools=[], handoffs=[other]), "go")
    assert outline(memory)[3:] == ["    handoff Other", "  invoke_agent Other", "    chat gpt-4o"]
    step = named(memory, "handoff Other")
    assert (step["spanwise.handoff.from"], step["spanwise.handoff.to"]) == ("Adder", "Other")
    assert named(memory, "invoke_agent Adder")["spanwise.agent.handoffs"] == ("Other",)
    assert named(memory, "invoke_workflow Agent workflow")["spanwise.output"] == TEXT


async def test_several_runs_in_one_trace_with_its_conversation(
    memory: SpanMemory, server: ModelServer
) -> None:
    with agents.trace("Two", group_id="c-1", metadata={"tier": "gold"}):
        await agents.Runner.run(adder(server, tools=[]), "one")
        await agents.Runner.run(adder(server, tools=[]), "two")
    inner = ["  invoke_agent Adder", "    chat gpt-4o"]
    assert outline(memory) == ["invoke_workflow Two", *inner, *inner]
    for span in memory.take():
        assert span["attributes"]["gen_ai.conversation.id"] == "c-1"
        assert span["attributes"]["spanwise.metadata.tier"] == "gold"


async def test_calls_and_agents_inside_a_tool_belong_to_it(memory: SpanMemory, server: ModelServer) -> None:
    helper = agents.Agent(name="Helper", model=chat_model(server))

    @agents.function_tool
    async def ask(a: int, b: int) -> str:
        async with openai.AsyncOpenAI(api_key="k", base_url=server.url) as client:
            await client.chat.completions.create(
                model="inner", messages=[{"role": "user", "content": "inside"}]
            )
        return str((await agents.Runner.run(helper, "Help")).final_output)

    await agents.Runner.run(adder(server, tools=[ask]), "2+2?")
    assert outline(memory)[3:] == [
        "    execute_tool ask",
        "      chat inner",
        "      invoke_agent Helper",
        "        chat gpt-4o",
        "    chat gpt-4o",
    ]
    assert named(memory, "invoke_agent Helper")["spanwise.input"] == "Help"
    assert named(memory, "invoke_agent Adder")["spanwise.input"] == "2+2?"


# --- failures ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["run", "stream"])
async def test_a_refusal_is_on_every_level_and_raised_unchanged(
    memory: SpanMemory, server: ModelServer, way: str
) -> None:
    agent = adder(server, model=chat_model(server, "missing"))
    with pytest.raises(openai.NotFoundError, match="no such model"):
        await ask(agent, way)
    names = ["invoke_workflow Agent workflow !", "  invoke_agent Adder !", "    chat missing !"]
    assert outline(memory) == names
    call = span_of(memory, "chat missing")
    assert (call.attributes or {})["error.type"] == "openai.NotFoundError"
    assert len(call.events) == 1


async def test_a_tool_that_fails_is_marked_and_the_run_goes_on(
    memory: SpanMemory, server: ModelServer
) -> None:
    @agents.function_tool
    def add(a: int, b: int) -> str:
        raise ValueError("no numbers")

    await agents.Runner.run(adder(server, tools=[add]), "2+2?")
    assert outline(memory) == [*AGENT_TREE[:3], "    execute_tool add !", AGENT_TREE[4]]
    tool = span_of(memory, "execute_tool add")
    assert (tool.attributes or {})["error.type"] == "tool_error"
    assert "Error running tool" in str(tool.status.description)


async def test_a_tripped_guardrail(memory: SpanMemory, server: ModelServer) -> None:
    @agents.input_guardrail
    async def polite(context: Any, agent: Any, text: Any) -> Any:
        return agents.GuardrailFunctionOutput(output_info=None, tripwire_triggered=True)

    with pytest.raises(agents.InputGuardrailTripwireTriggered):
        await agents.Runner.run(adder(server, input_guardrails=[polite]), "2+2?")
    attributes = [span["attributes"] for span in memory.take()]
    (guardrail,) = (each for each in attributes if each["gen_ai.operation.name"] == "guardrail")
    assert guardrail["spanwise.guardrail.triggered"] is True


async def test_a_stream_that_is_cancelled_ends_everything(memory: SpanMemory, server: ModelServer) -> None:
    result = agents.Runner.run_streamed(adder(server, tools=[]), "hold")
    async for event in result.stream_events():
        if event.type == "raw_response_event":
            result.cancel()
            break
    server.may_go_on.set()
    task = getattr(result, "run_loop_task", None) or result._run_impl_task
    await asyncio.wait([task] if task is not None else [asyncio.create_task(asyncio.sleep(0))])
    assert [line.removesuffix(" !") for line in outline(memory)] == AGENT_TREE[:3]


async def test_too_many_turns(memory: SpanMemory, server: ModelServer) -> None:
    with pytest.raises(agents.MaxTurnsExceeded):
        await agents.Runner.run(adder(server), "2+2?", max_turns=1)
    status = span_of(memory, "invoke_agent Adder").status
    assert status.status_code.name == "ERROR"
    assert "Max turns" in str(status.description)


# --- what is told of a model call -------------------------------------------------------------------------


def responses_model(loopback: Loopback, key: str, body: Any, **further: Any) -> Any:
    root = loopback.put(made_up(key, "/responses", body, **further))
    return agents.OpenAIResponsesModel("gpt-5", client_at(root))


@pytest.mark.parametrize("is_stream", [False, True])
async def test_the_sdk_tells_the_same_where_the_client_is_not_traced(
    loopback: Loopback, is_stream: bool
) -> None:
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {**RESPONSE, "status": "in_progress", "output": []}},
        {"type": "response.completed", "response": RESPONSE},
    ]
    numbered = [{"sequence_number": number, **event} for number, event in enumerate(events)]
    headers = {"content-type": "text/event-stream"}
    told = []
    for libraries in (LIBRARIES, ("openai_agents",)):
        if is_stream:
            model = responses_model(loopback, "ra-stream", sse(*numbered), headers=headers)
        else:
            model = responses_model(loopback, "ra", RESPONSE)
        agent = agents.Agent(name="A", instructions="Be brief.", model=model)
        with traced(libraries) as memory:
            await ask(agent, "stream" if is_stream else "run", "Hello?")
            told.append(memory.take()[0])
    by_client, by_sdk = told
    assert by_client["name"] == "chat gpt-5"
    keys = ("input_tokens", "output_tokens", "cached_input_tokens", "reasoning_output_tokens")
    assert [by_sdk[key] for key in keys] == [11, 7, 5, 3]
    for key in (
        *keys,
        "response_model",
        "finish_reasons",
        "input_messages",
        "output_messages",
        "system_instructions",
    ):
        assert by_sdk[key] == by_client[key], key


async def test_no_content_where_it_is_off(server: ModelServer) -> None:
    with traced(LIBRARIES, capture="NO_CONTENT") as memory:
        await agents.Runner.run(adder(server), "2+2?")
        assert outline(memory) == AGENT_TREE
        assert memory.content == {}


# --- the SDK's own tracing --------------------------------------------------------------------------------


class Witness(agents.TracingProcessor):  # type: ignore[misc, name-defined]
    """A processor of the app's own."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def on_trace_start(self, trace: Any) -> None:
        self.seen.append(f"+{trace.name}")

    def on_trace_end(self, trace: Any) -> None:
        self.seen.append(f"-{trace.name}")

    def on_span_start(self, span: Any) -> None:
        self.seen.append(f"+{span.span_data.type}")

    def on_span_end(self, span: Any) -> None:
        self.seen.append(f"-{span.span_data.type} {span.error}")

    def shutdown(self) -> None:
        """Nothing to do."""

    def force_flush(self) -> None:
        """Nothing to do."""


async def test_its_own_processors_see_what_they_see_without_us(server: ModelServer) -> None:
    seen = []
    for libraries in ((), LIBRARIES):
        witness = Witness()
        agents.set_trace_processors([witness])
        if libraries:
            with traced(libraries):
                await agents.Runner.run(adder(server), "2+2?")
        else:
            await agents.Runner.run(adder(server), "2+2?")
        seen.append(witness.seen)
    assert seen[0] == seen[1]
    assert "+function" in seen[0]


async def test_steps_are_there_although_its_own_tracing_is_disabled(
    memory: SpanMemory, server: ModelServer
) -> None:
    settings = agents.RunConfig(tracing_disabled=True)
    await agents.Runner.run(adder(server), "2+2?", run_config=settings)
    assert outline(memory) == [line[2:] for line in AGENT_TREE[1:]]


async def test_switched_off_in_a_run(memory: SpanMemory, server: ModelServer) -> None:
    with agents.trace("Switched"):
        integrations.uninstrument(*LIBRARIES)
        await agents.Runner.run(adder(server), "2+2?")
    assert outline(memory) == ["invoke_workflow Switched"]
    integrations.instrument(*LIBRARIES)
    await agents.Runner.run(adder(server), "2+2?")
    assert outline(memory)[1:] == AGENT_TREE
