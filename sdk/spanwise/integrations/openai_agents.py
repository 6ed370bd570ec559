"""The OpenAI Agents SDK: workflows, agents, tools, handoffs and guardrails, by its own spans.

Its spans are followed where they start and finish, not by a tracing processor: the app may replace the list
of processors or disable the export to OpenAI, which is left as it is either way. A model call that a client
makes is one span: the client writes to the SDK's (see ``lending``). What is recorded of messages follows
Spanwise's capture policy.
"""

import importlib
from collections.abc import Callable
from typing import Any

from spanwise import guard, semconv
from spanwise.integrations._declaration import Integration
from spanwise.integrations._openai_agents_runs import Runs
from spanwise.integrations._patch import Patch, apply

_SPANS, _TRACES = "agents.tracing.spans", "agents.tracing.traces"
_FOLLOWED = (
    (_SPANS, "SpanImpl"),
    (_SPANS, "NoOpSpan"),  # what the SDK makes where its own tracing is disabled
    (_TRACES, "TraceImpl"),
)

RUNS = Runs()


def listen(module: Any) -> Callable[[], None]:
    """Follows the SDK's spans.

    Args:
        module: ``agents.tracing.traces``.
    """
    patches: list[Patch] = []
    state = {"is_active": True}

    def while_active(entry: Callable[..., Any]) -> Callable[..., Any]:
        def call(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            if state["is_active"]:
                return entry(wrapped, instance, args, kwargs)
            return wrapped(*args, **kwargs)

        return call

    for owner, kind in _FOLLOWED:
        for method, entry in (("start", _start), ("finish", _finish), ("__exit__", _exit)):
            found = importlib.import_module(owner)
            patches.append(apply(found, f"{kind}.{method}", while_active(entry)))

    def undo() -> None:
        state["is_active"] = False
        for patch in patches:
            patch.remove()
        RUNS.abandon()

    return undo


def _start(wrapped: Any, span: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    result = wrapped(*args, **kwargs)
    try:
        RUNS.start(span, bool(kwargs.get("mark_as_current", args[0] if args else False)))
    except Exception as error:  # noqa: BLE001  foreign objects are read in here
        guard.fault("following a span of the OpenAI Agents SDK", error)
    return result


def _finish(wrapped: Any, span: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    try:
        RUNS.finish(span)
    except Exception as error:  # noqa: BLE001
        guard.fault("finishing a span of the OpenAI Agents SDK", error)
    return wrapped(*args, **kwargs)


def _exit(wrapped: Any, span: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    error = args[1] if len(args) > 1 else kwargs.get("exc_val")
    if isinstance(error, BaseException):
        RUNS.fail(span, error)
    return wrapped(*args, **kwargs)


INTEGRATION = Integration(
    name="openai_agents",
    module="agents",
    distribution="openai-agents",
    versions=">=0.1,<1",
    listen=listen,
    listens_in=_TRACES,
    operations=(
        semconv.OP_INVOKE_WORKFLOW,
        semconv.OP_INVOKE_AGENT,
        semconv.OP_EXECUTE_TOOL,
        semconv.OP_GUARDRAIL,
        semconv.OP_TASK,
        semconv.OP_CHAT,
    ),
    captures="workflows, agents, tools with arguments and results, handoffs, guardrails, conversation, "
    "the model call",
)
