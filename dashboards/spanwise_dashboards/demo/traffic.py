"""Who asks the help desk what: sessions of several users, run side by side against the assistant."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import openai

import spanwise
from spanwise_dashboards.demo.assistant import HelpDesk
from spanwise_dashboards.demo.provider import RATE_LIMITED, UNKNOWN

MINI, LARGE, THINKING, LOCAL = "gpt-4.1-mini", "gpt-4.1", "o4-mini", "helpdesk-local-1"
PAUSE_S = 0.15


@dataclass(frozen=True)
class Session:
    """One conversation: its questions in order, who asks and which model answers."""

    id: str
    user: str
    model: str
    questions: list[str]
    is_streamed: bool = False
    tags: list[str] = field(default_factory=list)


SESSIONS = [
    Session(
        "c-1001",
        "maria",
        MINI,
        [
            "How do I start tracing my application?",
            "Do I need a key for that?",
            "My script ends and its traces do not arrive. What can I do?",
            "How many traces does this server hold now?",
        ],
        tags=["onboarding"],
    ),
    Session(
        "c-1002",
        "jonas",
        MINI,
        [
            "Port 4318 is taken on my machine, how do I choose another port?",
            "And where is the data kept?",
            "Can I copy the folder while the server runs?",
        ],
        is_streamed=True,
        tags=["onboarding"],
    ),
    Session(
        "c-1003",
        "amara",
        LARGE,
        [
            "What does unpriced mean in the list?",
            "What is the cost of 250000 tokens with gpt-4.1?",
            "What is the cost of 1000000 tokens with llama-9?",
            "Are tokens from the cache counted twice?",
        ],
        tags=["billing"],
    ),
    Session(
        "c-1004",
        "li",
        THINKING,
        [
            "How do I turn off the recording of prompts?",
            "Are e-mail addresses scrubbed before they leave the application?",
            "What is the cost of 40000 tokens with o4-mini?",
        ],
        tags=["privacy"],
    ),
    Session(
        "c-1005",
        "sven",
        LOCAL,
        [
            "How do users and sessions get into a trace?",
            "How do I name my own steps?",
            "Which decorator is for a search function?",
        ],
        tags=["self-hosted"],
    ),
    Session(
        "c-1006",
        "fatima",
        MINI,
        [
            "What happens to my application when the server is away?",
            "Is the memory bounded?",
            "How many errors does this server hold?",
        ],
    ),
    Session(
        "c-1007",
        "noah",
        MINI,
        [
            "Can I send traces from a Java service with OpenTelemetry?",
            "Are spans of OpenInference understood?",
            "What about a satellite uplink on Mars?",
        ],
        is_streamed=True,
    ),
    Session(
        "c-1008",
        "elena",
        LARGE,
        [
            "How do I open the server to my network?",
            "Does it speak HTTPS?",
            "How do I use a ClickHouse server instead of the embedded engine?",
        ],
        tags=["operations"],
    ),
    Session(
        "c-1009",
        "omar",
        RATE_LIMITED,
        ["How do I run the server?", "Is another service needed?"],
        tags=["operations"],
    ),
    Session("c-1010", "maria", UNKNOWN, ["Which keys work on the pages?"], tags=["onboarding"]),
    Session(
        "c-1011",
        "maria",
        MINI,
        [
            "Which keys work on the pages?",
            "How do I see the version of a prompt?",
            "How do I filter by prompt?",
        ],
        is_streamed=True,
        tags=["onboarding"],
    ),
    Session(
        "c-1012",
        "kofi",
        THINKING,
        ["How is a cost figure computed?", "Is an agent billed again for its calls?"],
        is_streamed=True,
        tags=["billing"],
    ),
]
ROUNDS = 2
"""Every session is held this often, by further users, so that lists and charts have something to show."""


def run_sessions(
    desk: HelpDesk, tell: Callable[[str], None], *, rounds: int = ROUNDS, only_model: str | None = None
) -> int:
    """Indexes the handbook, then holds all sessions, four at a time; returns how many questions were asked.

    ``only_model`` replaces every model, for a real endpoint that has just one.
    """
    with spanwise.context(tags=["indexing"]):
        tell(f"indexed {desk.index()} pages of the handbook")
    if not desk.has_embeddings:
        tell("the endpoint makes no embeddings; the handbook is searched by its words")
    jobs: list[tuple[Session, int]] = [(session, turn) for turn in range(rounds) for session in SESSIONS]

    def hold(job: tuple[Session, int]) -> int:
        return _hold(desk, *job, only_model=only_model)

    with ThreadPoolExecutor(max_workers=4, thread_name_prefix="session") as pool:
        return sum(pool.map(hold, jobs))


def _hold(desk: HelpDesk, session: Session, turn: int, only_model: str | None) -> int:
    name = session.id if turn == 0 else f"{session.id}-{turn + 1}"
    user = session.user if turn == 0 else f"{session.user}-{turn + 1}"
    history: list[dict[str, Any]] = []
    for question in session.questions:
        with spanwise.context(conversation_id=name, user_id=user, tags=session.tags, channel="web"):
            answer = _ask(desk, session, question, history, only_model)
        history += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        time.sleep(PAUSE_S)  # people read before they ask again
    return len(session.questions)


def _ask(
    desk: HelpDesk, session: Session, question: str, history: list[dict[str, Any]], only_model: str | None
) -> str:
    try:
        model = only_model or session.model
        return desk.answer(question, history, model=model, is_streamed=session.is_streamed).text
    except openai.APIError:
        return "The model did not answer. A person will take over."
