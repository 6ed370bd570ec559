"""The API's reference, drawn from the server's own OpenAPI document: it works offline and under our CSP."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from spanwise_dashboards.pages.shell import PageRoute, render

router = APIRouter(route_class=PageRoute, include_in_schema=False)
METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True)
class Parameter:
    """One parameter of an operation."""

    name: str
    place: str
    type: str
    description: str
    is_required: bool


@dataclass(frozen=True)
class Operation:
    """One method of one path, with a command that calls it."""

    method: str
    path: str
    summary: str
    description: str
    parameters: list[Parameter]
    example: str


@dataclass(frozen=True)
class Group:
    """The operations of one tag."""

    name: str
    operations: list[Operation]


@router.get("/reference")
def reference(request: Request) -> Response:
    """Every path of the API, with parameters and a curl command."""
    document = request.app.openapi()
    base = str(request.base_url).rstrip("/")
    return render(
        request,
        "reference.html",
        section="reference",
        groups=groups_of(document, base),
        schema_url=request.app.openapi_url,
    )


@router.get("/api/v1/docs", include_in_schema=False)
def documentation() -> Response:
    """Where people look for the documentation of an API."""
    return RedirectResponse("/reference", 307)


def groups_of(document: Mapping[str, Any], base: str) -> list[Group]:
    """Returns the operations of an OpenAPI document by their first tag, in the document's order."""
    groups: dict[str, list[Operation]] = {}
    for path, methods in document.get("paths", {}).items():
        for method in METHODS:
            if method in methods:
                held = methods[method]
                tag = (held.get("tags") or ["server"])[0]
                groups.setdefault(tag, []).append(_operation(method, path, held, base))
    return [Group(name, operations) for name, operations in groups.items()]


def _operation(method: str, path: str, held: Mapping[str, Any], base: str) -> Operation:
    return Operation(
        method=method.upper(),
        path=path,
        summary=str(held.get("summary") or ""),
        description=" ".join(str(held.get("description") or "").split()),
        parameters=[_parameter(item) for item in held.get("parameters", [])],
        example=f"curl {base}{path}" if method == "get" else f"curl -X {method.upper()} {base}{path}",
    )


def _parameter(held: Mapping[str, Any]) -> Parameter:
    schema = held.get("schema") or {}
    kinds = [schema.get("type")] + [option.get("type") for option in schema.get("anyOf", [])]
    return Parameter(
        name=str(held.get("name")),
        place=str(held.get("in")),
        type=" or ".join(str(kind) for kind in kinds if kind and kind != "null") or "any",
        description=" ".join(str(held.get("description") or schema.get("description") or "").split()),
        is_required=bool(held.get("required")),
    )
