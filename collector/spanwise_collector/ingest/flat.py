"""Flattened lists: ``llm.input_messages.0.message.role`` and the like, put back into a tree.

Indices are ordered as numbers, gaps are allowed. Reading marks a leaf as taken; what nobody took stays in the
span's attributes, so that a key this version does not know is not lost.
"""

from collections.abc import Iterator

from spanwise_collector.model import AnyValue


class Flat:
    """One node of the tree: children by name, and perhaps the attribute that ends here."""

    __slots__ = ("children", "is_taken", "key", "value")

    def __init__(self) -> None:
        self.children: dict[str, Flat] = {}
        self.key = ""
        self.value: AnyValue = None
        self.is_taken = False

    def put(self, path: str, key: str, value: AnyValue) -> None:
        """Adds the attribute ``key`` at a dotted path below this node."""
        node = self
        for name in path.split("."):
            node = node.children.setdefault(name, Flat())
        node.key, node.value = key, value

    def find(self, path: str) -> "Flat | None":
        """Returns the node at a dotted path, or ``None``."""
        node: Flat | None = self
        for name in path.split("."):
            node = node.children.get(name) if node is not None else None
        return node

    def take(self, path: str) -> AnyValue:
        """Returns the value at a dotted path and marks it as taken; ``None`` when there is none."""
        node = self.find(path)
        if node is None or not node.key:
            return None
        node.is_taken = True
        return node.value

    def items(self, path: str = "") -> list["Flat"]:
        """Returns the numbered children at a dotted path, in numeric order."""
        node = self.find(path) if path else self
        if node is None:
            return []
        numbered = [(int(name), child) for name, child in node.children.items() if name.isdecimal()]
        return [child for _, child in sorted(numbered, key=lambda pair: pair[0])]

    def taken_keys(self) -> Iterator[str]:
        """Yields the attributes that were read."""
        pending = [self]
        while pending:
            node = pending.pop()
            if node.is_taken:
                yield node.key
            pending.extend(node.children.values())
