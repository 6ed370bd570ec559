"""How a route describes its answer: the document of a 200, and the problems that may come instead."""

from typing import Any

from pydantic import BaseModel

from spanwise_collector.routers.schemas import Problem

Responses = dict[int | str, dict[str, Any]]
"""FastAPI's own shape, hence Any."""
_MEANINGS = {
    400: "A parameter or the body cannot be read.",
    401: "Login needed.",
    404: "Not stored.",
    503: "The store does not answer.",
}


def documented(model: type[BaseModel], *problems: int, status: int = 200) -> Responses:
    """Returns the ``responses`` of a route; ``status`` is that of success."""
    found: Responses = {status: {"model": model}}
    for problem in (*problems, 401, 503):
        found[problem] = {
            "description": _MEANINGS[problem],
            "content": {"application/problem+json": {"schema": Problem.model_json_schema()}},
        }
    return found
