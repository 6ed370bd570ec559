"""What a call came to, in a form that two runs can be compared by."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """The result or the exception of one call."""

    type: str
    value: str
    raised: bool = False


def outcome_of(call: Callable[[], Any]) -> Outcome:
    """Makes the call and describes what it returned or raised, exceptions of any kind included."""
    try:
        result = call()
    except Exception as error:  # noqa: BLE001
        causes = [f"{type(each).__name__}: {each}" for each in (error.__cause__, error.__context__) if each]
        return Outcome(_name(error), f"{error} {causes}", raised=True)
    return Outcome(_name(result), described(result))


def described(value: Any) -> str:
    """Returns the content of a foreign object with the types of everything in it."""
    if isinstance(value, list | tuple):
        return f"{_name(value)}[{', '.join(described(each) for each in value)}]"
    if isinstance(value, dict):
        return f"{_name(value)}{{{', '.join(f'{key}: {described(each)}' for key, each in value.items())}}}"
    for method in ("model_dump_json", "json", "to_dict"):
        dump = getattr(value, method, None)
        if callable(dump) and not isinstance(value, type):
            return f"{_name(value)}({dump()})"
    return f"{_name(value)}({value!r})"


def _name(value: Any) -> str:
    kind = value if isinstance(value, type) else type(value)
    return f"{kind.__module__}.{kind.__qualname__}"
