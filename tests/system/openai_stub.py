"""A small server that speaks OpenAI's chat protocol on loopback, for apps under test.

Run it as a thread (``serve()``) or as a program. ``?`` in the last message asks for a slow stream.
"""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USAGE = {
    "prompt_tokens": 20,
    "completion_tokens": 5,
    "total_tokens": 25,
    "prompt_tokens_details": {"cached_tokens": 8},
    "completion_tokens_details": {"reasoning_tokens": 2},
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if body.get("model") == "missing":
            self.answer(
                404,
                {
                    "error": {
                        "message": "no such model",
                        "type": "invalid_request_error",
                        "code": "model_not_found",
                    }
                },
            )
        elif body.get("stream"):
            self.stream(body)
        else:
            message = {"role": "assistant", "content": "Paris is the capital."}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            self.answer(200, self.envelope(body, "chat.completion") | {"choices": [choice], "usage": USAGE})

    @staticmethod
    def envelope(body: dict[str, Any], kind: str) -> dict[str, Any]:
        return {
            "id": "chatcmpl-1",
            "object": kind,
            "created": 1_700_000_000,
            "model": body["model"] + "-2024-08-06",
        }

    def answer(self, status: int, payload: dict[str, Any]) -> None:
        data = json.dumps(payload).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def stream(self, body: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        delay = 0.02 if "?" in str(body["messages"][-1]["content"]) else 0.0
        try:
            for word in ("Par", "is ", "is ", "it", "."):
                self.event(
                    body,
                    [{"index": 0, "delta": {"role": "assistant", "content": word}, "finish_reason": None}],
                )
                time.sleep(delay)
            self.event(body, [{"index": 0, "delta": {}, "finish_reason": "stop"}])
            if (body.get("stream_options") or {}).get("include_usage"):
                self.event(body, [], usage=USAGE)
            self.chunk(b"data: [DONE]\n\n")
            self.chunk(b"")
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def event(self, body: dict[str, Any], choices: list[dict[str, Any]], **more: Any) -> None:
        payload = self.envelope(body, "chat.completion.chunk") | {"choices": choices} | more
        self.chunk(b"data: " + json.dumps(payload).encode() + b"\n\n")

    def chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()


class Server(ThreadingHTTPServer):
    """Quiet when an app hangs up: that is what some tests do."""

    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


def serve() -> str:
    """Starts the server in a daemon thread and returns its base URL."""
    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}/v1"


if __name__ == "__main__":
    server = Server(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_address[1]}/v1", flush=True)
    server.serve_forever()
