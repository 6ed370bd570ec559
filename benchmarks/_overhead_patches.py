"""Switches a subject's patches off and on again, whoever made them: what it changed on the clients' classes.

Most peers cannot be switched off, and those that can take their time for it. Bare and traced calls have to
alternate in one process, so the attributes of the clients' classes are compared before and after the set-up.
"""

import sys
from typing import Any

_CLIENTS = ("openai", "anthropic")
_ABSENT = object()


class Patches:
    """What was changed between its making and ``take``."""

    def __init__(self) -> None:
        self._before = _attributes()
        self._changed: list[tuple[Any, str, Any, Any]] = []

    def take(self) -> int:
        """Notes the changes, and returns how many there are."""
        after = _attributes()
        known = {owner for owner, _ in self._before}  # the set-up may have imported more of the client
        self._changed = [
            (owner, name, self._before.get((owner, name), _ABSENT), value)
            for (owner, name), value in after.items()
            if owner in known and self._before.get((owner, name), _ABSENT) is not value
        ]
        return len(self._changed)

    def set(self, is_on: bool) -> None:
        """Puts the patches on, or the originals back."""
        for owner, name, original, patched in self._changed:
            value = patched if is_on else original
            if value is _ABSENT:
                if name in vars(owner):
                    delattr(owner, name)
            else:
                setattr(owner, name, value)


def _attributes() -> dict[tuple[Any, str], Any]:
    found: dict[tuple[Any, str], Any] = {}
    for module_name, module in list(sys.modules.items()):
        if module_name.partition(".")[0] not in _CLIENTS or ".types" in module_name:
            continue
        for owner in list(vars(module).values()):
            if not isinstance(owner, type) or owner.__module__.partition(".")[0] not in _CLIENTS:
                continue
            for name, value in vars(owner).items():
                if not name.startswith("__") or name == "__init__":
                    found[owner, name] = value
    return found
