"""The example application: a help desk that answers from its handbook, with the real ``openai`` client.

Nothing here knows that it is a demo: this is how an application with Spanwise in it looks.
"""

import json
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import openai

import spanwise
from spanwise_dashboards.demo.texts import HelpPage, embed, similarity

EMBEDDING_MODEL = "text-embedding-3-small"
TOP_K = 4
MIN_SCORE = 0.05
SYSTEM = (
    "You are the help desk of Spanwise, a tool that shows what LLM applications do. Answer from the passages "
    "and the tools only; when they do not hold the answer, say so and offer to hand over to a person. Answer "
    "in the language of the question, in at most four sentences. Quote commands exactly as the passages have "
    "them. Never promise a date or a price that is not in the passages."
)
TOOLS: list[dict[str, Any]] = [
    {
        "type": "function",
        "function": {
            "name": "count_traces",
            "description": "Counts the traces of this server. Keywords: how many traces, how many errors.",
            "parameters": {
                "type": "object",
                "properties": {"status": {"type": "string", "enum": ["any", "error"], "default": "any"}},
                "required": ["status"],
            },
        },
    },
    {
        "type": "function",
        "function": {
            "name": "estimate_cost",
            "description": "What input tokens cost, in US dollars. Keywords: cost of, tokens cost.",
            "parameters": {
                "type": "object",
                "properties": {
                    "model": {"type": "string", "enum": ["gpt-4.1-mini", "gpt-4.1", "o4-mini", "llama-9"]},
                    "input_tokens": {"type": "integer"},
                },
                "required": ["model", "input_tokens"],
            },
        },
    },
]


@dataclass(frozen=True)
class Answer:
    """What the assistant said, and from which pages."""

    text: str
    pages: list[str]


class HelpDesk:
    """The assistant. ``index()`` must run once before questions are asked."""

    def __init__(self, client: openai.OpenAI, pages: Sequence[HelpPage], *, server: str) -> None:
        self._client = client
        self._pages = list(pages)
        self._vectors: list[list[float]] = []
        self._server = server
        self.has_embeddings = True
        """False once the endpoint turned out to make none: then the words themselves are compared."""

    @spanwise.workflow("index handbook")
    def index(self) -> int:
        """Embeds every page of the handbook; returns how many."""
        texts = [f"{page.title}\n{page.content}" for page in self._pages]
        self._vectors = self._embed(texts)
        return len(texts)

    def _embed(self, texts: list[str]) -> list[list[float]]:
        if self.has_embeddings:
            try:
                answer = self._client.embeddings.create(model=EMBEDDING_MODEL, input=texts)
                return [item.embedding for item in answer.data]
            except (openai.NotFoundError, openai.BadRequestError, openai.InternalServerError, ValueError):
                if (
                    self._vectors
                ):  # it did make some: vectors of another kind could not be compared with those
                    raise
                self.has_embeddings = False
        return self._embed_words(texts)

    @spanwise.embedding("embed words", model="hashed-words", provider="spanwise.demo")
    def _embed_words(self, texts: list[str]) -> list[list[float]]:
        return [embed(text) for text in texts]

    @spanwise.retriever("search handbook", data_source="handbook")
    def search(self, query: str, top_k: int = TOP_K) -> list[dict[str, Any]]:
        """Returns the pages nearest to a question, the nearest first."""
        vector = self._embed([query])[0]
        scored = [
            (similarity(vector, other), page) for other, page in zip(self._vectors, self._pages, strict=True)
        ]
        best = sorted(scored, key=lambda pair: -pair[0])[:top_k]
        return [
            {"id": page.id, "score": round(score, 4), "title": page.title, "content": page.content}
            for score, page in best
            if score >= MIN_SCORE
        ]

    @spanwise.workflow("helpdesk.answer")
    def answer(
        self, question: str, history: Sequence[dict[str, Any]] = (), *, model: str, is_streamed: bool = False
    ) -> Answer:
        """Answers one question: retrieval, then the model, which may call tools."""
        found = self.search(question)
        passages = "\n\n".join(f"[{n}] {page['title']}\n{page['content']}" for n, page in enumerate(found, 1))
        messages: list[dict[str, Any]] = [
            {"role": "system", "content": f"{SYSTEM}\n\nPassages:\n{passages}"},
            *history,
            {"role": "user", "content": question},
        ]
        with spanwise.context(prompt="helpdesk-answer", prompt_version="4"):
            text = self._stream(model, messages) if is_streamed else self._converse(model, messages)
        self.check(text, passages)
        return Answer(text, [page["id"] for page in found])

    def _stream(self, model: str, messages: list[dict[str, Any]]) -> str:
        # The client's message types are a union of dozens; its documentation shows plain dictionaries.
        create: Any = self._client.chat.completions.create
        chunks = create(
            model=model,
            messages=messages,
            temperature=0.2,
            stream=True,
            stream_options={"include_usage": True},
        )
        deltas = (chunk.choices[0].delta.content for chunk in chunks if chunk.choices)
        return "".join(delta for delta in deltas if delta)

    @spanwise.agent("helpdesk agent")
    def _converse(self, model: str, messages: list[dict[str, Any]]) -> str:
        create: Any = self._client.chat.completions.create  # see _stream about the types
        for _ in range(3):
            answer = create(model=model, messages=messages, tools=TOOLS, max_completion_tokens=400)
            message = answer.choices[0].message
            if not message.tool_calls:
                return str(message.content or "")
            messages.append(message.model_dump(exclude_none=True))
            messages += [
                {"role": "tool", "tool_call_id": call.id, "content": self._run_tool(call)}
                for call in message.tool_calls
            ]
        return "I could not finish this; a person will take over."

    def _run_tool(self, call: Any) -> str:
        """Runs one tool; a tool that fails tells the model why, and its span is an error."""
        tools: dict[str, Callable[..., dict[str, Any]]] = {
            "count_traces": self.count_traces,
            "estimate_cost": self.estimate_cost,
        }
        try:
            return json.dumps(tools[call.function.name](**json.loads(call.function.arguments)))
        except (KeyError, TypeError, ValueError, OSError) as error:  # models make up tools and arguments
            return json.dumps({"error": str(error)})

    @spanwise.tool
    def count_traces(self, status: str = "any") -> dict[str, Any]:
        """Counts the traces of the server that this demo writes to."""
        query = "limit=200" + ("&status=error" if status == "error" else "")
        with urllib.request.urlopen(f"{self._server}/api/v1/traces?{query}", timeout=5) as answer:  # noqa: S310
            held = json.load(answer)
        count = len(held["items"])
        return {"status": status, "traces": f"{count} or more" if held.get("next_cursor") else count}

    @spanwise.tool
    def estimate_cost(self, model: str, input_tokens: int) -> dict[str, Any]:
        """Computes what input tokens cost, from the price table that the server uses as well."""
        from genai_prices import Usage, calc_price

        try:
            price = calc_price(Usage(input_tokens=input_tokens), model_ref=model)
        except LookupError:
            raise ValueError(f"no price is known for the model {model!r}") from None
        return {"model": model, "input_tokens": input_tokens, "usd": float(price.total_price)}

    @spanwise.step("check answer")
    def check(self, text: str, passages: str) -> bool:
        """Checks that the answer is not empty and not longer than what it was made from."""
        return bool(text) and len(text) <= max(len(passages), 400)
