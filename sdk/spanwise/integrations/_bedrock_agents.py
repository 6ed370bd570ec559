"""Readers of Bedrock's agent runtime: agents, knowledge bases, and reranking."""

from collections.abc import Iterator, Mapping
from typing import Any

from spanwise import messages, semconv
from spanwise.integrations import _bedrock_guardrail as guardrail
from spanwise.integrations._bedrock_converse import usage_of
from spanwise.integrations._stainless_fields import as_count, as_number, as_text, fields, given, items
from spanwise.messages import Part
from spanwise.operation import AttributeValue, Request, Response, Usage

_TEXT_PLACES = ("text", "audio", "video", "byteContent")
_ADDRESSES = ("uri", "url", "id")


# --- agents ------------------------------------------------------------------------------------------------


def read_agent_request(params: Mapping[str, Any], wants_content: bool) -> Request:
    """Reads the parameters of ``invoke_agent`` and ``invoke_inline_agent``."""
    request = Request(
        semconv.OP_INVOKE_AGENT, semconv.PROVIDER_BEDROCK, as_text(params.get("foundationModel"))
    )
    guard = fields(params.get("guardrailConfiguration"))
    request.attributes = given(
        [
            (semconv.AGENT_ID, as_text(params.get("agentId"))),
            (semconv.AGENT_NAME, as_text(params.get("agentName"))),
            (semconv.AGENT_VERSION, as_text(params.get("agentAliasId"))),
            (semconv.CONVERSATION_ID, as_text(params.get("sessionId"))),
        ]
    ) | guardrail.request_attributes(guard.get("guardrailIdentifier"), guard.get("guardrailVersion"))
    if wants_content:
        request.input_messages = _said(params.get("inputText"))
        told = as_text(params.get("instruction"))
        request.system_instructions = [messages.text(told)] if told else None
    return request


class AgentFold:
    """The fold of an agent's events: its answer in pieces, and what it did, where it was asked to tell."""

    def __init__(self, wants_content: bool) -> None:
        self._wants_content = wants_content
        self._texts: list[str] = []
        self._citations: list[Any] = []
        self._sent: list[int] = []
        self._made: list[int] = []
        self._model: str | None = None
        self._attributes: dict[str, AttributeValue] = {}

    def add(self, event: Any) -> None:
        """Adds one event."""
        body = fields(event)
        chunk = fields(body.get("chunk"))
        if chunk and self._wants_content:
            self._texts.append(as_text(chunk.get("bytes")) or "")
            self._citations += items(fields(chunk.get("attribution")).get("citations"))
        for step in fields(fields(body.get("trace")).get("trace")).values():
            self._step(fields(step))

    def _step(self, step: Mapping[str, Any]) -> None:
        """One step in the agent's trace; an agent calls its models itself, so their tokens are added up."""
        asked, got = fields(step.get("modelInvocationInput")), fields(step.get("modelInvocationOutput"))
        self._model = as_text(asked.get("foundationModel")) or self._model
        usage = usage_of(fields(got.get("metadata")).get("usage"))
        if usage is not None:
            self._sent.append(usage.input_tokens or 0)
            self._made.append(usage.output_tokens or 0)
        if "action" in step:  # a guardrail's
            assessments = [*items(step.get("inputAssessments")), *items(step.get("outputAssessments"))]
            self._attributes |= guardrail.answer_attributes(step["action"], {"assessments": assessments})

    def response(self) -> Response:
        """Returns the answer so far."""
        response = Response(model=self._model, attributes=self._attributes)
        if self._sent:
            response.usage = Usage(sum(self._sent), sum(self._made))
        if self._texts:
            part = messages.text("".join(self._texts))
            response.output_messages = [{"role": "assistant", "parts": [part]}]
        documents = _cited(self._citations)
        if documents:
            response.content[semconv.RETRIEVAL_DOCUMENTS] = documents
        return response


def read_agent_response(answer: Any, wants_content: bool) -> Response:
    """An agent's answer comes as a stream; without one there is nothing to read."""
    return Response()


# --- knowledge bases ---------------------------------------------------------------------------------------


def read_retrieve_request(params: Mapping[str, Any], wants_content: bool) -> Request:
    """Reads the parameters of ``retrieve``."""
    request = Request(semconv.OP_RETRIEVAL, semconv.PROVIDER_BEDROCK)
    search = fields(fields(params.get("retrievalConfiguration")).get("vectorSearchConfiguration"))
    base = as_text(params.get("knowledgeBaseId"))
    request.subject = base
    request.attributes = given(
        [
            (semconv.DATA_SOURCE_ID, base),
            (semconv.BEDROCK_KNOWLEDGE_BASE_ID, base),
            (semconv.RETRIEVAL_TOP_K, as_count(search.get("numberOfResults"))),
        ]
    )
    query = as_text(fields(params.get("retrievalQuery")).get("text"))
    if wants_content and query:
        request.content[semconv.RETRIEVAL_QUERY_TEXT] = query
    return request


def read_retrieve_response(answer: Any, wants_content: bool) -> Response:
    """Reads the answer of ``retrieve``."""
    body = fields(answer)
    response = Response(attributes=guardrail.answer_attributes(body.get("guardrailAction"), None))
    results = items(body.get("retrievalResults"))
    if wants_content and results:
        response.content[semconv.RETRIEVAL_DOCUMENTS] = [_document(fields(result)) for result in results]
    return response


def read_answer_request(params: Mapping[str, Any], wants_content: bool) -> Request:
    """Reads the parameters of ``retrieve_and_generate`` and its stream."""
    config = fields(params.get("retrieveAndGenerateConfiguration"))
    base = fields(config.get("knowledgeBaseConfiguration"))
    inner = base or fields(config.get("externalSourcesConfiguration"))
    search = fields(fields(base.get("retrievalConfiguration")).get("vectorSearchConfiguration"))
    making = fields(inner.get("generationConfiguration"))
    sampling = fields(fields(making.get("inferenceConfig")).get("textInferenceConfig"))
    guard = fields(making.get("guardrailConfiguration"))
    request = Request(semconv.OP_CHAT, semconv.PROVIDER_BEDROCK, as_text(inner.get("modelArn")))
    request.attributes = given(
        [
            (semconv.DATA_SOURCE_ID, as_text(base.get("knowledgeBaseId"))),
            (semconv.BEDROCK_KNOWLEDGE_BASE_ID, as_text(base.get("knowledgeBaseId"))),
            (semconv.RETRIEVAL_TOP_K, as_count(search.get("numberOfResults"))),
            (semconv.CONVERSATION_ID, as_text(params.get("sessionId"))),
            (semconv.REQUEST_MAX_TOKENS, as_count(sampling.get("maxTokens"))),
            (semconv.REQUEST_TEMPERATURE, as_number(sampling.get("temperature"))),
            (semconv.REQUEST_TOP_P, as_number(sampling.get("topP"))),
        ]
    ) | guardrail.request_attributes(guard.get("guardrailId"), guard.get("guardrailVersion"))
    if wants_content:
        request.input_messages = _said(fields(params.get("input")).get("text"))
    return request


def read_answer(answer: Any, wants_content: bool) -> Response:
    """Reads the answer of ``retrieve_and_generate``."""
    body = fields(answer)
    attributes = guardrail.answer_attributes(body.get("guardrailAction"), None)
    response = Response(
        attributes=attributes | given([(semconv.CONVERSATION_ID, as_text(body.get("sessionId")))])
    )
    shown = as_text(fields(body.get("output")).get("text"))
    if wants_content and shown:
        response.output_messages = [{"role": "assistant", "parts": [messages.text(shown)]}]
    documents = _cited(items(body.get("citations"))) if wants_content else []
    if documents:
        response.content[semconv.RETRIEVAL_DOCUMENTS] = documents
    return response


class AnswerFold:
    """The fold of the stream of ``retrieve_and_generate_stream``."""

    def __init__(self, wants_content: bool) -> None:
        self._wants_content = wants_content
        self._texts: list[str] = []
        self._citations: list[Any] = []
        self._action: str | None = None

    def add(self, event: Any) -> None:
        """Adds one event."""
        body = fields(event)
        self._texts.append(as_text(fields(body.get("output")).get("text")) or "")
        cited = fields(body.get("citation"))
        if cited:
            self._citations.append(fields(cited.get("citation")) or cited)
        self._action = as_text(fields(body.get("guardrail")).get("action")) or self._action

    def response(self) -> Response:
        """Returns the answer so far."""
        answer = {
            "output": {"text": "".join(self._texts)},
            "citations": self._citations,
            "guardrailAction": self._action,
        }
        return read_answer(answer, self._wants_content)


# --- reranking ---------------------------------------------------------------------------------------------


def read_rerank_request(params: Mapping[str, Any], wants_content: bool) -> Request:
    """Reads the parameters of ``rerank``."""
    config = fields(fields(params.get("rerankingConfiguration")).get("bedrockRerankingConfiguration"))
    model = as_text(fields(config.get("modelConfiguration")).get("modelArn"))
    request = Request(semconv.OP_RERANK, semconv.PROVIDER_BEDROCK, model)
    request.attributes = given([(semconv.RETRIEVAL_TOP_K, as_count(config.get("numberOfResults")))])
    queries = [
        as_text(fields(fields(each).get("textQuery")).get("text")) for each in items(params.get("queries"))
    ]
    if wants_content and queries and queries[0]:
        request.content[semconv.RETRIEVAL_QUERY_TEXT] = queries[0]
    return request


def read_rerank_response(answer: Any, wants_content: bool) -> Response:
    """Reads the answer of ``rerank``: each source's place in the request is its id."""
    results = [fields(result) for result in items(fields(answer).get("results"))]
    response = Response()
    if wants_content and results:
        response.content[semconv.RETRIEVAL_DOCUMENTS] = [
            {"id": str(result.get("index")), "score": as_number(result.get("relevanceScore"))}
            for result in results
        ]
    return response


# --- pieces ------------------------------------------------------------------------------------------------


def _said(text: Any) -> list[messages.Message] | None:
    parts: list[Part] = [messages.text(text)] if as_text(text) else []
    return [{"role": "user", "parts": parts}] if parts else None


def _cited(citations: Any) -> list[dict[str, Any]]:
    references = [
        each for citation in citations for each in items(fields(citation).get("retrievedReferences"))
    ]
    return [_document(fields(reference)) for reference in references]


def _document(result: Mapping[str, Any]) -> dict[str, Any]:
    """Returns one passage: where it comes from is its id."""
    document: dict[str, Any] = {}
    place = next(_places(fields(result.get("location"))), None)
    if place:
        document["id"] = place
    if result.get("score") is not None:
        document["score"] = as_number(result["score"])
    content = fields(result.get("content"))
    shown = next((text for name in _TEXT_PLACES if (text := as_text(content.get(name)))), None)
    if shown:
        document["content"] = shown
    return document


def _places(location: Mapping[str, Any]) -> Iterator[str]:
    for place in location.values():
        for name in _ADDRESSES:
            found = as_text(fields(place).get(name))
            if found:
                yield found


OPERATIONS: dict[str, tuple[Any, Any, Any]] = {
    "InvokeAgent": (read_agent_request, read_agent_response, AgentFold),
    "InvokeInlineAgent": (read_agent_request, read_agent_response, AgentFold),
    "Retrieve": (read_retrieve_request, read_retrieve_response, None),
    "RetrieveAndGenerate": (read_answer_request, read_answer, None),
    "RetrieveAndGenerateStream": (read_answer_request, read_answer, AnswerFold),
    "Rerank": (read_rerank_request, read_rerank_response, None),
}
"""By operation: readers of the request and of the whole answer, and the fold of its stream."""
