"""Login and logout.

The page package draws the form by setting ``app.state.render_login``, a function
``render_login(request, error, next_path) -> Response`` where ``error`` is ``""`` or a sentence to show.
Without one, a plain form is answered.
"""

from html import escape
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from spanwise_collector.auth import COOKIE, Access, TooManyRequests, Unauthorized, safe_next

router = APIRouter(include_in_schema=False)


@router.get("/login")
async def show_login(request: Request, next: Annotated[str, Query()] = "/") -> Response:
    """Shows the form; a server without password has none."""
    access: Access = request.app.state.access
    if not access.needs_login:
        return RedirectResponse(safe_next(next), 303)
    return _render(request, "", safe_next(next), 200)


@router.post("/login")
async def log_in(
    request: Request,
    password: Annotated[str, Form(max_length=1024)] = "",
    next: Annotated[str, Form(max_length=2048)] = "/",
) -> Response:
    """Checks the password and sets the cookie. The gate has checked the Origin before."""
    access: Access = request.app.state.access
    address = request.client.host if request.client else ""
    try:
        cookie = await access.login(password, address)
    except (Unauthorized, TooManyRequests) as error:
        return _render(request, f"{error.message}. {error.fix}.", safe_next(next), error.status)
    response = RedirectResponse(safe_next(next), 303)
    response.set_cookie(
        COOKIE,
        cookie,
        max_age=request.app.state.settings.session_hours * 3600,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return response


@router.post("/logout")
async def log_out() -> Response:
    """Takes the cookie back."""
    response = RedirectResponse("/login", 303)
    response.delete_cookie(COOKIE)
    return response


def _render(request: Request, error: str, next_path: str, status: int) -> Response:
    draw = getattr(request.app.state, "render_login", None)
    response: Response = draw(request, error, next_path) if draw is not None else _plain(error, next_path)
    response.status_code = status
    response.headers["Cache-Control"] = "no-store"
    return response


def _plain(error: str, next_path: str) -> Response:
    return HTMLResponse(
        "<!doctype html><html lang=en><title>Spanwise login</title>"
        f"<p role=alert>{escape(error)}</p><form method=post action=/login>"
        f'<input type=hidden name=next value="{escape(next_path)}">'
        "<label>Password <input type=password name=password autofocus></label><button>Log in</button></form>",
        headers={"Content-Security-Policy": "default-src 'none'; form-action 'self'"},
    )
