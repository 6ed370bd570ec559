"""Other instrumentors of the same library: two spans for one call would count its tokens and cost twice.

Where one of them is at work and its spans reach Spanwise anyway (they go through the app's TracerProvider),
ours stands down at call time and says so once. It takes over again when the other one is switched off.
"""

import sys
from typing import Any

from spanwise.guard import say_once

_PLACES = (
    "opentelemetry.instrumentation.genai.{name}",
    "opentelemetry.instrumentation.{name}_v2",
    "opentelemetry.instrumentation.{name}",
    "openinference.instrumentation.{name}",
    "openlit.instrumentation.{name}",
)
_FLAG = "_is_instrumented_by_opentelemetry"


class Peers:
    """The known instrumentors of one library.

    Args:
        name: The library's name, as in ``opentelemetry.instrumentation.<name>``.
    """

    __slots__ = ("_instrumentors", "_modules", "_name")

    def __init__(self, name: str) -> None:
        self._name = name
        self._modules = tuple(place.format(name=name) for place in _PLACES)
        self._instrumentors: dict[str, list[Any]] = {}

    def at_work(self) -> str | None:
        """Returns the module of an instrumentor that has patched the library now, if there is one."""
        loaded = sys.modules
        for module in self._modules:
            if module in loaded and self._is_at_work(module, loaded[module]):
                return module
        return None

    def are_tracing(self) -> bool:
        """Tells whether another instrumentor has patched the library now, and logs the first time."""
        module = self.at_work()
        if module is None:
            return False
        say_once(
            f"peer {module}",
            "spanwise: %s already traces %s; Spanwise leaves these calls to it. "
            "Its spans are recorded as they are; uninstrument it to get ours.",
            module,
            self._name,
        )
        return True

    def _is_at_work(self, name: str, module: Any) -> bool:
        classes = self._instrumentors.get(name)
        if not classes:
            classes = [
                value
                for value in vars(module).values()
                if isinstance(value, type) and hasattr(value, _FLAG) and value.__module__.startswith(name)
            ]
            self._instrumentors[name] = classes
        return any(getattr(getattr(kind, "_instance", None), _FLAG, False) for kind in classes)
