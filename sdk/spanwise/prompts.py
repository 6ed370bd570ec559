"""Prompt identity: which template, in which version, filled with what, a model call was made with."""

from collections.abc import Mapping
from typing import Any, cast

from opentelemetry import context as otel
from opentelemetry.context import Context

from spanwise import guard, semconv
from spanwise.ambient import is_private, with_attributes, without_attribute
from spanwise.runtime import current
from spanwise.scoped import Scoped

Variables = Mapping[str, object]
"""Content by its final key, ``gen_ai.prompt.variable.<name>``; cut and scrubbed."""

_VARIABLES = otel.create_key("spanwise-prompt-variables")
_NONE: Variables = {}


def prompt(
    name: str, *, version: str | int | None = None, variables: Mapping[str, Any] | None = None
) -> Scoped:
    """Returns a context manager and decorator that names the prompt of the model calls made inside.

        with spanwise.prompt("support.answer", version="7", variables={"question": question}):
            client.chat.completions.create(...)

    Name and version stand on every span inside. The variables are content: they stand on model calls, subject
    to the capture policy, cut and scrubbed, as they were when the block was entered. Of nested prompts the
    inner one counts.

    Args:
        name: The template's name; low in variety.
        version: Its version: a number, a label or a hash.
        variables: What the template was filled with; of any type.
    """
    return Scoped(lambda parent: with_prompt(parent, name, version, variables))


def with_prompt(
    context: Context, name: str, version: str | int | None = None, variables: Mapping[str, Any] | None = None
) -> Context:
    """Returns ``context`` with a prompt; for integrations whose library knows its templates."""
    try:
        context = with_attributes(
            without_attribute(context, semconv.PROMPT_VERSION),
            {
                semconv.PROMPT_NAME: str(name),
                **({} if version is None else {semconv.PROMPT_VERSION: str(version)}),
            },
        )
        return otel.set_value(_VARIABLES, _recorded(context, variables or {}), context)
    except Exception as error:  # noqa: BLE001  values of the app are read in here
        guard.fault("reading the values of prompt()", error)
        return context


def variables_of(context: Context) -> Variables:
    """Returns the variables of the prompt in force, ready to be recorded; empty for none."""
    return cast("Variables", context.get(_VARIABLES, _NONE))


def _recorded(context: Context, variables: Mapping[str, Any]) -> Variables:
    runtime = current()
    if not variables or runtime is None or not runtime.capture.wants_content or is_private(context):
        return _NONE
    clean = runtime.capture.content(dict(variables))
    items = cast("dict[str, object]", clean).items()
    return {semconv.PROMPT_VARIABLE_PREFIX + name: value for name, value in items}
