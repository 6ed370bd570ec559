"""The JSON API over the real store: every document as its schema says, filters, pages, problems."""

import json
import secrets
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from spanwise_collector.routers import schemas

JSON = {"content-type": "application/json"}
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z"
CHAT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.response.finish_reasons": ["stop"],
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.output_tokens": 100,
    "gen_ai.usage.cache_read.input_tokens": 400,
    "gen_ai.usage.reasoning.output_tokens": 60,
    "gen_ai.response.time_to_first_chunk": 0.5,
    "gen_ai.conversation.id": "conv/1",
    "user.id": "ann",
    "spanwise.tags": ["eu"],
    "gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"Where is <b>Paris</b>?"}]}]',
    "gen_ai.output.messages": '[{"role":"assistant","parts":[{"type":"text","content":"France"}]}]',
}


def fits(model: type[BaseModel], answer: httpx.Response) -> Any:
    """Returns the document of an answer after holding it against its schema."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    model.model_validate_json(answer.content)
    return answer.json()


@pytest.fixture
def service() -> str:
    """A service of its own for each test: they share one store."""
    return "svc-" + secrets.token_hex(4)


@pytest.fixture
async def client(serve: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with serve() as opened:
        yield opened


async def send(client: httpx.AsyncClient, content: bytes) -> None:
    answer = await client.post("/v1/traces", content=content, headers=JSON)
    assert (answer.status_code, answer.text) == (200, "{}")


async def test_a_trace_and_its_span_have_every_member(
    client: httpx.AsyncClient, otlp: Any, body: Any, service: str
) -> None:
    root = otlp({"gen_ai.operation.name": "invoke_workflow", "spanwise.input": '{"q":1}'}, name="answer")
    call = otlp(
        {**CHAT, "weird": {"a": [1, None, 2.5]}, "big": 2**60},
        traceId=root["traceId"],
        parentSpanId=root["spanId"],
        traceState="ot=th:8",
        flags=257,
        status={"code": 2, "message": "cut"},
        events=[{"name": "exception", "timeUnixNano": "1795312890123456789", "attributes": []}],
        links=[{"traceId": "ab" * 16, "spanId": "cd" * 8}],
    )
    await send(client, body(root, call, service__name=service, deployment__environment__name="prod"))
    document = fits(schemas.TraceDetail, await client.get(f"/api/v1/traces/{root['traceId'].upper()}"))
    spans = {span["name"]: span for span in document["spans"]}
    span = spans["chat gpt-4o"]
    assert document["next_after"] is None
    assert (span["request_model"], span["response_model"]) == ("gpt-4o", "gpt-4o-2024-08-06")
    assert (span["input_tokens"], span["cached_input_tokens"], span["reasoning_output_tokens"]) == (
        1000,
        400,
        60,
    )
    assert span["cost_usd"] == pytest.approx(600 * 2.5e-6 + 400 * 1.25e-6 + 100 * 1e-5)
    assert "gpt-4o" in span["price_source"]
    assert span["start"].endswith(call["startTimeUnixNano"][-9:] + "Z")
    assert (span["duration_ns"], span["time_to_first_chunk_ns"]) == (1_500_000_000, 500_000_000)
    assert (span["status"], span["status_message"], span["sample_weight"]) == ("error", "cut", 2.0)
    assert span["input_messages"] == json.loads(str(CHAT["gen_ai.input.messages"]))
    assert span["attributes"]["weird"] == {"a": [1, None, 2.5]}
    assert span["attributes"]["big"] == 2**60
    assert "gen_ai.input.messages" not in span["attributes"]
    assert span["events"][0]["time"] == "2026-11-22T02:01:30.123456789Z"
    assert span["resource"]["service.name"] == service
    assert (span["trace_state"], span["flags"], span["links"][0]["span_id"]) == ("ot=th:8", 257, "cd" * 8)
    assert (spans["answer"]["input_text"], spans["answer"]["cost_usd"]) == ('{"q":1}', None)
    alone = fits(
        schemas.Span, await client.get(f"/api/v1/traces/{root['traceId']}/spans/{call['spanId'].upper()}")
    )
    assert alone == span
    part = await client.get(f"/api/v1/traces/{root['traceId']}", params={"limit": 1})
    rest = await client.get(
        f"/api/v1/traces/{root['traceId']}", params={"limit": 1, "after": part.json()["next_after"]}
    )
    assert [s["name"] for page in (part, rest) for s in page.json()["spans"]] == [
        s["name"] for s in document["spans"]
    ]
    outline = fits(schemas.Outline, await client.get(f"/api/v1/traces/{root['traceId']}/outline"))
    columns = outline["columns"]
    assert outline["span_count"] == 2
    assert {len(column) for column in columns.values()} == {2}
    assert columns["model"][columns["name"].index("chat gpt-4o")] in ("gpt-4o", "gpt-4o-2024-08-06")
    assert min(columns["start_offset_ns"]) == 0


async def test_the_list_filters_pages_and_sums(
    client: httpx.AsyncClient, otlp: Any, body: Any, service: str
) -> None:
    now = time.time_ns()
    traces = []
    for index in range(5):
        start = now - (index + 1) * 60_000_000_000
        times = {"startTimeUnixNano": str(start), "endTimeUnixNano": str(start + (index + 1) * 10**9)}
        attributes = {**CHAT, "user.id": f"user-{index % 2}"}
        status = {"code": 2} if index == 3 else {}
        traces.append(otlp(attributes, status=status, **times))
    await send(client, body(*traces, service__name=service))

    async def ids(**params: Any) -> list[int]:
        answer = await client.get("/api/v1/traces", params={"service": service, **params})
        items = fits(schemas.TracePage, answer)["items"]
        order = [trace["traceId"] for trace in traces]
        return [order.index(item["trace_id"]) for item in items]

    assert await ids() == [0, 1, 2, 3, 4]
    assert await ids(status="error") == [3]
    assert await ids(user_id="user-1") == [1, 3]
    assert await ids(model="gpt-4o-2024-08-06") == [0, 1, 2, 3, 4]
    assert await ids(model="none") == []
    assert await ids(conversation_id="conv/1", min_duration_ms=2500) == [2, 3, 4]
    assert await ids(min_cost_usd=1) == []
    assert await ids(q="where is <B>paris") == [0, 1, 2, 3, 4]
    assert await ids(**{"from": str(now - 150_000_000_000)}) == [0, 1]
    assert await ids(to=_rfc3339(now - 150_000_000_000)) == [2, 3, 4]
    assert await ids(status="", user_id="", min_cost_usd="", is_unpriced="", cursor="") == [0, 1, 2, 3, 4]

    seen: list[str] = []
    cursor = None
    while True:
        params: dict[str, Any] = {"service": service, "limit": 2, **({"cursor": cursor} if cursor else {})}
        page = (await client.get("/api/v1/traces", params=params)).json()
        seen += [item["trace_id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [trace["traceId"] for trace in traces]

    histogram = fits(
        schemas.Histogram, await client.get("/api/v1/histogram", params={"service": service, "buckets": 10})
    )
    assert sum(bucket["trace_count"] for bucket in histogram["buckets"]) == 5
    totals = histogram["totals"]
    assert (totals["trace_count"], totals["span_count"], totals["error_count"]) == (5, 5, 1)
    assert (totals["input_tokens"], totals["cached_input_tokens"]) == (5000, 2000)
    facets = fits(schemas.Facets, await client.get("/api/v1/facets", params={"service": service}))["facets"]
    assert {(value["value"], value["count"]) for value in facets["user_id"]} == {("user-0", 3), ("user-1", 2)}


async def test_sessions_hold_their_traces_in_order(
    client: httpx.AsyncClient, otlp: Any, body: Any, service: str
) -> None:
    conversation = f"conv/{service}?x=1"
    now = time.time_ns()
    turns = [
        otlp(
            {**CHAT, "gen_ai.conversation.id": conversation},
            startTimeUnixNano=str(now - age * 10**9),
            endTimeUnixNano=str(now - age * 10**9 + 5),
        )
        for age in (30, 20, 10)
    ]
    await send(client, body(*reversed(turns), service__name=service))
    listed = fits(schemas.SessionPage, await client.get("/api/v1/sessions", params={"service": service}))
    assert [(item["conversation_id"], item["trace_count"]) for item in listed["items"]] == [(conversation, 3)]
    assert listed["items"][0]["user_ids"] == ["ann"]
    one = fits(
        schemas.SessionDetail, await client.get("/api/v1/sessions/" + conversation.replace("?", "%3F"))
    )
    assert [trace["trace_id"] for trace in one["traces"]] == [turn["traceId"] for turn in turns]


@pytest.mark.parametrize(
    ("path", "status", "named"),
    [
        ("/api/v1/traces?limit=0", 400, "limit='0'"),
        ("/api/v1/traces?from=yesterday", 400, "yesterday"),
        ("/api/v1/traces?status=bad", 400, "bad"),
        ("/api/v1/traces?min_cost_usd=-1", 400, "-1"),
        ("/api/v1/traces?cursor=nonsense", 400, "cursor"),
        ("/api/v1/traces/xyz", 400, "xyz"),
        (f"/api/v1/traces/{'12' * 16}", 404, "12" * 16),
        (f"/api/v1/traces/{'12' * 16}/outline", 404, "12" * 16),
        (f"/api/v1/traces/{'12' * 16}/spans/{'34' * 8}", 404, "34" * 8),
        ("/api/v1/sessions/nobody", 404, "nobody"),
        ("/api/v1/nothing", 404, "/api/v1/nothing"),
    ],
)
async def test_problems_name_the_value_and_the_fix(
    path: str, status: int, named: str, client: httpx.AsyncClient
) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    problem = schemas.Problem.model_validate_json(answer.content)
    assert problem.status == status
    assert named in problem.detail
    assert problem.fix or path.endswith("nothing")


async def test_health_readiness_and_metrics(client: httpx.AsyncClient) -> None:
    health = await client.get("/healthz")
    assert (health.json()["name"], health.json()["status"]) == ("spanwise", "ok")
    assert health.headers["x-spanwise"] == health.json()["version"]
    assert (await client.get("/readyz")).status_code == 200
    text = (await client.get("/metrics")).text
    assert 'spanwise_http_requests_total{area="health",code="200"} 2.0' in text


async def test_the_api_describes_itself(client: httpx.AsyncClient) -> None:
    document = (await client.get("/api/v1/openapi.json")).json()
    trace = document["paths"]["/api/v1/traces/{trace_id}"]["get"]["responses"]["200"]
    assert trace["content"]["application/json"]["schema"]["$ref"].endswith("TraceDetail")


def _rfc3339(time_ns: int) -> str:
    seconds, rest = divmod(time_ns, 10**9)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:09d}+00:00"
