"""The SQL of the store: one statement a file, loaded once. Values never enter the text, only fragments do.

A fragment comes from an allow-list of this package (see ``filters``). Values are bound by the server through
``{name:Type}``.
"""

from functools import cache
from importlib.resources import files
from string import Template


class Statement:
    """One file of ``queries/``; ``name`` is the file's, and the label of its timing metric."""

    __slots__ = ("_template", "name", "source")

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.source = text
        self._template = Template(text)

    def text(self, **fragments: str) -> str:
        """Return the SQL with its ``${fragments}`` filled in.

        Raises:
            KeyError: A fragment of the file was not given.
        """
        return self._template.substitute(fragments)


@cache
def statement(name: str) -> Statement:
    """Load ``queries/<name>.sql`` without its comments."""
    source = files(__package__).joinpath("queries", f"{name}.sql").read_text("utf-8")
    return Statement(name, without_comments(source))


def without_comments(source: str) -> str:
    """Drop the lines that are only a comment; an engine need not parse them with every call."""
    kept = (line for line in source.splitlines() if line.strip() and not line.lstrip().startswith("--"))
    return "\n".join(kept)
