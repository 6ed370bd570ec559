"""PydanticAI: agents, tools and model calls, by its own OpenTelemetry instrumentation.

Switched on where the app has not done so itself, with a tracer of ours that keeps messages from the app's
other backends. The model call is PydanticAI's span; the client below (openai and others) makes none.
"""

import inspect
from collections.abc import Callable
from typing import Any

from spanwise import runtime, semconv
from spanwise.integrations._declaration import Integration
from spanwise.integrations._pydantic_ai_tracer import SpanwiseProvider

_FORMAT = 3
"""The oldest format whose spans are all named and attributed as OpenTelemetry does; the default of later."""
_DEFAULT = "_instrument_default"


def listen(agents: Any) -> Callable[[], None]:
    """Switches PydanticAI's instrumentation on for every agent without settings of its own.

    Args:
        agents: The module ``pydantic_ai.agent``.
    """
    from pydantic_ai.models.instrumented import InstrumentationSettings

    settings = _settings_class(InstrumentationSettings)(**_arguments(InstrumentationSettings))
    kinds = [agents.Agent]
    taken = [kind for kind in kinds if getattr(kind, _DEFAULT, None) is False]
    for kind in taken:
        setattr(kind, _DEFAULT, settings)

    def undo() -> None:
        for kind in taken:
            if getattr(kind, _DEFAULT) is settings:
                setattr(kind, _DEFAULT, False)

    return undo


def _settings_class(base: Any) -> Any:
    """Returns settings that ask at each call whether content is wanted."""

    def wants_content(self: Any) -> bool:
        active = runtime.current()
        return active is not None and active.capture.wants_content

    def ignore(self: Any, value: bool) -> None:
        """The constructor sets what is decided at each call."""

    return type(base.__name__, (base,), {"include_content": property(wants_content, ignore)})


def _arguments(base: Any) -> dict[str, Any]:
    known = inspect.signature(base.__init__).parameters
    wanted: dict[str, Any] = {
        "tracer_provider": SpanwiseProvider(),
        "include_binary_content": False,
        "include_model_request_parameters": False,
        "use_aggregated_usage_attribute_names": True,
    }
    version = known.get("version")
    if version is not None and isinstance(version.default, int) and version.default < _FORMAT:
        wanted["version"] = _FORMAT
    return {name: value for name, value in wanted.items() if name in known}


INTEGRATION = Integration(
    name="pydantic_ai",
    module="pydantic_ai",
    distribution="pydantic-ai-slim",
    versions=">=2,<3",
    listen=listen,
    listens_in="pydantic_ai.agent",
    operations=(semconv.OP_INVOKE_AGENT, semconv.OP_EXECUTE_TOOL, semconv.OP_CHAT),
    captures="agents, tools with arguments and results, messages, usage, the model call",
)
