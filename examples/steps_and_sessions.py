"""Your own steps as spans: a workflow with a retriever and a tool, for a user, in a session.

Run: python examples/steps_and_sessions.py
"""

from openai import OpenAI

import spanwise

spanwise.instrument(service_name="shop")

SHELF = {
    "returns": "Returns are free within 30 days.",
    "shipping": "Orders are shipped within two days.",
    "payment": "We take cards and bank transfer.",
}
client = OpenAI()


@spanwise.retriever("shelf")
def search(query: str, top_k: int = 2) -> list[dict[str, object]]:
    """Documents are dictionaries, objects or texts; ``score`` and ``content`` are shown as such."""
    words = set(query.lower().split())
    scored = [
        {"id": key, "content": text, "score": len(words & set(text.lower().split())) / len(words)}
        for key, text in SHELF.items()
    ]
    return sorted(scored, key=lambda document: -float(str(document["score"])))[:top_k]


@spanwise.tool
def opening_hours(day: str) -> str:
    """Tools record their arguments and their result."""
    return "closed" if day == "sunday" else "9 to 17"


@spanwise.workflow
def answer(question: str) -> str:
    context = "\n".join(str(document["content"]) for document in search(question))
    hours = opening_hours("monday")
    reply = client.chat.completions.create(
        model="gpt-4.1-mini",
        messages=[
            {
                "role": "system",
                "content": f"Answer from the passages.\n\nPassages:\n[1] Shop\n{context} {hours}.",
            },
            {"role": "user", "content": question},
        ],
    )
    return reply.choices[0].message.content or ""


if __name__ == "__main__":
    with spanwise.context(conversation_id="visit-1", user_id="u-7", tags=["example"]):
        for question in ("When are orders shipped?", "Are returns free?"):
            print(answer(question))
