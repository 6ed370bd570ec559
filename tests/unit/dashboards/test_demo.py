"""The demo's assistant at endpoints that offer less than OpenAI's."""

import httpx2
import openai

from spanwise_dashboards.demo.assistant import HelpDesk
from spanwise_dashboards.demo.texts import handbook


def desk_at(status: int) -> HelpDesk:
    """Returns the assistant of an endpoint that answers every request with that status."""
    transport = httpx2.MockTransport(
        lambda _request: httpx2.Response(status, json={"error": {"message": "no"}})
    )
    client = openai.OpenAI(
        base_url="http://endpoint.test/v1",
        api_key="k",
        max_retries=0,
        http_client=httpx2.Client(transport=transport),
    )
    return HelpDesk(client, handbook(), server="http://server.test")


def test_without_embeddings_the_handbook_is_searched_by_its_words() -> None:
    desk = desk_at(404)
    assert desk.index() == len(handbook())
    assert not desk.has_embeddings
    page = handbook()[3]
    assert desk.search(f"{page.title} {page.content}")[0]["id"] == page.id
