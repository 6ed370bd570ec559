"""What a guardrail of Bedrock did: as attributes without content, wherever an answer holds it."""

from collections.abc import Iterator, Mapping
from typing import Any

from spanwise import messages, semconv
from spanwise.integrations._bedrock_blocks import blocks
from spanwise.integrations._stainless_fields import as_text, fields, given, items, plain
from spanwise.operation import AttributeValue, Request, Response

INTERVENED = "GUARDRAIL_INTERVENED"
_NO_ACTIONS = (None, "NONE", "NOT_BLOCKED")


def request_attributes(identifier: Any, version: Any) -> dict[str, AttributeValue]:
    """Returns the attributes of the guardrail that a request names."""
    return given(
        [
            (semconv.BEDROCK_GUARDRAIL_ID, as_text(identifier)),
            (semconv.BEDROCK_GUARDRAIL_VERSION, as_text(version)),
        ]
    )


def answer_attributes(action: Any, trace: Any) -> dict[str, AttributeValue]:
    """Returns whether a guardrail intervened, and which of its policies did.

    Args:
        action: The action an answer names, e.g. ``INTERVENED``; ``None`` when it names none.
        trace: The guardrail's trace, in the form of ``converse``, of ``invoke_model`` or of
            ``apply_guardrail``.
    """
    found = sorted(set(_policies(trace)))
    return given(
        [
            (semconv.BEDROCK_GUARDRAIL_ACTION, as_text(action)),
            (semconv.BEDROCK_GUARDRAIL_POLICIES, found or None),
        ]
    )


def read_request(params: Mapping[str, Any], wants_content: bool) -> Request:
    """Reads the parameters of ``apply_guardrail``."""
    request = Request(semconv.OP_GUARDRAIL, semconv.PROVIDER_BEDROCK)
    request.attributes = request_attributes(params.get("guardrailIdentifier"), params.get("guardrailVersion"))
    if wants_content:
        role = "assistant" if params.get("source") == "OUTPUT" else "user"
        parts = blocks([{"guardContent": each} for each in items(params.get("content"))])
        request.input_messages = [{"role": role, "parts": parts}]
    return request


def read_response(body: Mapping[str, Any], wants_content: bool) -> Response:
    """Reads the answer of ``apply_guardrail``."""
    action = as_text(body.get("action"))
    response = Response(attributes=answer_attributes(action, body))
    if action == INTERVENED:
        response.finish_reasons = ["content_filter"]
    outputs = items(body.get("outputs"))
    if wants_content and outputs:
        parts = [messages.text(str(fields(output).get("text") or "")) for output in outputs]
        response.output_messages = [{"role": "assistant", "parts": parts}]
    return response


def _policies(trace: Any) -> Iterator[str]:
    """Yields ``policy:name:action`` of everything that a guardrail acted on.

    Names are those the guardrail's owner gave, or kinds such as ``EMAIL``; what was matched is content and
    stays out.
    """
    for assessment in _assessments(trace):
        for policy, held in fields(assessment).items():
            for entries in fields(held).values():
                for entry in map(fields, items(entries)):
                    action = entry.get("action")
                    if action not in _NO_ACTIONS:
                        name = as_text(entry.get("name")) or as_text(entry.get("type")) or "WORD"
                        yield f"{policy.removesuffix('Policy')}:{name}:{action}"


def _assessments(trace: Any) -> Iterator[Any]:
    held = fields(trace)
    yield from items(held.get("assessments"))
    for key in ("inputAssessment", "outputAssessments", "input"):
        for each in fields(held.get(key)).values():
            yield from items(each) or (each,)
    for output in items(held.get("outputs")):
        for each in fields(output).values():
            yield from items(each) or (each,)


def trace_of(body: Mapping[str, Any]) -> Any:
    """Returns the guardrail's part of an answer's trace, however it is named."""
    trace = fields(body.get("trace")) or fields(body.get("amazon-bedrock-trace"))
    return plain(trace.get("guardrail"))
