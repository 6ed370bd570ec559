"""The recorded exchanges that the openai and anthropic clients can replay.

The files are read from ``SPANWISE_SHARED`` or ``../shared``; their README says where they come from.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("SPANWISE_SHARED", ROOT.parent / "shared"))
FOLDER = SHARED / "cassettes"

NAMED = (
    "openai-chat",
    "openai-responses",
    "openai-embeddings",
    "openai-completions",
    "azure-openai-chat",
    "azure-openai-embeddings",
    "azure-openai-responses",
    "deepseek-chat",
    "openrouter-chat",
    "anthropic-messages",
)
"""The files every line of which has to come out right."""
FURTHER = (
    "groq-chat",
    "together-chat",
    "openai-compat-local-chat",
    "mistral-chat",
    "mistral-embeddings",
    "bedrock-mantle-openai",
)
"""Other servers' answers in the same protocols, replayed to the same clients."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One HTTP exchange."""

    file: str
    line: int
    id: str
    method: str
    path: str
    status: int
    content_type: str
    request: dict[str, Any]
    answer: str
    """The response body, as text."""
    features: tuple[str, ...]

    @property
    def key(self) -> str:
        """Names the recording, also in the replay server's paths."""
        return f"{self.file}-{self.line:02}"

    @property
    def is_stream(self) -> bool:
        """True when the client asked for a stream."""
        return bool(self.request.get("stream"))

    @property
    def events(self) -> list[Any]:
        """The JSON events of a streamed answer, in order."""
        lines = [line[5:].strip() for line in self.answer.splitlines() if line.startswith("data:")]
        return [json.loads(line) for line in lines if line and line != "[DONE]"]


def load(*files: str) -> list[Recording]:
    """Returns all recordings of the files, in order; nothing where the folder is absent."""
    if not FOLDER.is_dir():
        return []
    return [
        _recording(file, number, json.loads(line))
        for file in files
        for number, line in enumerate((FOLDER / f"{file}.jsonl").read_text("utf-8").splitlines())
    ]


def _recording(file: str, number: int, line: dict[str, Any]) -> Recording:
    assert line["response_body_encoding"] == "utf-8", "only text bodies are replayed here"
    return Recording(
        file=file,
        line=number,
        id=line["id"],
        method=line["method"],
        path=line["path"],
        status=line["status"],
        content_type=line["response_headers"].get("content-type") or _guessed_type(line["response_body"]),
        request=json.loads(line["request_body"]) if line["request_body"] else {},
        answer=line["response_body"],
        features=tuple(line["features"]),
    )


def _guessed_type(body: str) -> str:
    """Some sources strip all headers."""
    return "application/json" if body.lstrip()[:1] in ("{", "[") else "text/event-stream"
