"""What ``opentelemetry-instrument`` finds in the entry-point group ``opentelemetry_instrumentor``.

One class an integration, with the methods that OpenTelemetry's loader calls on a ``BaseInstrumentor``; not
derived from it, so that the base install does without ``opentelemetry-instrumentation``. They are made when
they are asked for, by the name that the entry point gives.

Source: ``opentelemetry.instrumentation.auto_instrumentation._load`` of opentelemetry-instrumentation 0.66b2.
"""

from collections.abc import Collection
from typing import Any

from spanwise import lifecycle
from spanwise.integrations import load
from spanwise.integrations._index import LIBRARIES

_SUFFIX = "Instrumentor"


class Instrumentor:
    """Switches the tracing of one library on and off; settings come from the environment."""

    name: str
    """The integration's name."""

    def instrument(self, **kwargs: Any) -> None:
        """Traces the library as soon as it is imported; one that is missing or untested is left alone.

        Args:
            kwargs: What the loader passes to every instrumentor; nothing in it concerns us.
        """
        lifecycle.instrument_from_environment(self.name)

    def uninstrument(self, **kwargs: Any) -> None:
        """Takes the patches of the library off."""
        lifecycle.uninstrument(self.name)

    def instrumentation_dependencies(self) -> Collection[str]:
        """Returns the requirement that the library has to meet, such as ``openai>=1.40,<4``."""
        declared = load(self.name)
        return (f"{declared.distribution}{declared.versions}",)


def class_name(name: str) -> str:
    """Returns the name of the class of an integration: ``GoogleGenaiInstrumentor`` for ``google_genai``."""
    return "".join(word.capitalize() for word in name.split("_")) + _SUFFIX


_NAMES = {class_name(name): name for name in LIBRARIES}


def __getattr__(attribute: str) -> type[Instrumentor]:
    name = _NAMES.get(attribute)
    if name is None:
        raise AttributeError(f"module {__name__!r} has no attribute {attribute!r}")
    made = globals()[attribute] = type(attribute, (Instrumentor,), {"name": name, "__module__": __name__})
    return made
