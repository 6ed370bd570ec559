"""The ``replicate`` client: ``run``, ``stream``, and predictions of models, versions and deployments.

``run`` and ``stream`` are one span each, however many requests they make: creating the prediction, asking
for its state, reading its events. A prediction created by hand is a span of that request; waiting for it is
another one, which holds the output. Not traced: trainings, files, webhooks.
"""

import re
import types
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from opentelemetry import trace

from spanwise import semconv
from spanwise.integrations._declaration import Call, Integration, Reader, Recording, Target
from spanwise.integrations._hosts import server_of
from spanwise.integrations._patch import Patch, apply
from spanwise.integrations._replicate_predictions import PROVIDER, request_of, response_of
from spanwise.integrations._stainless_fields import as_count, as_text, fields, given
from spanwise.operation import Request, Response

OP_FETCH_RESPONSE = "fetch_response"
"""Waits for a prediction that was created before."""

_PATH = re.compile(r"/v1/(?:(?:models|deployments)/(?P<model>[^/]+/[^/]+)/)?predictions")
_DEFAULT_URL = "https://api.replicate.com"
_ENDED = frozenset({"succeeded", "failed", "canceled"})
_MAKERS = ("replicate.prediction", "replicate.model", "replicate.deployment")


@dataclass
class _Memo:
    """The prediction behind a call, in the last state that the client saw."""

    prediction: Any = None


@dataclass(slots=True)
class _State:
    call: Call
    pieces: list[Any] = field(default_factory=list)


_running: ContextVar[_Memo | None] = ContextVar("spanwise-replicate", default=None)
_streams: "weakref.WeakValueDictionary[int, _Memo]" = weakref.WeakValueDictionary()
"""By span id: the bodies of generators run where the variable is not in force."""


# --- run and stream ---------------------------------------------------------------------------------------


def _read_run(call: Call, *, is_stream: bool = False) -> Request:
    call.memo = _Memo()
    given_args = dict(zip(("client", "ref", "input"), call.args, strict=False)) | call.kwargs
    model, version = _named(given_args.get("ref"))
    request = request_of(model, version, given_args.get("input"), call.wants_content)
    request.is_stream = is_stream
    return _with_server(request, given_args.get("client"))


def _read_stream(call: Call) -> Request:
    return _read_run(call, is_stream=True)


def _named(ref: Any) -> tuple[str | None, str | None]:
    """Returns the model and the version of a reference: ``owner/name:version``, or the client's object."""
    if isinstance(ref, str):
        called, _, version_id = ref.partition(":")
        return called or None, version_id or None
    owner, name = as_text(getattr(ref, "owner", None)), as_text(getattr(ref, "name", None))
    version = as_text(getattr(ref, "id", None)) or as_text(getattr(ref, "version", None))
    return (f"{owner}/{name}" if owner and name else None), version


def _with_server(request: Request, client: Any) -> Request:
    server = server_of(getattr(client, "_base_url", None) or _DEFAULT_URL)
    request.server_address, request.server_port = server.address, server.port
    return request


def _begin(call: Call) -> None:
    _running.set(call.memo)


def _read_output(result: Any, call: Call) -> Response:
    _running.set(None)
    return response_of(call.memo.prediction, result, call.wants_content)


def _read_failure(error: BaseException, call: Call) -> Response:
    _running.set(None)
    known = getattr(error, "prediction", None) or getattr(call.memo, "prediction", None)
    response = response_of(known, None, call.wants_content)
    response.error_type = None  # the exception says it
    status = as_count(getattr(error, "status", None))
    response.attributes |= given([(semconv.HTTP_RESPONSE_STATUS_CODE, status)])
    return response


def _add(state: _State, piece: Any) -> None:
    kind = getattr(getattr(piece, "event", None), "value", None)
    if kind is None:  # a piece of an output, not an event
        state.pieces.append(piece)
    elif kind == "output":
        state.pieces.append(piece.data)


def _finish(state: _State) -> Response:
    call = state.call
    return response_of(call.memo.prediction, state.pieces or None, call.wants_content)


_RUN = Reader(_read_run, _read_output, _State, _add, _finish, read_error=_read_failure)
_STREAM = Reader(_read_stream, _read_output, _State, _add, _finish, read_error=_read_failure)


# --- predictions by hand ----------------------------------------------------------------------------------


def _is_prediction(call: Call) -> bool:
    method, path = (*call.args, "", "")[:2]
    call.memo = _PATH.fullmatch(path) if method == "POST" and isinstance(path, str) else None
    return call.memo is not None


def _read_create(call: Call) -> Request:
    body = fields(call.kwargs.get("json"))
    model, version = call.memo["model"], as_text(body.get("version"))
    if model is None and version and "/" in version:
        model, version = _named(version)
    request = request_of(model, version, body.get("input"), call.wants_content)
    return _with_server(request, call.instance)


def _read_created(result: Any, call: Call) -> Response:
    created = result.json()
    call.memo = _Memo(created)
    return response_of(created, None, call.wants_content)


_CREATE = Reader(
    _read_create, _read_created, accepts=_is_prediction, read_error=_read_failure, is_fresh=False
)


def _is_pending(call: Call) -> bool:
    return getattr(call.instance, "status", None) not in _ENDED


def _read_wait(call: Call) -> Request:
    call.memo = _Memo(call.instance)
    request = Request(OP_FETCH_RESPONSE, PROVIDER, as_text(getattr(call.instance, "model", None)))
    request.attributes = given([(semconv.RESPONSE_ID, as_text(getattr(call.instance, "id", None)))])
    return _with_server(request, getattr(call.instance, "_client", None))


def _read_waited(result: Any, call: Call) -> Response:
    return response_of(call.instance, None, call.wants_content)


def _read_follow(call: Call) -> Request:
    request = _read_wait(call)
    request.is_stream = True
    return request


_WAIT = Reader(_read_wait, _read_waited, accepts=_is_pending, read_error=_read_failure)
_FOLLOW = Reader(
    _read_follow, _read_waited, _State, _add, _finish, accepts=_is_pending, read_error=_read_failure
)


# --- the library ------------------------------------------------------------------------------------------


def observe(result: Any, recording: Recording) -> Any:
    """Reads a result, or follows the generator that brings it."""
    is_async = type(result) is types.AsyncGeneratorType
    if not is_async and type(result) is not types.GeneratorType:
        recording.respond(result)
        return result
    _running.set(None)
    span = getattr(recording, "span", trace.INVALID_SPAN)
    _streams[span.get_span_context().span_id] = recording.call.memo
    return recording.aiterate(result) if is_async else recording.iterate(result)


def listen(module: Any) -> Callable[[], None]:
    """Notes each prediction that the client makes of an answer, for the call around it."""
    patches: list[Patch] = [apply(import_module(name), "_json_to_prediction", _note) for name in _MAKERS]

    def undo() -> None:
        for patch in patches:
            patch.remove()

    return undo


def _note(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    prediction = wrapped(*args, **kwargs)
    memo = _running.get() or _streams.get(trace.get_current_span().get_span_context().span_id)
    if memo is not None:
        memo.prediction = prediction
    return prediction


_WHY = "both a client of the app's own and the functions of the module, bound at its import, call it by name"
INTEGRATION = Integration(
    name="replicate",
    module="replicate",
    distribution="replicate",
    versions=">=1,<2",
    targets=(
        Target("replicate.client:run", _RUN, prepare=_begin, why=_WHY),
        Target("replicate.client:async_run", _RUN, is_async=True, prepare=_begin, why=_WHY),
        Target("replicate.client:stream", _STREAM, why=_WHY),
        Target("replicate.client:async_stream", _STREAM, why=_WHY),
        Target("replicate.client:Client._request", _CREATE, why="sends every request"),
        Target("replicate.client:Client._async_request", _CREATE, is_async=True, why="sends every request"),
        Target("replicate.prediction:Prediction.wait", _WAIT, why="polls until there is an output"),
        Target("replicate.prediction:Prediction.async_wait", _WAIT, is_async=True, why="as ``wait``"),
        *(
            Target(f"replicate.prediction:Prediction.{name}", _FOLLOW, why="brings the output in pieces")
            for name in ("stream", "async_stream", "output_iterator", "async_output_iterator")
        ),
    ),
    observe=observe,
    listen=listen,
    listens_in="replicate",
    operations=(semconv.OP_GENERATE_CONTENT, OP_FETCH_RESPONSE),
    captures="prompt, files by address, parameters, output, model and version, tokens where the model counts "
    "them",
)
