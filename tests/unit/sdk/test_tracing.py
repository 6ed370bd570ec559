"""Decorators, ``span()`` and ``context()`` on every kind of function, and what they record."""

import asyncio
import contextlib
import copy
import functools
import gc
import inspect
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

import spanwise
from spanwise import guard, semconv, threads


@spanwise.step
def module_level(x):
    return x + 1


class Pickled:
    @spanwise.step
    def method(self, x):
        return x * 2


def test_a_workflow_records_arguments_and_result(pipeline):
    @spanwise.workflow
    def answer(question, *, style="short", **more):
        return {"text": question.upper()}

    assert answer("why?", tone="kind") == {"text": "WHY?"}
    span = pipeline.span()
    assert (span.name, span.kind, span.status.status_code) == (
        "invoke_workflow answer",
        SpanKind.INTERNAL,
        StatusCode.UNSET,
    )
    assert dict(span.attributes) == {
        semconv.OPERATION_NAME: "invoke_workflow",
        semconv.WORKFLOW_NAME: "answer",
    }
    assert pipeline.content_of(span) == {
        semconv.STEP_INPUT: {"question": "why?", "tone": "kind"},
        semconv.STEP_OUTPUT: {"text": "WHY?"},
    }


def test_a_tool_is_recorded_as_a_tool_call(pipeline):
    @spanwise.tool
    def weather(city: str) -> str:
        """Tells the weather.

        At length.
        """
        return f"rain in {city}"

    weather("Paris")
    span = pipeline.span("execute_tool weather")
    assert span.attributes[semconv.TOOL_NAME] == "weather"
    assert span.attributes[semconv.TOOL_TYPE] == "function"
    assert span.attributes[semconv.TOOL_DESCRIPTION] == "Tells the weather."
    assert pipeline.content_of(span) == {
        semconv.TOOL_CALL_ARGUMENTS: {"city": "Paris"},
        semconv.TOOL_CALL_RESULT: "rain in Paris",
    }


@dataclass
class Document:
    page_content: str
    metadata: dict


def test_a_retriever_records_the_query_and_its_documents(pipeline):
    @spanwise.retriever(data_source="handbook")
    def search(query, k=3):
        return [(Document("a", {"page": 1}), 0.9), {"id": 7, "text": "b", "score": 0.5}, "c"]

    search("what?", k=2)
    span = pipeline.span("retrieval search")
    assert span.kind is SpanKind.CLIENT
    assert span.attributes[semconv.RETRIEVAL_TOP_K] == 2
    assert span.attributes[semconv.DATA_SOURCE_ID] == "handbook"
    assert pipeline.content_of(span) == {
        semconv.RETRIEVAL_QUERY_TEXT: "what?",
        semconv.RETRIEVAL_DOCUMENTS: [
            {"content": "a", "metadata": {"page": 1}, "score": 0.9},
            {"id": 7, "score": 0.5, "content": "b"},
            {"content": "c"},
        ],
    }


def test_a_retriever_that_returns_something_else_records_it_as_output(pipeline):
    @spanwise.retriever
    def search(query):
        return {"ids": [["a"]]}

    search("what?")
    assert pipeline.content_of(pipeline.span())[semconv.STEP_OUTPUT] == {"ids": [["a"]]}


def test_an_embedding_records_texts_and_dimensions_and_no_vectors(pipeline):
    @spanwise.embedding(model="mini", provider="local")
    def embed(texts):
        return [[0.1, 0.2, 0.3] for _ in texts]

    embed(["a", "b"])
    span = pipeline.span("embeddings mini")
    assert span.attributes[semconv.EMBEDDINGS_DIMENSION_COUNT] == 3
    assert span.attributes[semconv.PROVIDER_NAME] == "local"
    assert pipeline.content_of(span) == {semconv.EMBEDDINGS_INPUT: ["a", "b"]}


def test_an_agent_has_its_name_and_description(pipeline):
    @spanwise.agent("planner", description="Plans trips")
    async def plan(goal):
        return "done"

    assert inspect.iscoroutinefunction(plan)
    assert asyncio.run(plan("Rome")) == "done"
    span = pipeline.span("invoke_agent planner")
    assert span.attributes[semconv.AGENT_NAME] == "planner"
    assert span.attributes[semconv.AGENT_DESCRIPTION] == "Plans trips"


def test_steps_nest(pipeline):
    @spanwise.workflow
    def outer():
        return inner()

    @spanwise.step("inside", attributes={"a.b": 1})
    def inner():
        return trace.get_current_span().get_span_context().span_id

    assert outer() == pipeline.span("inside").context.span_id
    assert pipeline.span("inside").parent.span_id == pipeline.span("invoke_workflow outer").context.span_id
    assert pipeline.span("inside").attributes["a.b"] == 1


def test_an_exception_fails_the_span_and_passes_unchanged(pipeline):
    error = KeyError("gone")

    @spanwise.step
    def fails():
        raise error

    with pytest.raises(KeyError) as raised:
        fails()
    assert raised.value is error
    span = pipeline.span()
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes[semconv.ERROR_TYPE] == "KeyError"
    assert [event.name for event in span.events] == ["exception"]


@pytest.mark.parametrize("how", ["capture_input", "capture_output"])
def test_arguments_and_results_can_be_left_out(pipeline, how):
    @spanwise.step(**{how: False})
    def work(x):
        return 2

    work(1)
    kept = {semconv.STEP_INPUT: {"x": 1}, semconv.STEP_OUTPUT: 2}
    kept.pop(semconv.STEP_INPUT if how == "capture_input" else semconv.STEP_OUTPUT)
    assert pipeline.content_of(pipeline.span()) == kept


def test_without_capture_nothing_of_the_content_is_kept(start):
    pipeline = start(capture=False)

    @spanwise.tool
    def work(secret):
        return secret

    with spanwise.span("block") as block:
        block.set_input("a")
        block.set_output("b")
    work("x")
    assert pipeline.content == {}
    assert not any(key in semconv.CONTENT_KEYS for span in pipeline.spans for key in span.attributes)


# --- methods ---


class Tools:
    @spanwise.tool
    def method(self, x):
        return self, x

    @spanwise.tool
    @classmethod
    def outer_class(cls, x):
        return cls, x

    @classmethod
    @spanwise.tool
    def inner_class(cls, x):
        return cls, x

    @spanwise.tool
    @staticmethod
    def outer_static(x):
        return x

    @staticmethod
    @spanwise.tool
    def inner_static(x):
        return x


def test_methods_of_all_kinds_record_their_arguments_without_self(pipeline):
    tools = Tools()
    assert tools.method(1) == (tools, 1)
    assert Tools.method(tools, 2) == (tools, 2)
    assert tools.outer_class(3) == Tools.inner_class(3) == (Tools, 3)
    assert tools.outer_static(4) == Tools.inner_static(4) == 4
    arguments = [pipeline.content_of(span)[semconv.TOOL_CALL_ARGUMENTS] for span in pipeline.spans]
    assert arguments == [{"x": 1}, {"x": 2}, {"x": 3}, {"x": 3}, {"x": 4}, {"x": 4}]


def test_what_is_decorated_stays_what_it_was():
    assert module_level.__name__ == "module_level"
    assert list(inspect.signature(module_level).parameters) == ["x"]
    assert inspect.isfunction(module_level)
    assert pickle.loads(pickle.dumps(module_level)) is module_level
    assert pickle.loads(pickle.dumps(Pickled().method))(2) == 4
    assert copy.deepcopy(module_level) is module_level


def test_only_functions_can_be_decorated():
    with pytest.raises(TypeError, match="only functions and methods"):

        @spanwise.agent
        class Agent:
            pass


def test_an_unknown_option_is_named():
    with pytest.raises(TypeError, match="modle"):
        spanwise.embedding(modle="x")


def test_without_a_set_up_decorated_functions_just_run():
    assert module_level(1) == 2
    with spanwise.span("x") as block:
        block.set_output(1)
    assert block.trace_id == "0" * 32


# --- generators ---


@spanwise.step
def words(text):
    yield from text.split()


@spanwise.step
async def awords(text):
    for word in text.split():
        await asyncio.sleep(0)
        yield word


def test_a_generator_is_one_span_with_what_it_yielded(pipeline):
    assert inspect.isgeneratorfunction(words)
    generator = words("a b")
    assert inspect.isgenerator(generator)
    assert pipeline.spans == []
    assert list(generator) == ["a", "b"]
    span = pipeline.span()
    assert pipeline.content_of(span) == {semconv.STEP_INPUT: {"text": "a b"}, semconv.STEP_OUTPUT: "ab"}


def test_the_parent_of_a_generator_is_where_it_was_called(pipeline):
    with spanwise.span("asking") as asking:
        generator = words("a b")
    with spanwise.span("reading"):
        before = trace.get_current_span()
        for _ in generator:
            assert trace.get_current_span() is before
    assert trace.format_span_id(pipeline.span("words").parent.span_id) == asking.span_id


def test_a_generator_closed_early_has_not_failed(pipeline):
    generator = words("a b")
    next(generator)
    generator.close()
    span = pipeline.span()
    assert span.status.status_code is StatusCode.UNSET
    assert pipeline.content_of(span)[semconv.STEP_OUTPUT] == "a"


def test_what_is_sent_and_thrown_into_a_generator_arrives(pipeline):
    @spanwise.step
    def echo():
        got = yield "ready"
        try:
            yield got
        except ValueError as error:
            yield str(error)
        return "end"

    generator = echo()
    assert next(generator) == "ready"
    assert generator.send("hi") == "hi"
    assert generator.throw(ValueError("caught")) == "caught"
    with pytest.raises(StopIteration) as stop:
        next(generator)
    assert stop.value.value == "end"
    assert pipeline.content_of(pipeline.span())[semconv.STEP_OUTPUT] == "end"


async def test_an_asynchronous_generator_is_one_span(pipeline):
    assert inspect.isasyncgenfunction(awords)
    assert [word async for word in awords("a b")] == ["a", "b"]
    assert pipeline.content_of(pipeline.span())[semconv.STEP_OUTPUT] == "ab"


async def test_an_asynchronous_generator_can_be_closed_sent_to_and_thrown_into(pipeline):
    closing = awords("a b")
    await closing.__anext__()
    await closing.aclose()
    assert pipeline.span().status.status_code is StatusCode.UNSET

    @spanwise.step
    async def echo():
        got = yield 1
        try:
            yield got
        except ValueError:
            yield "caught"

    talking = echo()
    assert await talking.__anext__() == 1
    assert await talking.asend("hi") == "hi"
    assert await talking.athrow(ValueError()) == "caught"
    with pytest.raises(StopAsyncIteration):
        await talking.__anext__()
    assert len(pipeline.spans) == 2


def test_a_function_that_hands_out_a_generator_is_open_until_that_ends(pipeline):
    @spanwise.workflow
    def answer():
        return (part for part in ("a", "b"))

    generator = answer()
    assert pipeline.spans == []
    assert list(generator) == ["a", "b"]
    assert pipeline.content_of(pipeline.span())[semconv.STEP_OUTPUT] == "ab"


def test_a_generator_that_nobody_reads_ends_its_span_when_it_is_collected(pipeline):
    @spanwise.step
    def answer():
        return (part for part in ("a", "b"))

    answer()
    gc.collect()
    assert pipeline.span("answer").status.status_code is StatusCode.UNSET


def test_a_decorated_generator_can_be_a_context_manager(pipeline):
    @contextlib.contextmanager
    @spanwise.step
    def connection():
        try:
            yield "open"
        except KeyError:
            yield_was_interrupted.append(True)

    yield_was_interrupted = []
    with connection() as state:
        assert state == "open"
        raise KeyError
    assert yield_was_interrupted == [True]
    assert pipeline.span("connection").status.status_code is StatusCode.UNSET


async def test_a_partial_of_a_coroutine_function_can_be_decorated(pipeline):
    async def add(a, b):
        return a + b

    assert await spanwise.step(functools.partial(add, 1))(2) == 3
    assert len(pipeline.spans) == 1


async def test_a_cancelled_step_fails(pipeline):
    @spanwise.step
    async def waits():
        await asyncio.Event().wait()

    task = asyncio.create_task(waits())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert pipeline.span().attributes[semconv.ERROR_TYPE] == "asyncio.exceptions.CancelledError"


# --- span() ---


def test_a_block_is_a_span(pipeline):
    with spanwise.span("rank", attributes={"n": 2}) as block:
        block.set_attribute("kept", True)
        block.set_input({"a": 1})
        block.set_output([1])
    span = pipeline.span("rank")
    assert dict(span.attributes) == {semconv.OPERATION_NAME: "task", "n": 2, "kept": True}
    assert block.span_id == trace.format_span_id(span.context.span_id)
    assert pipeline.content_of(span) == {semconv.STEP_INPUT: {"a": 1}, semconv.STEP_OUTPUT: [1]}


async def test_a_block_is_a_span_in_asynchronous_code_too(pipeline):
    with pytest.raises(ZeroDivisionError):
        async with spanwise.span("divide"):
            _ = 1 / 0
    assert pipeline.span("divide").attributes[semconv.ERROR_TYPE] == "ZeroDivisionError"


def test_a_block_may_be_a_model_call_of_the_apps_own_client(pipeline):
    attributes = {semconv.REQUEST_MODEL: "mine", semconv.PROVIDER_NAME: "local"}
    with spanwise.span("ask", operation="chat", attributes=attributes) as block:
        block.set_input([{"role": "system", "content": "Be brief."}, "Hi"])
        block.set_output("Hello")
    span = pipeline.span("chat mine")
    assert span.kind is SpanKind.CLIENT
    content = pipeline.content_of(span)
    assert [message["role"] for message in content[semconv.INPUT_MESSAGES]] == ["system", "user"]
    assert content[semconv.OUTPUT_MESSAGES] == [
        {"role": "assistant", "parts": [{"type": "text", "content": "Hello"}]}
    ]


# --- context() ---

EVERYTHING = {
    semconv.CONVERSATION_ID: "c",
    semconv.SESSION_ID: "c",
    semconv.USER_ID: "u",
    semconv.PROMPT_NAME: "p",
    semconv.PROMPT_VERSION: "3",
    semconv.TAGS: ("a", "b"),
    semconv.METADATA_PREFIX + "tenant": "acme",
    semconv.METADATA_PREFIX + "plan": '{"seats": 3}',
}


def shown(span):
    return {key: value for key, value in span.attributes.items() if key in EVERYTHING}


def test_context_marks_every_span_below_it(client, pipeline):
    with spanwise.context(conversation_id="c", user_id="u", prompt="p", prompt_version="3", tags=["a"]):
        with spanwise.context(tags=["b", "a"], tenant="acme", plan={"seats": 3}):
            client.ask("hi.")
            with spanwise.span("block"):
                pass
        client.ask("later.")
    with spanwise.span("outside"):
        pass
    chat, block, later, outside = pipeline.spans
    assert shown(chat) == shown(block) == EVERYTHING
    assert later.attributes[semconv.TAGS] == ("a",)
    assert shown(outside) == {}


def test_context_is_a_decorator_of_every_kind_of_function(pipeline):
    marked = spanwise.context(user_id="u")

    @marked
    def plain():
        with spanwise.span("plain"):
            pass

    @marked
    async def coroutine():
        with spanwise.span("coroutine"):
            pass

    @marked
    def generator():
        with spanwise.span("generator"):
            pass
        yield

    async def main():
        await asyncio.gather(coroutine(), coroutine())

    plain()
    list(generator())
    asyncio.run(main())
    assert [span.attributes[semconv.USER_ID] for span in pipeline.spans] == ["u"] * 4


def test_one_context_object_may_be_in_use_in_many_threads(pipeline):
    marked = spanwise.context(user_id="u")
    barrier = threading.Barrier(4)

    def work():
        with marked:
            barrier.wait(10)
        with spanwise.span("after"):
            pass
        barrier.wait(10)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for thread in workers:
        thread.start()
    for thread in workers:
        thread.join()
    assert len(pipeline.spans) == 4
    assert not any(semconv.USER_ID in span.attributes for span in pipeline.spans)


def test_context_and_span_reach_threads_executors_and_tasks(pipeline):
    def work(name):
        with spanwise.span(name):
            pass

    class Own(threading.Thread):
        def run(self):
            work("own thread")

    async def tasks():
        async def task(name):
            work(name)

        await asyncio.gather(asyncio.create_task(task("task")), asyncio.to_thread(work, "to_thread"))

    with ThreadPoolExecutor(1) as pool:
        with spanwise.span("unrelated"):
            pool.submit(work, "warm up").result()
        with spanwise.context(user_id="u"), spanwise.span("parent") as parent:
            pool.submit(work, "executor").result()
            list(pool.map(work, ["mapped"]))
            for thread in (threading.Thread(target=work, args=("thread",)), Own()):
                thread.start()
                thread.join()
            asyncio.run(tasks())
        pool.submit(work, "later").result()
    below = ("executor", "mapped", "thread", "own thread", "task", "to_thread")
    for name in below:
        span = pipeline.span(name)
        assert span.attributes[semconv.USER_ID] == "u"
        assert trace.format_span_id(span.parent.span_id) == parent.span_id
    assert pipeline.span("later").parent is None  # a pool's worker thread keeps nothing


def test_the_wrappers_of_threads_come_off_again():
    before = vars(threading.Thread)["start"], vars(ThreadPoolExecutor)["submit"]
    threads.install()
    threads.install()
    assert vars(threading.Thread)["start"] is not before[0]
    threads.uninstall()
    assert (vars(threading.Thread)["start"], vars(ThreadPoolExecutor)["submit"]) == before


def test_a_thread_that_refuses_a_new_run_starts_all_the_same(pipeline, monkeypatch):
    monkeypatch.setattr(guard, "is_strict", False)
    ran = threading.Event()

    class Fixed(threading.Thread):
        @property
        def run(self):
            return ran.set

    with spanwise.span("parent"):
        thread = Fixed()
        thread.start()
        thread.join()
    assert ran.is_set()


def test_threads_can_be_left_alone(start):
    pipeline = start(propagate_threads=False)
    with spanwise.span("parent"):
        thread = threading.Thread(target=lambda: spanwise.span("thread").__enter__().end())
        thread.start()
        thread.join()
    assert pipeline.span("thread").parent is None


def test_suppressed_instrumentation_makes_no_spans(client, pipeline):
    from opentelemetry import context as otel
    from opentelemetry.instrumentation.utils import suppress_instrumentation

    with suppress_instrumentation():
        client.ask("hi")
        with spanwise.span("block"):
            pass
    token = otel.attach(otel.set_value("suppress_language_model_instrumentation", True))
    client.ask("hi")
    otel.detach(token)
    assert pipeline.spans == []


# --- foreign objects ---


class Hostile:
    """Fails at whatever is asked of it."""

    def __getattr__(self, name):
        raise RuntimeError("do not ask")

    def __getitem__(self, key):
        raise RuntimeError("do not index")

    def __str__(self):
        raise RuntimeError("do not print")

    __repr__ = __str__

    def __bool__(self):
        raise RuntimeError("do not test")

    def __eq__(self, other):
        raise RuntimeError("do not compare")

    __hash__ = None


@pytest.mark.parametrize("kind", ["workflow", "agent", "step", "tool", "retriever", "embedding"])
@pytest.mark.parametrize("shape", [lambda value: value, lambda value: [value], lambda value: {"x": value}])
def test_a_hostile_argument_or_result_reaches_the_application_unharmed(pipeline, monkeypatch, kind, shape):
    monkeypatch.setattr(guard, "is_strict", False)
    given = shape(Hostile())

    @getattr(spanwise, kind)
    def same(value):
        return value

    with spanwise.context(user_id=given, tags=given, thing=given), spanwise.span("block") as block:
        block.set_input(given)
        block.set_output(given)
        assert same(given) is given
    assert len(pipeline.spans) == 2
