"""Recorded exchanges of any provider, bodies as bytes. The files' README says where they come from."""

import base64
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

SHARED = Path(os.environ.get("SPANWISE_SHARED", Path(__file__).resolve().parents[4] / "shared"))
FOLDER = SHARED / "cassettes"
NO_DATA = [pytest.param(None, marks=pytest.mark.skip("no recorded data (set SPANWISE_SHARED)"))]


@dataclass(frozen=True, slots=True)
class Exchange:
    """One HTTP request and its answer, recorded or made up by a test."""

    key: str
    """Names it, also in the loopback server's paths."""
    path: str
    """With its query."""
    body: bytes
    """The answer's body."""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    """The answer's headers, lower case."""
    method: str = "POST"
    host: str = ""
    sent: bytes = b""
    """The request's body."""
    features: tuple[str, ...] = ()
    cut_after: int | None = None
    """The server breaks the connection after so many bytes of the body."""
    hold_after: int | None = None
    """The server sends so many bytes and then nothing, until ``Loopback.release``."""

    @property
    def request(self) -> Any:
        """The request's JSON; an empty dictionary when it had no body."""
        return json.loads(self.sent) if self.sent else {}

    @property
    def answer(self) -> Any:
        """The answer's JSON."""
        return json.loads(self.body)

    @property
    def events(self) -> list[Any]:
        """The JSON events of an answer in server-sent events, or in lines of JSON."""
        lines = self.body.decode("utf-8").splitlines()
        data = [line.removeprefix("data:").strip() for line in lines if line.startswith(("data:", "{"))]
        return [json.loads(line) for line in data if line and line != "[DONE]"]


def load(*files: str) -> list[Exchange]:
    """Returns the recorded exchanges of the files, in order; nothing where the folder is absent."""
    if not FOLDER.is_dir():
        return []
    return [
        _exchange(f"{file}-{number:02}", json.loads(line))
        for file in files
        for number, line in enumerate((FOLDER / f"{file}.jsonl").read_text("utf-8").splitlines())
    ]


def params(exchanges: list[Exchange]) -> list[Any]:
    """Returns the exchanges for ``pytest.mark.parametrize``, or one skipped one without recorded data."""
    return [pytest.param(each, id=each.key) for each in exchanges] or NO_DATA


def made_up(key: str, path: str, answer: Any, **further: Any) -> Exchange:
    """Returns an exchange of a test's own: ``answer`` is bytes, or anything that JSON can hold."""
    headers = {"content-type": "application/json"} | further.pop("headers", {})
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return Exchange(key=key, path=path, body=body, headers=headers, **further)


def sse(*events: Any, done: bool = True) -> bytes:
    """Returns events as server-sent events, the way OpenAI frames them."""
    text = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
    return (text + ("data: [DONE]\n\n" if done else "")).encode()


def _exchange(key: str, line: dict[str, Any]) -> Exchange:
    body = _body(line, "response_body")
    headers = dict(line["response_headers"])
    headers.setdefault("content-type", _guessed_type(body))  # some sources strip all headers
    return Exchange(
        key=key,
        path=line["path"],
        body=body,
        status=line["status"],
        headers=headers,
        method=line["method"],
        host=line["host"],
        sent=_body(line, "request_body"),
        features=tuple(line["features"]),
    )


def _body(line: dict[str, Any], name: str) -> bytes:
    text = line[name] or ""
    return base64.b64decode(text) if line.get(f"{name}_encoding") == "base64" else text.encode("utf-8")


def _guessed_type(body: bytes) -> str:
    return "application/json" if body.lstrip()[:1] in (b"{", b"[") else "text/event-stream"
