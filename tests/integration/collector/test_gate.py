"""What stands before every route: host, origin, content type of writes, login."""

from typing import Any

import pytest

JSON = {"content-type": "application/json"}
OTLP = "/v1/traces"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:4318", "127.0.0.1.evil.example", "10.0.0.1", ""]
)
async def test_a_rebound_host_name_is_refused_on_loopback(host: str, serve: Any) -> None:
    async with serve() as client:
        for path in ("/api/v1/traces", "/healthz", "/"):
            answer = await client.get(path, headers={"host": host})
            assert answer.status_code == 403
        answer = await client.post(OTLP, content="{}", headers={**JSON, "host": host})
        assert (answer.status_code, answer.json()["code"]) == (403, 7)


@pytest.mark.parametrize(
    "host", ["localhost:4318", "127.0.0.1", "[::1]:4318", "app.localhost", "spans.example"]
)
async def test_names_of_this_machine_and_allowed_ones_pass(host: str, serve: Any) -> None:
    async with serve(allowed_hosts=("spans.example",)) as client:
        assert (await client.get("/healthz", headers={"host": host})).status_code == 200


async def test_any_host_name_passes_behind_a_login(serve: Any) -> None:
    async with serve(host="0.0.0.0", ingest_key="k", ui_password="p") as client:
        assert (await client.get("/healthz", headers={"host": "spans.example"})).status_code == 200


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:9999", "http://127.0.0.1"]
)
async def test_a_foreign_page_may_not_write(origin: str, serve: Any) -> None:
    async with serve() as client:
        answer = await client.post(OTLP, content="{}", headers={**JSON, "origin": origin})
        assert answer.status_code == 403
        own = await client.post(OTLP, content="{}", headers={**JSON, "origin": "http://127.0.0.1:4318"})
        assert own.status_code == 200


async def test_a_form_cannot_write_to_the_api(serve: Any) -> None:
    async with serve() as client:
        for kind in ("text/plain", "application/x-www-form-urlencoded"):
            answer = await client.post("/api/v1/traces", content="x", headers={"content-type": kind})
            assert answer.status_code == 415
        assert (await client.post("/api/v1/traces", content="{}", headers=JSON)).status_code == 405


async def test_pages_and_api_need_the_login_and_otlp_does_not(serve: Any) -> None:
    async with serve(ui_password="secret") as client:
        api = await client.get("/api/v1/traces")
        page = await client.get("/traces?q=a b", headers={"accept": "text/html"})
        assert (api.status_code, api.headers["content-type"]) == (401, "application/problem+json")
        assert (page.status_code, page.headers["location"]) == (303, "/login?next=%2Ftraces%3Fq%3Da%2520b")
        assert (await client.get("/metrics")).status_code == 401
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.post(OTLP, content="{}", headers=JSON)).status_code == 200
        bearer = await client.get("/api/v1/traces", headers={"authorization": "Bearer secret"})
        assert bearer.status_code == 200


async def test_the_login_form_sets_a_cookie_and_goes_back(serve: Any) -> None:
    async with serve(ui_password="secret") as client:
        form = await client.get("/login", params={"next": '/traces?q="><script>'})
        assert form.status_code == 200
        assert "<script>" not in form.text
        wrong = await client.post("/login", data={"password": "guess", "next": "/x"})
        assert (wrong.status_code, "is wrong" in wrong.text) == (401, True)
        right = await client.post("/login", data={"password": "secret", "next": "/traces?q=1"})
        assert (right.status_code, right.headers["location"]) == (303, "/traces?q=1")
        cookie = right.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert "Secure" not in cookie
        assert (await client.get("/api/v1/traces")).status_code == 200
        cross = await client.post("/logout", headers={"origin": "https://evil.example"})
        assert cross.status_code == 403
        await client.post("/logout")
        client.cookies.clear()
        assert (await client.get("/api/v1/traces")).status_code == 401


async def test_under_tls_the_cookie_is_secure_and_a_foreign_next_is_ignored(serve: Any) -> None:
    async with serve(ui_password="secret", base_url="https://127.0.0.1:4318") as client:
        answer = await client.post("/login", data={"password": "secret", "next": "//evil.example"})
    assert answer.headers["location"] == "/"
    assert "Secure" in answer.headers["set-cookie"]


async def test_prometheus_may_use_the_ingest_key(serve: Any) -> None:
    async with serve(ui_password="p", ingest_key="k") as client:
        assert (await client.get("/metrics", headers={"authorization": "Bearer k"})).status_code == 200
        assert (await client.get("/api/v1/traces", headers={"authorization": "Bearer k"})).status_code == 401


async def test_every_answer_forbids_sniffing(serve: Any) -> None:
    async with serve() as client:
        for path in ("/healthz", "/api/v1/traces", "/nothing", OTLP):
            assert (await client.get(path)).headers["x-content-type-options"] == "nosniff"
