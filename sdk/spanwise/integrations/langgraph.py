"""LangGraph: graphs and agents. Their nodes, models and tools come by LangChain's callbacks.

Wrapped are ``Pregel.stream`` and ``astream``, which run every graph: they tell what a graph is and end the
spans of one that was left half read. Nodes run in copies of the context, where their own is attached.
"""

from collections.abc import Callable
from typing import Any

from spanwise import semconv
from spanwise.integrations import langchain
from spanwise.integrations._declaration import Integration
from spanwise.integrations._langchain_scope import GRAPH, astream_entry, stream_entry
from spanwise.integrations.langchain import RUNS, Patches, wrap_config

_CONFIGS = ("langgraph._internal._runnable", "langgraph.utils.runnable")
_GRAPHS = ("langgraph.pregel.main", "langgraph.pregel")
"""Where the class is, in newer and in older versions."""


def listen(module: Any) -> Callable[[], None]:
    """Wraps the entry points, and listens to LangChain; returns what undoes both."""
    forget = langchain.listen(module)
    patches = Patches()
    home = _GRAPHS[0] if _has_main() else _GRAPHS[1]
    patches.wrap(home, "Pregel.stream", stream_entry(RUNS, GRAPH))
    patches.wrap(home, "Pregel.astream", astream_entry(RUNS, GRAPH))
    wrap_config(patches, _CONFIGS)

    def undo() -> None:
        patches.undo()
        forget()

    return undo


def _has_main() -> bool:
    from importlib.util import find_spec

    return find_spec("langgraph.pregel.main") is not None


INTEGRATION = Integration(
    name="langgraph",
    module="langgraph.pregel",
    distribution="langgraph",
    versions=">=0.2.60,<2",
    listen=listen,
    operations=(semconv.OP_INVOKE_WORKFLOW, semconv.OP_INVOKE_AGENT, semconv.OP_TASK),
    captures="graphs, agents and nodes by name with their state, interrupts, thread id as conversation",
)
