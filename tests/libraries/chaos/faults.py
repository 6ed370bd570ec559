"""Faults put into Spanwise's own code: each is a context manager around ``instrument()`` and one call."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from opentelemetry.sdk.trace import Span, TracerProvider

from spanwise import integrations
from spanwise.capture import Capture
from spanwise.integrations._declaration import Integration, Reader, Target


class Broken(Exception):
    """What our own code raises in these tests; an app must never see it."""


def _break(*args: Any, **kwargs: Any) -> Any:
    raise Broken("put in by a test")


class Unwritable:
    """An attribute value that nothing can be made of."""

    __str__ = __repr__ = __len__ = __iter__ = __bool__ = __hash__ = __eq__ = _break  # type: ignore[assignment]


@contextmanager
def declared(library: str, change: Callable[[Integration], Integration]) -> Iterator[None]:
    """Changes a library's declaration, for as long as this lasts; is entered before ``instrument()``."""
    item = integrations._registry()[library]
    original = item.integration
    item.declared = change(original)
    try:
        yield
    finally:
        item.declared = original


def reader_fault(function: str) -> Callable[[str], Any]:
    """Makes one function of every reader of a library raise, where the reader has it."""

    def broken(reader: Reader) -> Reader:
        return dataclasses.replace(reader, **{function: _break}) if getattr(reader, function) else reader

    def change(integration: Integration) -> Integration:
        targets = [dataclasses.replace(each, reader=broken(each.reader)) for each in integration.targets]
        return dataclasses.replace(integration, targets=tuple(targets))

    return lambda library: declared(library, change)


def _unwritable_attribute(library: str) -> Any:
    def spoilt(read: Callable[..., Any]) -> Callable[..., Any]:
        def spoil(*args: Any) -> Any:
            read_value = read(*args)
            read_value.attributes["test.unwritable"] = Unwritable()
            read_value.content["gen_ai.input.messages"] = [{"role": "user", "parts": [Unwritable()]}]
            return read_value

        return spoil

    def change(integration: Integration) -> Integration:
        def of(target: Target) -> Target:
            reader = target.reader
            request, response = spoilt(reader.read_request), spoilt(reader.read_response)
            return dataclasses.replace(
                target, reader=dataclasses.replace(reader, read_request=request, read_response=response)
            )

        return dataclasses.replace(integration, targets=tuple(of(each) for each in integration.targets))

    return declared(library, change)


def _observe(library: str) -> Any:
    return declared(library, lambda integration: dataclasses.replace(integration, observe=_break))


def _prepare(library: str) -> Any:
    def change(integration: Integration) -> Integration:
        targets = [dataclasses.replace(each, prepare=_break) for each in integration.targets]
        return dataclasses.replace(integration, targets=tuple(targets))

    return declared(library, change)


@contextmanager
def _capture(library: str) -> Iterator[None]:
    names = [name for name, value in vars(Capture).items() if callable(value) and not name.startswith("_")]
    with mock.patch.multiple(Capture, **dict.fromkeys(names, _break)):
        yield


FAULTS: dict[str, Callable[[str], Any]] = {
    **{
        name: reader_fault(name)
        for name in (
            "accepts",
            "read_request",
            "read_response",
            "read_error",
            "new_state",
            "fold",
            "finish",
        )
    },
    "observe": _observe,
    "prepare": _prepare,
    "capture": _capture,
    "unwritable attribute": _unwritable_attribute,
    "start_span": lambda library: mock.patch(
        "opentelemetry.sdk.trace.Tracer.start_span", side_effect=Broken("put in by a test")
    ),
    "get_tracer": lambda library: mock.patch.object(TracerProvider, "get_tracer", _break),
    "set_attributes": lambda library: mock.patch.object(Span, "set_attributes", _break),
    "set_attribute": lambda library: mock.patch.object(Span, "set_attribute", _break),
    "end": lambda library: mock.patch.object(Span, "end", _break),
}
"""Name, and what makes the context manager for a library."""
