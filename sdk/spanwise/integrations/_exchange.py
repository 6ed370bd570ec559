"""Clients with one function that sends every request: which endpoint a call goes to, and how its JSON reads.

The client's file says where a call's method, path, address and body stand (``Sent``); endpoints and their
readers are those of ``_stainless``. The function answers with what it parsed, with chunks, or with the HTTP
response itself (``observe_response``), whose body is followed as the client reads it.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spanwise import semconv
from spanwise.integrations import _stainless_follow
from spanwise.integrations._declaration import Call, Reader, Recording
from spanwise.integrations._hosts import server_of
from spanwise.integrations._stainless import Endpoint, Fold
from spanwise.integrations._stainless_body import BodyFold
from spanwise.integrations._stainless_fields import as_count, as_text, fields, given, items, loaded
from spanwise.operation import Request, Response

_FIRST_FAILURE = 400


@dataclass(frozen=True, slots=True)
class Sent:
    """One request of a client. ``body`` is asked for only when the request is one of the endpoints'."""

    method: str
    path: str
    base_url: Any
    """Text, or the client's own kind of URL."""
    body: Callable[[], Mapping[str, Any]]
    is_stream: bool = False


@dataclass(slots=True)
class _Memo:
    """What is known of one call beside its arguments."""

    endpoint: Endpoint
    named: dict[str, str]
    sent: Sent
    status: int | None = None
    """The HTTP status, once there is an answer."""


@dataclass(slots=True)
class _State:
    memo: _Memo
    wants_content: bool
    fold: Fold
    body: BodyFold | None = None


@dataclass(frozen=True, slots=True)
class _Readers:
    endpoints: Sequence[tuple[Endpoint, re.Pattern[str]]]
    sent_of: Callable[[Call], Sent]
    provider: str

    def accepts(self, call: Call) -> bool:
        sent = self.sent_of(call)
        path = "/" + sent.path.partition("?")[0].partition("#")[0].strip("/")
        for endpoint, pattern in self.endpoints:
            match = pattern.fullmatch(path) if endpoint.method == sent.method.upper() else None
            if match:
                call.memo = _Memo(endpoint, match.groupdict(), sent)
                return True
        return False

    def read_request(self, call: Call) -> Request:
        memo: _Memo = call.memo
        body = memo.sent.body()
        request = memo.endpoint.read_request({**body, **memo.named}, call.wants_content)
        server = server_of(memo.sent.base_url)
        request.provider = server.provider or self.provider
        request.server_address, request.server_port = server.address, server.port
        request.is_stream = memo.sent.is_stream
        return request

    def read_response(self, answer: Any, call: Call) -> Response:
        return _read(call.memo, answer, call.wants_content)

    def new_state(self, call: Call) -> _State:
        memo: _Memo = call.memo
        return _State(memo, call.wants_content, memo.endpoint.new_fold(call.wants_content))

    def read_error(self, error: BaseException, call: Call) -> Response:
        status = as_count(getattr(error, "status_code", None))
        known = status if status is not None and status > 0 else call.memo.status
        return Response(attributes=given([(semconv.HTTP_RESPONSE_STATUS_CODE, known)]))


def reader(endpoints: Sequence[Endpoint], sent_of: Callable[[Call], Sent], provider: str) -> Reader:
    """Returns the reader of a function that sends every request of a client.

    Args:
        endpoints: The requests that are traced.
        sent_of: Finds the request in a call's arguments.
        provider: Who answers, where the address does not tell.
    """
    readers = _Readers([(each, re.compile(each.path)) for each in endpoints], sent_of, provider)
    return Reader(
        read_request=readers.read_request,
        read_response=readers.read_response,
        new_state=readers.new_state,
        fold=_add,
        finish=_finish,
        accepts=readers.accepts,
        read_error=readers.read_error,
    )


def observe_response(response: Any, recording: Recording) -> Any:
    """Reads an ``httpx`` response, or follows its body, in place.

    The client raises its error for a refusal only after this: the span gets the status as its error type.
    """
    recording.call.memo.status = as_count(getattr(response, "status_code", None))
    return _stainless_follow.observe(response, recording)


def refusal(status: int, answer: Any) -> Response:
    """Returns what an answer with a failure's status says, in the many shapes that providers use."""
    body = fields(answer)
    failure = fields(body.get("error"))
    message = (
        as_text(body.get("message"))
        or as_text(failure.get("message"))
        or as_text(body.get("error"))
        or _detail(body.get("message") or body.get("detail"))
        or as_text(answer)
    )
    return Response(
        error_type=str(status),
        error_message=message,
        attributes={semconv.HTTP_RESPONSE_STATUS_CODE: status},
    )


def _detail(detail: Any) -> str | None:
    """Returns the words of a validation error: FastAPI's list, or an object around it."""
    inner = fields(detail).get("detail", detail)
    if isinstance(inner, str):
        return inner or None
    words = [text for each in items(inner) if (text := as_text(fields(each).get("msg")))]
    return "; ".join(words) or None


def _read(memo: _Memo, answer: Any, wants_content: bool) -> Response:
    if memo.status is not None and memo.status >= _FIRST_FAILURE:
        return refusal(memo.status, answer)
    return memo.endpoint.read_response(answer, wants_content)


def _add(state: _State, chunk: Any) -> None:
    if type(chunk) is not bytes:
        state.fold.add(chunk)
        return
    if state.body is None:
        state.body = BodyFold(state.fold.add)
    state.body.feed(chunk)


def _finish(state: _State) -> Response:
    document = state.body.document() if state.body else None
    if document is None:
        return state.fold.response()
    answer = loaded(document)
    if isinstance(answer, str) and (state.memo.status or 0) < _FIRST_FAILURE:
        return _read_lines(state, answer)
    return _read(state.memo, answer, state.wants_content)


def _read_lines(state: _State, text: str) -> Response:
    """Reads a stream of one JSON document a line; its last line may be cut off."""
    for line in text.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        state.fold.add(event)
    return state.fold.response()
