"""What one traced call is: the data that integrations read and the engine records.

``Request`` and ``Response`` are filled by an integration's pure readers; only the engine turns them into
span attributes. Nothing here touches a span, a clock or the network.
"""

from dataclasses import dataclass, field
from typing import Any

from spanwise.messages import Message, Part

AttributeValue = str | bool | int | float | list[str] | list[int] | list[float] | list[bool]


@dataclass(slots=True)
class Usage:
    """Token counts of one call. ``None`` is "not reported", never 0.

    ``input_tokens`` is the total including cached ones, ``output_tokens`` the total including reasoning;
    the other fields are subsets and must not be added to them.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None
    reasoning_output_tokens: int | None = None
    audio_input_tokens: int | None = None
    audio_output_tokens: int | None = None
    image_input_tokens: int | None = None


@dataclass(slots=True)
class Request:
    """A call as it was sent.

    ``attributes`` holds further span attributes by their final key (request parameters and the like);
    ``content`` holds further content by its final key (one of ``semconv.CONTENT_KEYS``), as JSON-able values.
    """

    operation: str
    provider: str
    model: str | None = None
    is_stream: bool = False
    server_address: str | None = None
    server_port: int | None = None
    system_instructions: list[Part] | None = None
    input_messages: list[Message] | None = None
    tool_definitions: list[dict[str, Any]] | None = None
    attributes: dict[str, AttributeValue] = field(default_factory=dict)
    content: dict[str, object] = field(default_factory=dict)
    subject: str | None = None
    """What the span's name says after the operation where that is not the model: a collection, an index."""
    contains_calls: bool = False
    """True when models may be called inside this call, and make spans of their own: a search that embeds its
    query first. Only calls of the same provider are then part of this one."""


@dataclass(slots=True)
class Response:
    """A call's answer. ``finish_reasons`` has one entry a choice, in OpenTelemetry's words, in order."""

    id: str | None = None
    model: str | None = None
    finish_reasons: list[str] | None = None
    output_messages: list[Message] | None = None
    usage: Usage | None = None
    vectors: list[Any] | None = field(default=None, compare=False, repr=False)
    """Of an embeddings call, in the order of its texts: sequences of floats, or float32 in base64. Only a
    reference; packed where ``capture_embeddings`` asks for them, ignored otherwise."""
    error_type: str | None = None
    """Set when the provider answered with a failure that its client did not raise."""
    error_message: str | None = None
    attributes: dict[str, AttributeValue] = field(default_factory=dict)
    content: dict[str, object] = field(default_factory=dict)
    outline: dict[str, object] = field(default_factory=dict)
    """Content without what people or models wrote, by its final key; recorded where content is not: the ids
    and scores of retrieved documents. Goes through scrubbing and limits all the same.

    Here and in ``content``, a ``content.JsonText`` is taken as it is: for what holds numbers alone."""
