"""What an integration file declares: the library, its targets, and pure readers.

An integration is data plus four pure functions a target; the engine does everything else (patching, sync and
async, streams, context, errors, suppression, ending exactly once).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from spanwise.operation import Request, Response


@dataclass(slots=True)
class Call:
    """One intercepted call as readers see it."""

    instance: Any
    """The object whose method was called (a foreign type, hence ``Any``)."""
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    wants_content: bool
    """False when content is not recorded: readers then leave messages, tools and inputs out."""
    memo: Any = None
    """For the reader alone: what one of its functions found and a later one needs."""


class Recording(Protocol):
    """The open span of one call, as an integration's ``observe`` sees it.

    Every method is safe to call twice: the span ends exactly once, and nothing here raises.
    """

    call: Call

    def respond(self, response: Any) -> None:
        """Reads a complete answer with the target's ``read_response`` and ends the span."""

    def iterate(self, iterator: Any) -> Any:
        """Returns an iterator that yields the same items and folds them.

        The span ends at the iterator's end, error, early close or garbage collection.
        """

    def aiterate(self, iterator: Any) -> Any:
        """Like ``iterate`` for an asynchronous iterator."""

    def fail(self, error: BaseException) -> None:
        """Ends the span as failed."""

    def close(self) -> None:
        """Ends the span with what was folded so far: the application stopped reading."""


@dataclass(frozen=True, slots=True)
class Reader:
    """The pure functions of one kind of call. They may raise: the engine's guard catches and counts."""

    read_request: Callable[[Call], Request]
    read_response: Callable[[Any, Call], Response]
    new_state: Callable[[Call], Any] | None = None
    """Starts the fold of a stream."""
    fold: Callable[[Any, Any], None] | None = None
    """Adds one chunk to the state, in place."""
    finish: Callable[[Any], Response] | None = None
    """Turns the folded state into a response equal to the unstreamed one."""
    accepts: Callable[[Call], bool] | None = None
    """Calls for which this is False run untouched, without a span. For a method that many kinds of calls
    share, such as the one function of a generated client that sends every request."""
    read_error: Callable[[BaseException, Call], Response | None] | None = None
    """What a raised error still tells about the answer: its status, or a paid answer that could not be
    parsed. Read before the span is ended as failed."""
    is_fresh: bool = False
    """True when all content that the readers return is made of plain values (str, int, float, bool, None,
    list, dict), and no list or dict of it belongs to the library or the application, so that nobody can
    change it after the call. It is then scrubbed and encoded in the export thread instead of in the call."""


@dataclass(frozen=True, slots=True)
class Target:
    """One method to patch."""

    path: str
    """``module:Class.method``."""
    reader: Reader
    is_async: bool = False
    why: str = ""
    """Why this method is the right place to patch."""
    prepare: Callable[[Call], None] | None = None
    """Runs just before the call, only when its span was started, and may change the arguments in place:
    keeps a library that traces itself from reporting the same call a second time."""


Listener = Callable[[Any], Callable[[], None]]
"""Gets the imported module, registers with the library's own callbacks, and returns what undoes that."""


@dataclass(frozen=True, slots=True)
class Integration:
    """One library: methods to patch, or for a library that calls back, a listener; some have both."""

    name: str
    module: str
    """The module whose import means that the library is in use."""
    distribution: str
    versions: str
    """Tested versions, e.g. ``>=1.40,<4``; others are left alone with one log line."""
    targets: tuple[Target, ...] = ()
    observe: Callable[[Any, Recording], Any] | None = None
    """Gets what the library returned and the recording; returns what the application gets, which must be
    the same object. Decides between ``respond`` and following a stream or a lazy response in place.
    Without it, everything returned is a complete answer."""
    listen: Listener | None = None
    """For libraries with callbacks or events of their own (LangChain, LlamaIndex): called once when
    ``listens_in`` has been imported."""
    listens_in: str = ""
    """The module that ``listen`` needs; ``module`` when empty."""
    operations: tuple[str, ...] = ()
    """What is traced, in the words of ``semconv`` (``OP_CHAT`` and so on); for the table in the docs."""
    captures: str = ""
    """What is read of a call, in a few words a user understands; for the table in the docs."""
