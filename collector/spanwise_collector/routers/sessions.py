"""Conversations: the list, and one with its traces."""

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from spanwise_collector.deps import ProjectDep, StoreDep
from spanwise_collector.errors import NotFound
from spanwise_collector.routers import render, schemas
from spanwise_collector.routers.answers import documented
from spanwise_collector.routers.filters import CursorParam, FilterDep, LimitParam

router = APIRouter(tags=["sessions"])


@router.get(
    "/sessions", summary="List conversations, latest first", responses=documented(schemas.SessionPage, 400)
)
def list_sessions(
    store: StoreDep,
    project: ProjectDep,
    where: FilterDep,
    limit: LimitParam = 50,
    cursor: CursorParam = None,
) -> Response:
    """Conversations that have a trace matching the filter."""
    page = store.list_sessions(project, where, limit=limit, cursor=cursor or None)
    items = [render.session(item) for item in page.items]
    return render.reply({"items": items, "next_cursor": page.next_cursor})


@router.get(
    "/sessions/{conversation_id:path}",
    summary="Read a conversation",
    responses=documented(schemas.SessionDetail, 404),
)
def read_session(
    store: StoreDep, project: ProjectDep, conversation_id: Annotated[str, Path(max_length=1024)]
) -> Response:
    """The traces of one conversation, oldest first."""
    traces = store.read_session(project, conversation_id)
    if not traces:
        raise NotFound(f"there is no conversation {conversation_id!r}", fix="list them with /api/v1/sessions")
    rendered = [render.summary(item) for item in traces]
    return render.reply({"conversation_id": conversation_id, "traces": rendered})
