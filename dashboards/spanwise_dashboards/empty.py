"""The first-run page: what to paste, and a line that waits for the first trace."""

from pathlib import Path

from fastapi import Request
from fastapi.responses import HTMLResponse

from spanwise_collector.settings import Settings
from spanwise_dashboards.pages.shell import render

Line = list[tuple[str, str]]
"""One line of a snippet: (css class, text)."""


def first_run(request: Request) -> HTMLResponse:
    """Returns the first-run page for the address the reader came by."""
    settings: Settings = request.app.state.settings
    endpoint = str(request.base_url).rstrip("/")
    needs_key = bool(settings.ingest_key)
    return render(
        request,
        "empty.html",
        section="traces",
        endpoint=endpoint,
        is_local=settings.is_loopback,
        data_place=_place(settings),
        needs_key=needs_key,
        snippets=[
            ("python", "Python snippet", _python(endpoint, needs_key)),
            ("otel", "OpenTelemetry settings", _otel(endpoint, needs_key)),
            ("curl", "curl command", _curl(endpoint, needs_key)),
        ],
    )


def _place(settings: Settings) -> str:
    if settings.clickhouse_url:
        return ""
    folder = settings.data_dir
    try:
        return f"~/{folder.relative_to(Path.home())}"
    except ValueError:
        return str(folder)


def _python(endpoint: str, needs_key: bool) -> list[Line]:
    is_default = endpoint.endswith(("127.0.0.1:4318", "localhost:4318")) and not needs_key
    call: Line = [("", "spanwise.instrument()")]
    if not is_default:
        call = [("", "spanwise.instrument(endpoint="), ("j-s", f'"{endpoint}"')]
        if needs_key:
            call += [("", ", api_key="), ("j-s", '"INGEST_KEY"')]
        call.append(("", ")"))
    return [
        [("j-c", "# pip install spanwise openai")],
        [("j-k", "import"), ("", " spanwise")],
        call,
        [],
        [("j-k", "from"), ("", " openai "), ("j-k", "import"), ("", " OpenAI")],
        [("", "OpenAI().chat.completions.create(")],
        [("", "    model="), ("j-s", '"gpt-4.1-mini"'), ("", ",")],
        [
            ("", "    messages=[{"),
            ("j-s", '"role"'),
            ("", ": "),
            ("j-s", '"user"'),
            ("", ", "),
            ("j-s", '"content"'),
            ("", ": "),
            ("j-s", '"Hello"'),
            ("", "}],"),
        ],
        [("", ")")],
    ]


def _otel(endpoint: str, needs_key: bool) -> list[Line]:
    lines: list[Line] = [
        [("j-c", "# any OpenTelemetry SDK, in any language")],
        [("", "export OTEL_EXPORTER_OTLP_ENDPOINT="), ("j-s", endpoint)],
        [("", "export OTEL_EXPORTER_OTLP_PROTOCOL="), ("j-s", "http/protobuf")],
    ]
    if needs_key:
        key = '"Authorization=Bearer%20INGEST_KEY"'
        lines.append([("", "export OTEL_EXPORTER_OTLP_HEADERS="), ("j-s", key)])
    return lines


def _curl(endpoint: str, needs_key: bool) -> list[Line]:
    body = (
        '{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"curl"}}]},'
        '"scopeSpans":[{"spans":[{"traceId":"\'"$(openssl rand -hex 16)"\'",'
        '"spanId":"\'"$(openssl rand -hex 8)"\'",'
        '"name":"hello","kind":1,"startTimeUnixNano":"\'"$(date +%s)"\'000000000",'
        '"endTimeUnixNano":"\'"$(date +%s)"\'250000000"}]}]}]}'
    )
    lines: list[Line] = [
        [("", f"curl {endpoint}/v1/traces \\")],
        [("", "  -H "), ("j-s", "'Content-Type: application/json'"), ("", " \\")],
    ]
    if needs_key:
        lines.append([("", "  -H "), ("j-s", "'Authorization: Bearer INGEST_KEY'"), ("", " \\")])
    lines.append([("", "  -d "), ("j-s", f"'{body}'")])
    return lines
