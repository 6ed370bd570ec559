"""The API's reference as one page without scripts, drawn from the OpenAPI description."""

from html import escape
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

router = APIRouter(include_in_schema=False)
_HEADERS = {"Content-Security-Policy": "default-src 'none'"}


@router.get("/docs")
async def show_reference(request: Request) -> Response:
    """Lists every path, its parameters, and the members of its answer."""
    document = request.app.openapi()
    sections = [
        _operation(path, method, operation, document["components"]["schemas"])
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    return HTMLResponse(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Spanwise API</title><h1>Spanwise API</h1>"
        f"<p>Machine-readable: <a href=openapi.json>openapi.json</a></p>{''.join(sections)}",
        headers=_HEADERS,
    )


def _operation(path: str, method: str, operation: dict[str, Any], schemas: dict[str, Any]) -> str:
    # OpenAPI is JSON of many shapes: hence Any.
    parameters = "".join(
        f"<li><code>{escape(item['name'])}</code> {escape(item.get('description', ''))}</li>"
        for item in operation.get("parameters", ())
    )
    content = operation["responses"].get("200", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    name = schema.get("$ref", "").rpartition("/")[2]
    members = "".join(
        f"<li><code>{escape(key)}</code> {escape(value.get('description', ''))}</li>"
        for key, value in schemas.get(name, {}).get("properties", {}).items()
    )
    return (
        f"<h2><code>{method.upper()} {escape(path)}</code></h2>"
        f"<p>{escape(operation.get('summary', ''))}. {escape(operation.get('description', ''))}</p>"
        + (f"<h3>Parameters</h3><ul>{parameters}</ul>" if parameters else "")
        + (f"<h3>Answer: {escape(name)}</h3><ul>{members}</ul>" if members else "")
    )
