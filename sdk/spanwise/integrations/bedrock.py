"""AWS Bedrock through boto3 and aioboto3 (botocore and aiobotocore): the runtime, agents and guardrails.

Traced: ``converse`` and ``invoke_model`` of every model, plain and streamed, and ``apply_guardrail``; of the
agent runtime ``invoke_agent``, ``retrieve``, ``retrieve_and_generate`` and ``rerank``. Not traced: counting
tokens, batches, and everything of other AWS services, whose calls pass through untouched.
"""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from spanwise import guard, semconv
from spanwise.integrations import _bedrock_agents as agents
from spanwise.integrations import _bedrock_converse as converse
from spanwise.integrations import _bedrock_guardrail as guardrail
from spanwise.integrations import _bedrock_invoke as invoke
from spanwise.integrations._bedrock_follow import observe
from spanwise.integrations._declaration import Call, Integration, Reader, Target
from spanwise.integrations._stainless import Fold
from spanwise.integrations._stainless_fields import as_count, as_text, fields, given, loaded
from spanwise.operation import Request, Response

_RUNTIME, _AGENTS = "bedrock-runtime", "bedrock-agent-runtime"
_HEADER = "x-amzn-bedrock-"
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class _Format:
    """How to read one operation. The flag is ``wants_content``."""

    read_request: Callable[[Mapping[str, Any], bool], Request]
    read_response: Callable[[Any, bool], Response]
    new_fold: Callable[[bool], Fold] | None = None
    service: str = _RUNTIME
    is_stream: bool = False


@dataclass(slots=True)
class _Plan:
    """What is known of one call: its format, the family of its body, and what came back beside the answer."""

    format: _Format
    family: invoke.Family | None = None
    metadata: Any = None


@dataclass(slots=True)
class _State:
    """The bytes of a body, or the events of a stream, in the order the application got them."""

    plan: _Plan
    wants_content: bool
    items: list[Any] = field(default_factory=list)


def _no_request(params: Mapping[str, Any], wants_content: bool) -> Request:
    raise LookupError("a call of invoke_model is read by its family")


def _no_response(answer: Any, wants_content: bool) -> Response:
    """The answer of ``invoke_model`` whose body is not one: a stub's."""
    return Response()


_FORMATS = {
    "Converse": _Format(converse.read_request, converse.read_response),
    "ConverseStream": _Format(
        converse.read_request, converse.read_response, converse.ConverseFold, is_stream=True
    ),
    "InvokeModel": _Format(_no_request, _no_response),
    "InvokeModelWithResponseStream": _Format(_no_request, _no_response, is_stream=True),
    "ApplyGuardrail": _Format(guardrail.read_request, guardrail.read_response),
    **{
        operation: _Format(*readers, service=_AGENTS, is_stream=readers[2] is not None)
        for operation, readers in agents.OPERATIONS.items()
    },
}
"""By the name of the operation in AWS's model of the service."""


def _accepts(call: Call) -> bool:
    format_ = _FORMATS.get(call.args[0] if call.args else call.kwargs["operation_name"])
    if format_ is None or call.instance.meta.service_model.service_name != format_.service:
        return False
    call.memo = _Plan(format_)
    return True


def _read_request(call: Call) -> Request:
    plan: _Plan = call.memo
    params = fields(call.args[1] if len(call.args) > 1 else call.kwargs["api_params"])
    model = as_text(params.get("modelId"))
    if plan.format.read_request is _no_request:
        body = fields(_sent_body(params.get("body")))
        plan.family = invoke.family_of(body, model or "")
        request = plan.family.read_request(body, call.wants_content)
        request.attributes |= guardrail.request_attributes(
            params.get("guardrailIdentifier"), params.get("guardrailVersion")
        )
    else:
        request = plan.format.read_request(params, call.wants_content)
    request.provider, request.is_stream = semconv.PROVIDER_BEDROCK, plan.format.is_stream
    request.model = model or request.model
    meta = call.instance.meta
    request.server_address, request.server_port = _server(str(meta.endpoint_url))
    request.attributes |= given([(semconv.CLOUD_REGION, as_text(meta.region_name))])
    return request


def _sent_body(body: Any) -> Any:
    """Returns the JSON of a body that is text or bytes; a file would have to be read, and is left alone."""
    if hasattr(body, "getvalue"):
        body = body.getvalue()
    if isinstance(body, str):
        body = body.encode()
    return loaded(bytes(body)) if isinstance(body, (bytes, bytearray)) else None


@lru_cache(maxsize=64)
def _server(endpoint: str) -> tuple[str | None, int | None]:
    address = urlsplit(endpoint)
    return address.hostname, address.port or _PORTS.get(address.scheme)


def _read_response(answer: Any, call: Call) -> Response:
    plan: _Plan = call.memo
    response = plan.format.read_response(answer, call.wants_content)
    plan.metadata = fields(answer).get("ResponseMetadata")
    return _with_metadata(response, plan)


def _new_state(call: Call) -> _State:
    return _State(call.memo, call.wants_content)


def _fold(state: _State, item: Any) -> None:
    state.items.append(item)


def _finish(state: _State) -> Response:
    plan = state.plan
    try:
        response = _streamed(state) if plan.format.is_stream else _whole(state)
    except Exception as error:  # noqa: BLE001  what came beside the answer is worth keeping
        guard.fault("reading an answer of bedrock", error)
        response = Response()
    return _with_metadata(response, plan)


def _whole(state: _State) -> Response:
    """Reads a body. One that was not read to its end is no JSON."""
    body, family = loaded(b"".join(state.items)), state.plan.family
    if family is None or not isinstance(body, (dict, list)):
        return Response()
    return invoke.with_additions(family.read_response(body, state.wants_content), fields(body))


def _streamed(state: _State) -> Response:
    family = state.plan.family
    new_fold = state.plan.format.new_fold
    if family is not None:
        fold: Fold = invoke.InvokeFold(family, state.wants_content)
    elif new_fold is not None:
        fold = new_fold(state.wants_content)
    else:
        return Response()
    for event in state.items:
        kind, payload = event.headers.get(":event-type"), event.payload
        if kind == "chunk":  # the model's own JSON, in base64 inside of AWS's
            fold.add(_chunk(fields(loaded(payload)), is_text=family is None))
        elif kind:  # an exception has none; the client raises it
            fold.add({kind: loaded(payload)})
    return fold.response()


def _chunk(body: Mapping[str, Any], *, is_text: bool) -> Any:
    data = base64.b64decode(str(body.get("bytes") or ""))
    return {"chunk": {**body, "bytes": data.decode("utf-8", "replace")}} if is_text else json.loads(data)


def _with_metadata(response: Response, plan: _Plan) -> Response:
    """Adds the request's id, and what the headers of ``invoke_model`` say about tokens and time."""
    metadata = fields(plan.metadata)
    headers = fields(metadata.get("HTTPHeaders"))
    counts = [_counted(headers.get(f"{_HEADER}{name}-token-count")) for name in _COUNTED]
    if any(count is not None for count in counts):
        invoke.add_counts(response, *counts)
    latency = _counted(headers.get(f"{_HEADER}invocation-latency"))
    response.attributes |= given(
        [(semconv.AWS_REQUEST_ID, as_text(metadata.get("RequestId"))), (semconv.BEDROCK_LATENCY_MS, latency)]
    )
    return response


_COUNTED = ("input", "output", "cache-read-input", "cache-write-input")


def _counted(value: Any) -> int | None:
    return int(value) if isinstance(value, str) and value.isdecimal() else as_count(value)


def _read_error(error: BaseException, call: Call) -> Response | None:
    """Reads the status and the request's id from an error that AWS answered with."""
    metadata = fields(fields(getattr(error, "response", None)).get("ResponseMetadata"))
    if not metadata:
        return None
    return Response(
        attributes=given(
            [
                (semconv.HTTP_RESPONSE_STATUS_CODE, as_count(metadata.get("HTTPStatusCode"))),
                (semconv.AWS_REQUEST_ID, as_text(metadata.get("RequestId"))),
            ]
        )
    )


_READER = Reader(
    read_request=_read_request,
    read_response=_read_response,
    new_state=_new_state,
    fold=_fold,
    finish=_finish,
    accepts=_accepts,
    read_error=_read_error,
)
_WHY = "sends every call of every client, whichever way it was made"

INTEGRATION = Integration(
    name="bedrock",
    module="botocore",
    distribution="botocore",
    versions=">=1.34,<2",
    targets=(
        Target("botocore.client:BaseClient._make_api_call", _READER, why=_WHY),
        Target("aiobotocore.client:AioBaseClient._make_api_call", _READER, is_async=True, why=_WHY),
    ),
    observe=observe,
    operations=(
        semconv.OP_CHAT,
        semconv.OP_TEXT_COMPLETION,
        semconv.OP_EMBEDDINGS,
        semconv.OP_RERANK,
        semconv.OP_RETRIEVAL,
        semconv.OP_INVOKE_AGENT,
        semconv.OP_GUARDRAIL,
    ),
    captures="messages, tools, reasoning, cached tokens, guardrails, request ids; every model family",
)
