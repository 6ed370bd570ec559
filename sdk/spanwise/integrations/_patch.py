"""Putting a wrapper around a method and taking it off again, also for libraries not imported yet."""

import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import wrapt

logger = logging.getLogger("spanwise")

Wrapper = Callable[[Any, Any, tuple[Any, ...], dict[str, Any]], Any]
"""``wrapper(wrapped, instance, args, kwargs)``, as wrapt calls it."""


@dataclass(frozen=True, slots=True)
class Patch:
    """One wrapped attribute of a class or module."""

    owner: Any
    attribute: str
    original: Any
    """What the owner's own ``__dict__`` held; ``None`` when the attribute was inherited."""
    wrapper: Any

    @property
    def is_outermost(self) -> bool:
        """False when someone else has wrapped or replaced the attribute after us."""
        return vars(self.owner).get(self.attribute) is self.wrapper

    def remove(self) -> bool:
        """Puts the original object back; False when that would undo someone else's patch too."""
        if not self.is_outermost:
            return False
        if self.original is None:
            delattr(self.owner, self.attribute)
        else:
            setattr(self.owner, self.attribute, self.original)
        return True


def apply(module: Any, path: str, wrapper: Wrapper) -> Patch:
    """Wraps ``path``, such as ``Class.method``, of an imported module.

    Raises:
        AttributeError: the module has no such attribute.
    """
    owner, attribute, found = wrapt.resolve_path(module, path)
    original = vars(owner).get(attribute)
    wrapped = wrapt.FunctionWrapper(found if original is None else original, wrapper)
    setattr(owner, attribute, wrapped)
    return Patch(owner, attribute, original, wrapped)


def shadows_of(patch: Patch) -> list[Any]:
    """Returns the subclasses that have the patched method as an attribute of their own, hiding the patch."""
    if not isinstance(patch.owner, type):
        return []
    found: list[Any] = []
    waiting: list[type] = list(patch.owner.__subclasses__())
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if patch.attribute in vars(kind):
            found.append(kind)
    return found


def when_imported(module: str, hook: Callable[[Any], None]) -> None:
    """Calls ``hook`` with the module: now when it is imported already, else as soon as it is."""
    if module in sys.modules:
        hook(sys.modules[module])
    else:
        wrapt.register_post_import_hook(hook, module)


def installed_version(distribution: str) -> str | None:
    """Returns the version of an installed distribution, ``None`` when it is not installed."""
    from importlib import metadata  # imported late: it takes longer than all the rest of this module

    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def is_within(version: str, bounds: str) -> bool:
    """Tells whether a version satisfies bounds such as ``>=1.40,<4``; only release numbers are compared.

    Raises:
        ValueError: bounds that are not written like that.
    """
    release = _release(version)
    for bound in bounds.replace(" ", "").split(","):
        operator = bound.rstrip("0123456789.")
        limit = _release(bound[len(operator) :])
        if operator not in (">=", "<") or not limit:
            raise ValueError(f"version bounds must look like '>=1.40,<4', not {bounds!r}")
        if (release < limit) if operator == ">=" else (release >= limit):
            return False
    return True


def _release(version: str) -> tuple[int, ...]:
    """Returns the leading numbers of a version, without trailing zeros: ``2.0.0b1`` is ``(2,)``."""
    numbers: list[int] = []
    for piece in version.split("."):
        digits = piece[: len(piece) - len(piece.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
        if digits != piece:
            break
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
