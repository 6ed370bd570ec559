"""How a route describes its answer: the document of a 200, and the problems that may come instead."""

from typing import Any

from pydantic import BaseModel

from spanwise_collector.routers.schemas import Problem

Responses = dict[int | str, dict[str, Any]]
"""FastAPI's own shape, hence Any."""
_MEANINGS = {
    400: "A parameter cannot be read.",
    401: "Login needed.",
    404: "Not stored.",
    503: "The store does not answer.",
}


def documented(model: type[BaseModel], *problems: int) -> Responses:
    """Returns the ``responses`` of a route."""
    found: Responses = {200: {"model": model}}
    for status in (*problems, 401, 503):
        found[status] = {
            "description": _MEANINGS[status],
            "content": {"application/problem+json": {"schema": Problem.model_json_schema()}},
        }
    return found
